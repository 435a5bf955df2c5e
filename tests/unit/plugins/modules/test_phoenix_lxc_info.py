# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the observation of a fleet returns of containers without work."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.modules.phoenix_lxc_info import briefly, calls

SEEN = {
    "hostname": "web",
    "name": "web",
    "volumes": ["local:950/vm-950-disk-0.raw"],
    "features": ["one"],
    "plan": {"state": "completed", "final_state": "completed", "steps": [], "notes": [], "waiting": ["memory"]},
}


def test_little_is_returned_of_a_container_without_work():
    plan = {"state": "completed", "final_state": "completed", "waiting": ["memory"]}
    assert briefly({**SEEN, "due": False}) == {"hostname": "web", "name": "web", "due": False, "plan": plan}


def test_all_is_returned_of_a_container_with_work_or_without_a_plan():
    assert briefly({**SEEN, "due": True}) == {**SEEN, "due": True}
    assert briefly(SEEN) == SEEN


def test_a_plan_calls_pve_when_one_of_its_entries_does():
    ledger, call = ({"op": op, "what": "", "params": {}} for op in ("ledger", "pve"))

    def planned(*entries):
        return {"plan": {"steps": [{"kind": "x", "entries": [entry]} for entry in entries]}}

    assert calls(planned(ledger, call))
    assert not any(map(calls, (planned(ledger), planned(), {"plan": None}, {})))
