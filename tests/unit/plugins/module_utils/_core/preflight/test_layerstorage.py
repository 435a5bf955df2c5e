# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrong storage of layers is one fault of the inventory source, however many containers take part in them."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.demands import asked, demands
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.judgement import Facts, Room
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.storagecfg import parse_storages

STORAGES = parse_storages(
    """dir: local
    path /var/lib/vz
    content vztmpl,rootdir

dir: fast
    path /fast
    content vztmpl

dir: bare
    path /bare
    content rootdir

dir: off
    path /off
    content vztmpl
    disable

dir: there
    path /there
    content vztmpl
    nodes other

nfs: share
    server nas
    export /x
    content vztmpl
""".replace("    ", "\t")
)


def candidate(ctid: int, layers: str) -> Candidate:
    return Candidate.from_options({"ctid": ctid, "config": {"name": "web"}, "plan": {}, "layer_storage": layers})


def judge(name: str, check: bool = False, **facts):
    items = [candidate(950, name), candidate(951, name), candidate(952, "")]
    return judgement.judge(items, Facts(node="pve", storages=STORAGES, **facts), check)


@pytest.mark.parametrize(
    ("name", "got", "remedy"),
    [
        ("fsat", 'storage "fsat" does not exist on node pve', "Write an existing storage in layers.storage of the inv"),
        ("bare", 'got "bare", which holds rootdir and not vztmpl', "pvesm set bare --content rootdir,vztmpl. Or write"),
        (
            "off",
            'got "off", which is disabled',
            "pvesm set off --disable 0. Or write another storage in layers.storage",
        ),
        ("there", 'got "there", which is restricted to other', "pvesm set there --nodes other,pve. Or write another"),
        ("share", 'got "share", which is of type nfs', "pvesm add dir layers --path /srv/layers --content vztmpl. Or"),
    ],
)
def test_a_wrong_storage_is_one_fault_of_the_inventory_source(name: str, got: str, remedy: str):
    (found,) = judge(name).findings
    assert (found.pointer, found.got, found.concerned) == ("/layers/storage", got, (950, 951))
    assert found.expected == "a storage of type dir or btrfs for container templates (vztmpl): fast, local"
    assert remedy in found.remedy
    assert found.nearest == ("fast" if name == "fsat" else None)
    assert found.line().startswith(f"/layers/storage  {got}")


@pytest.mark.parametrize("rooms", [{}, {"fast": Room(0)}, {"fast": Room(problem="/fast is not mounted")}])
def test_one_that_is_full_or_offline_just_now_is_no_fault(rooms):
    verdict = judge("fast", rooms=rooms)
    assert (verdict.findings, verdict.warnings) == ((), ())


def test_one_that_the_hypervisor_playbook_adds_is_a_note_in_check_mode():
    assert judge("new", coming=frozenset({"new"})).findings != ()
    verdict = judge("new", check=True, coming=frozenset({"new"}))
    assert verdict.findings == ()
    assert "so a real run makes it first" in verdict.warnings[0]


def test_nothing_is_asked_where_no_container_takes_part():
    assert asked(demands([candidate(950, "")], {})).storages == frozenset()
    assert asked(demands([candidate(950, "tank")], {})).storages == {"tank"}
