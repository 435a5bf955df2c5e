# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PVE's protection and what it refuses: what removes it goes first, and it stays where nobody gave it up."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.known import instance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import marker
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile

HEAD = {"hostname": "web", "memory": "512", "rootfs": "local:950/d.raw,size=4G", "protection": "1"}
DISK = {"name": "data", "pool": "local", "size_gb": 1, "mount_point": "/data"}
PUT = "PUT /nodes/pve/lxc/950/config"


def plan(config: dict[str, Any], applied: dict[str, Any] | None = None, **more: Any) -> Any:
    """The plan for a running, protected container of ours."""
    conf = ConfFile(head=HEAD, markers=(marker.line("i1"),))
    seen = Observation(950, exists=True, running=True, conf=conf, boot="b1", ledger=ledger.empty())
    known = {"id": "i1", "at": 1, **instance.evidence(conf)}
    applied = {"hostname": "web"} if applied is None else applied
    origin = more.pop("origin", {"template": "x"})
    record = Record("completed", True, applied, origin=origin, instance=known)
    return planner.plan(Wanted(950, "pve", {"name": "web", **config}, **more), seen, record)


def calls(made: Any) -> list[tuple[str, dict[str, Any]]]:
    """The calls of a plan."""
    return [(e.what, dict(e.params)) for step in made.steps for e in step.entries if e.op == "pve"]


def test_a_drive_comes_after_the_protection_is_off():
    first, second = calls(plan({"protection": False, "volumes": [DISK], "cores": 2}))
    assert first == (PUT, {"protection": "0"})
    assert second == (PUT, {"mp0": "local:1,mp=/data", "cores": "2"})


def test_a_protection_whose_key_is_gone_goes_first():
    first, second = calls(plan({"volumes": [DISK]}, {"hostname": "web", "protection": "1"}))
    assert first == (PUT, {"delete": "protection"})
    assert set(second[1]) == {"mp0"}


def test_what_changes_no_drive_is_one_write():
    assert calls(plan({"protection": False, "cores": 2})) == [(PUT, {"protection": "0", "cores": "2"})]


@pytest.mark.parametrize("config", [{"protection": True}, {}])
def test_a_protected_container_keeps_its_drives(config: dict[str, Any]):
    made = plan({**config, "volumes": [DISK]})
    assert made.steps == ()
    assert "none of its drives (mp0); remove the protection first (set protection to false in" in made.error


def test_a_write_that_protects_may_change_drives():
    conf = ConfFile(head={key: value for key, value in HEAD.items() if key != "protection"})
    wanted = Wanted(950, "pve", {"name": "web", "protection": True, "volumes": [DISK]})
    made = planner.plan(wanted, Observation(950, exists=True, conf=conf), Record("configured", True))
    assert (PUT, {"mp0": "local:1,mp=/data", "protection": "1"}) in calls(made)


@pytest.mark.parametrize(("more", "left"), [({}, None), ({"protection": True}, "1"), ({"protection": False}, "0")])
def test_a_clone_of_a_protected_source_gets_its_drives(more: dict[str, Any], left: str | None):
    config = {"name": "web", "clone_from_ctid": "900", "volumes": [DISK], **more}
    source = ConfFile(head={**HEAD, "rootfs": "local:900/base-900-disk-0.raw,size=4G", "template": "1"})
    made = planner.plan(Wanted(950, "pve", config), Observation(950, source=source), Record())
    assert made.error is None
    writes = [params for what, params in calls(made) if what == PUT]
    assert "mp0" not in writes[0]
    assert writes[0] == ({"delete": "protection"} if not more else {"protection": "0"})
    assert writes[1]["mp0"] == "local:1,mp=/data"
    assert {**writes[0], **writes[1]}.get("protection") == left


def test_a_clone_that_was_cut_off_before_its_drives_gets_them():
    made = plan({"protection": True, "volumes": [DISK]}, applied={}, origin={"clone_from_ctid": "900"})
    assert [params.get("protection") for _what, params in calls(made)] == ["0", "1"]


def test_a_clone_of_a_protected_source_is_not_protected_by_that():
    config = {"name": "web", "clone_from_ctid": "900"}
    source = ConfFile(head={**HEAD, "rootfs": "local:900/base-900-disk-0.raw,size=4G", "template": "1"})
    made = planner.plan(Wanted(950, "pve", config), Observation(950, source=source), Record())
    assert (PUT, {"delete": "protection"}) in calls(made)


@pytest.mark.parametrize("config", [{}, {"protection": True}])
def test_what_is_protected_is_not_destroyed(config: dict[str, Any]):
    gone = plan(config, target="absent", destroy_confirmed=True)
    again = plan({"template": "x", **config}, recreate=True, run="r")
    assert gone.steps == again.steps == ()
    assert "container 950 is protected; remove the protection first" in gone.error
    assert "container 950 is protected; remove the protection first" in again.error


def test_what_gives_its_protection_up_is_destroyed_after_that():
    found = calls(plan({"protection": False}, target="absent", destroy_confirmed=True))
    assert found[1:] == [(PUT, {"protection": "0"}), ("DELETE /nodes/pve/lxc/950", {"purge": 1})]
    again = calls(plan({"protection": False, "template": "x"}, recreate=True, run="r"))
    assert again[1:3] == [(PUT, {"protection": "0"}), ("DELETE /nodes/pve/lxc/950", {})]


def test_a_description_is_one_line_in_a_reason():
    made = plan({"description": "first\nsecond " + "x" * 100, "protection": True})
    (reason,) = [step.reason for step in made.steps]
    assert reason.startswith('description: not set -> "first\\nsecond xx')
    assert len(reason) < 120
