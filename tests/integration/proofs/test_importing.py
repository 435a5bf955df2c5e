# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever state a container is in, its imported keys ask for exactly that: adopted, it is never configured."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from proof_states import confs
from pure_parts import Observation, Record, conffile, planner, read_container

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(state=confs())
def test_an_imported_container_is_never_configured(state: tuple[str, bool]) -> None:
    text, running = state
    inside = {"boot": "b1", "ledger": {"version": 1, "features": {}}} if running else {}
    seen = Observation(950, True, running, conffile.parse_conf(text), **inside)
    found = read_container.read_container(seen, "pve")
    target = str(found.config.get("target_state") or "completed")
    plan = planner.plan(Wanted(950, "pve", found.config, adopt="record", target=target), seen, Record())
    assert plan.error is None, (text, found)
    assert [step.reason for step in plan.steps if step.kind not in read_container.TAKING_OVER] == [], (text, found)
    waits = {note.partition(":")[0] for note in found.notes}
    assert {"memory_mb", "storage_pool"} <= set(found.config), (text, waits)
