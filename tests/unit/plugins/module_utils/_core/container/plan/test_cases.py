# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cases in `cases/*.yml`: what is configured, what the node has, and the plan. Their README.md has the keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import harules
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import (
    Application,
    Feature,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.cluster import availability
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.known import instance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Plan,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import fwfile, marker
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.passthrough import Device

CTID = 950
FILES = sorted(Path(__file__).with_name("cases").glob("*.yml"))
TOP = {
    "about",
    "configuration",
    "features",
    "application",
    "gpu_devices",
    "node_devices",
    "options",
    "version",
    "node",
    "earlier",
    "plan",
}
NODE = {"config", "running", "made_by", "features", "application", "firewall", "ha", "ha_rules", "joined"}
NODE |= {"source", "source_running", "storages", "backup"}
PLAN = {"state", "ends", "steps", "refused", "waiting", "notes", "disrupts"}


def wanted(case: Mapping[str, Any], config: Mapping[str, Any]) -> Wanted:
    """The container as the inventory gives it."""
    features = tuple(Feature(name, digest) for name, digest in case.get("features", {}).items())
    application = Application.from_json(case["application"]) if "application" in case else None
    devices = tuple(Device(path, "0666", tuple(number)) for path, number in case.get("gpu_devices", {}).items())
    options = {"devices": devices or None, **case.get("options", {})}
    found = Wanted(CTID, "pve", config, features, application, **options)
    if "node_devices" not in case:
        return found
    there = {
        path: hostneeds.Node(tuple(number[:2]), rights=int(str((*number, 666)[2]), 8))
        for path, number in case["node_devices"].items()
    }
    return hostneeds.complete(found, there=there, version=case.get("version", ""))


def ledger_of(case: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is recorded inside the guest: everything as configured, unless the case says otherwise."""
    features = node.get("features", case.get("features", {}))
    digest = node.get("application", case.get("application", {}).get("digest"))
    done = {"status": "applied", "digest": digest, "ctid": CTID, "boot": "b1"} if digest else None
    entries = {name: {"status": "applied", "digest": digest} for name, digest in features.items()}
    return {"version": 1, "features": entries, "application": done}


def planned(case: Mapping[str, Any]) -> Plan:
    """The plan for a case."""
    node = case["node"] or {}
    conf = parse_conf(node.get("config", ""))
    exists, running = bool(node.get("config")), node.get("running", "config" in node)
    record = Record()
    if exists and node.get("made_by", "us") == "us":
        conf = replace(conf, markers=(marker.line("i1"),))
        before = {**case["configuration"], **case.get("earlier", {})}
        before = {key: value for key, value in before.items() if value is not None}
        first = planner.plan(wanted(case, before), Observation(CTID), Record())
        writes = [entry.params for step in first.steps for entry in step.entries if entry.op == "node"]
        applied = {key: value for params in writes for key, value in (params.get("applied") or {}).items()}
        own = {"id": "i1", "at": 1, **instance.evidence(conf)}
        joined = dict.fromkeys(node.get("joined", []), "joined")
        record = Record("completed", ours=True, applied=applied, instance=own, ha_rules=joined)
    seen = Observation(
        CTID,
        exists=exists,
        running=running,
        conf=conf,
        boot="b1" if running else None,
        ledger=ledger_of(case, node) if exists else None,
        ha_rules=harules.of(harules.parse(node.get("ha_rules", "")), CTID),
        ha=availability.parse_resources(node.get("ha", "")).get(CTID),
        firewall=fwfile.parse_file(node.get("firewall", "")),
        source=parse_conf(node["source"]) if "source" in node else None,
        source_running=node.get("source_running", False),
        source_word="completed" if "source" in node else None,
        storages=node.get("storages", {}),
        backup=parse_conf(node["backup"]) if "backup" in node else None,
    )
    return planner.plan(wanted(case, case["configuration"]), seen, record)


def written(plan: Plan) -> list[str]:
    """The steps as a case writes them: the step, then each change of the container under it."""
    lines = []
    for step in plan.steps:
        lines.append(f"{step.kind} {step.name}".strip())
        for entry in step.entries:
            if entry.op in ("pve", "conf", "guest", "folder") and entry.what != "mark":
                words = [entry.what, *(f"{key}={value}" for key, value in entry.params.items())]
                lines.append("  " + " ".join(words))
    return lines


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_case(file: Path) -> None:
    case = yaml.safe_load(file.read_text(encoding="utf-8"))
    expected = case["plan"]
    unknown = set(case) - TOP | set(case["node"] or {}) - NODE | set(expected) - PLAN
    assert not unknown, f"{file.name} has keys that nothing reads: {sorted(unknown)}"
    plan = planned(case)
    assert written(plan) == expected.get("steps", "").splitlines(), plan.error
    assert plan.state == expected["state"]
    assert plan.error is None if "refused" not in expected else expected["refused"].strip() in str(plan.error)
    assert plan.final_state == expected.get("ends", plan.final_state)
    assert list(plan.waiting) == expected.get("waiting", [])
    assert [step.disrupts for step in plan.steps if step.disrupts != "nothing"] == expected.get("disrupts", [])
    for note in expected.get("notes", []):
        assert any(note in said for said in plan.notes), plan.notes


def test_there_are_cases() -> None:
    assert len(FILES) >= 15
