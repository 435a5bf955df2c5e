# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of the API as the config that the file has."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote.apiconf import conf_of


def test_an_environment_is_both_option_and_lines():
    seen = conf_of({"env": "A=1\0B=2", "cores": 1})
    assert seen.head["env"] == "A=1\0B=2"
    assert seen.raw == (("lxc.environment.runtime", "A=1"), ("lxc.environment.runtime", "B=2"))


def test_a_description_keeps_its_lines_and_signs():
    assert conf_of({"description": "50 %: #1\n\n[x]\n"}).head == {"description": "50 %: #1\n\n[x]\n"}


def test_a_pending_value_and_a_pending_deletion_of_one_key_stand_side_by_side():
    rows = [{"key": "mp0", "value": "a", "pending": "b", "delete": 1}, {"key": "cores", "value": 2}]
    seen = conf_of({"mp0": "a", "cores": 2}, rows)
    assert (seen.pending, seen.deletions) == ({"mp0": "b"}, frozenset({"mp0"}))


def test_snapshots_have_their_own_options():
    seen = conf_of({"cores": 2}, (), {"before": {"cores": 1, "digest": "d", "lxc": [["lxc.cap.drop", "x"]]}})
    assert seen.snapshots == {"before": {"cores": "1"}}
    assert seen.snapshot_raw == {"before": (("lxc.cap.drop", "x"),)}
