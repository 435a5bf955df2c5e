# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host IDs of lxc.idmap lines: found before a container is made that could never start."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.desired import understand
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import subids
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.judgement import Facts, judge

CONFIG = {
    "lxc_options": [
        "lxc.apparmor.profile: generated",
        "lxc.idmap: u 0 100000 1000",
        "lxc.idmap: g 0 100000 1000",
        "lxc.idmap: u 1000 1000 1",
    ]
}
DEFAULT = "root:100000:65536\n# root:1000:1\nalice:1000:1\n"


def facts(subuid: str, coming: frozenset[str] = frozenset()) -> Facts:
    """A node with these files."""
    return Facts("pve", coming=coming, subids={"u": subids.parse(subuid), "g": subids.parse(DEFAULT)})


def test_a_range_that_root_does_not_have_is_a_fault_of_the_line_that_needs_it():
    found = judge([Candidate(950, understand(CONFIG))], facts(DEFAULT)).findings
    assert [finding.pointer for finding in found] == ["/lxc_configs/950/lxc_options/3"]
    assert "1000 to 1000, which /etc/subuid does not give to root" in found[0].got
    assert "echo root:1000:1 >> /etc/subuid" in found[0].remedy
    assert '"start": 1000, "count": 1' in found[0].remedy


@pytest.mark.parametrize("text", [DEFAULT + "root:1000:1", DEFAULT + "0:500:600", DEFAULT + "root:999:1\nroot:1000:5"])
def test_what_root_has_is_fine(text: str):
    assert judge([Candidate(950, understand(CONFIG))], facts(text)).findings == ()


def test_ranges_that_follow_each_other_count_together():
    one = subids.Needed("u", 10, 20, 0)
    assert subids.covers([(20, 10), (0, 20)], one)
    assert not subids.covers([(0, 20), (21, 10)], one)


def test_what_the_hypervisors_playbook_adds_is_a_warning_in_a_dry_run_alone():
    coming = frozenset(subids.coming([{"user": "root", "start": 1000, "count": 1}]))
    dry = judge([Candidate(950, understand(CONFIG))], facts(DEFAULT, coming), check=True)
    assert (dry.findings, len(dry.warnings)) == ((), 1)
    real = judge([Candidate(950, understand(CONFIG))], facts(DEFAULT, coming))
    assert "run the playbook hypervisor first" in real.findings[0].remedy


def test_both_kinds_and_lines_that_lxc_refuses_itself():
    lines = ["lxc.idmap: b 0 5000 10", "lxc.idmap: u 0", "lxc.idmap: u 0 x 1", "lxc.idmap = u 0 7000 1"]
    assert [(one.kind, one.first) for one in subids.needed(understand({"lxc_options": lines}).written)] == [
        ("u", 5000), ("g", 5000), ("u", 7000),
    ]  # fmt: skip  # laid out to be read
