# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A dry run equals the real one: fleets of 1 to 12 containers, with chains, drift, and some of them there already.

The predicted journal is the real one's, entry by entry, and its calls are those that the control plane recorded; check
mode changes nothing on the control plane and no file on the node.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from fake_node import LAYERS, TEMPLATE, FakeNode, normal, predicted, pve_calls
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from proof_counts import COUNTS, LONG, is_tried, number

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import (
    Application,
    Feature,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.layers.address import address_of
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.executor import NoLayers
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers import layer_look

FLEETS = number("FLEETS", 24, 1000)
LAYERED = number("LAYERED", 8, 500)
RUN = "run-2"
OF_A_LAYER = ("pct_options", "lxc_options", "volumes", "target_state")
NAMES = ("base", "docker", "gpu", "serve")

settable = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["web", "db"]),
        "memory_mb": st.sampled_from([256, 1024, 4096]),
        "swap_mb": st.sampled_from([0, 256]),
        "cores": st.sampled_from([1, 4]),
        "start_at_boot": st.booleans(),
        "boot_order": st.sampled_from([1, 5]),
        "boot_delay": st.sampled_from([0, 30]),
        "pct_options": st.sampled_from([["nesting=1"], ["nesting=1", "keyctl=1"], []]),
        "network_config": st.sampled_from(
            [
                {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"},
                {"name": "eth0", "bridge": "vmbr1", "ip": "10.0.0.5/24", "gw": "10.0.0.1"},
            ]
        ),
        "lxc_options": st.sampled_from([["lxc.environment: A=1"], ["lxc.environment: A=1", "lxc.cap.drop: sys_time"]]),
        "volumes": st.sampled_from([[{"name": "data", "pool": "tank", "size_gb": 2, "mount_point": "/data"}]]),
        "storage_size_gb": st.sampled_from([8, 10]),
        "restart_policy": st.sampled_from(["if_needed", "never"]),
        "guard": st.sampled_from(["none", "none", "report"]),
        "target_state": st.sampled_from(["completed", "completed", "completed", "running", "configured", "created"]),
    },
)


@dataclasses.dataclass
class Member:
    """A container of a fleet: what is wanted, and what it was like before."""

    ctid: int
    config: dict[str, Any]
    earlier: dict[str, Any] | None
    drift: str
    application: str | None
    digests: dict[str, str]
    layered: bool


@st.composite
def fleets(draw: Any, layered: bool = False) -> list[Member]:
    """Containers in the order of their creation: a clone stands after its source.

    ``layered``: with layers, and many containers that may share one.
    """
    members: list[Member] = []
    for index in range(draw(st.integers(1, 12))):
        config = draw(settable)
        own: dict[str, Any] = {"storage_pool": draw(st.sampled_from(["tank", "local"]))}
        source = draw(st.one_of(st.none(), st.sampled_from(members))) if members else None
        under: list[str] = []
        if source is None:
            own["template"] = TEMPLATE
        else:
            own["clone_from_ctid"] = source.ctid
            under = stacked(source, members)
            if draw(st.booleans()):
                del own["storage_pool"]
        own["features"] = [name for name in NAMES if name not in under and draw(st.booleans())]
        if layered and source is None:
            config = {key: value for key, value in config.items() if key not in OF_A_LAYER}
            own["features"] = list(NAMES[: draw(st.integers(1, 3))])
        kind = draw(st.sampled_from(["plain", "plain", "template", "snapshot"]))
        if kind == "template":
            own["is_template"] = True
        elif kind == "snapshot" and own.get("storage_pool") == "tank":
            own["template_snapshot_name"] = "golden"
        if kind == "plain" and draw(st.booleans()):
            own["ha"] = draw(st.sampled_from([{}, {"max_restart": 2}, {"state": "ignored"}]))
            if config.get("target_state") in ("configured", "created"):
                own["ha"] = {"state": "ignored"}  # else the HA manager starts it, sooner or later
        there = draw(st.booleans()) and (source is None or source.earlier is not None)
        members.append(
            Member(
                ctid=900 + index,
                config={**config, **own},
                earlier={**draw(settable), **own, "target_state": "completed"} if there else None,
                drift=draw(st.sampled_from(["none", "none", "stopped", "edited", "raw", "upgraded"])),
                application=draw(st.sampled_from([None, "app1"])) if kind == "plain" else None,
                digests=dict.fromkeys(NAMES, "d1"),
                layered=layered,
            )
        )
    return members


def stacked(member: Member, members: list[Member]) -> list[str]:
    """The features that a clone of this one inherits."""
    by_id = {item.ctid: item for item in members}
    source = by_id.get(member.config.get("clone_from_ctid"))
    return [*(stacked(source, members) if source else []), *member.config["features"]]


def digest(member: Member, members: list[Member], name: str) -> str:
    """A feature's digest covers those under it."""
    stack = stacked(member, members)
    return "".join(member.digests[under] for under in stack[: stack.index(name) + 1])


def wanted_of(member: Member, members: list[Member], config: dict[str, Any], in_play: Any = ()) -> Wanted:
    """What the controller gives to the module for it."""
    by_id = {item.ctid: item for item in members}
    source = by_id.get(config.get("clone_from_ctid"))
    return Wanted(
        member.ctid,
        "pve",
        config,
        features=tuple(
            Feature(name, digest(member, members, name), rest={"layer": name != "gpu"}) for name in config["features"]
        ),
        application=Application("script", member.application) if member.application else None,
        target=config.get("target_state", "completed"),
        source=wanted_of(source, members, source.config, in_play) if source and source.ctid in in_play else None,
        clone_snapshot=source.config.get("template_snapshot_name") if source else None,
        inherited=tuple(stacked(source, members)) if source else (),
        run=RUN,
        layers=LAYERS if member.layered else None,
    )


def meddle(node: FakeNode, member: Member) -> None:
    """What happens to a container between two runs."""
    conf = node.conf(member.ctid) or ""
    if not conf or "template: 1" in conf:
        return
    path = f"/nodes/pve/lxc/{member.ctid}"
    if member.drift == "stopped" and member.ctid in node.backend.running:
        node.call("POST", f"{path}/status/stop")
    elif member.drift == "edited":
        told = node.retold(member.ctid, "by hand")
        node.call("PUT", f"{path}/config", {"cores": 7, "description": told, "nameserver": "1.1.1.1"})
    elif member.drift == "raw":
        file = node.conf_dir / f"{member.ctid}.conf"
        head, mark, rest = file.read_text().partition("\n[")
        file.write_text(f"{head.rstrip()}\nlxc.signal.halt: SIGTERM\n{mark}{rest}")
    elif member.drift == "upgraded":
        member.digests["base"] = "d2"


def settle(node: FakeNode, members: list[Member]) -> None:
    """The node as an earlier run and other people left it."""
    node.wipe()
    failed: set[int] = set()
    for member in members:
        if member.earlier is None or member.earlier.get("clone_from_ctid") in failed:
            failed.add(member.ctid)
            continue
        earlier = dataclasses.replace(wanted_of(member, members, member.earlier), run="run-1")
        _journal, outcome = node.drive(earlier, run="run-1")
        if outcome.last.error:
            failed.add(member.ctid)
    for member in members:
        meddle(node, member)
    node.pve.asked.clear()


BOUNDS: dict[str, Any] = {
    "deadline": None,
    "derandomize": not LONG,
    "database": None,
    "phases": [Phase.generate, Phase.shrink] if LONG else [Phase.generate],
    "report_multiple_bugs": False,
    "suppress_health_check": list(HealthCheck),
}


@settings(max_examples=FLEETS // 2, **BOUNDS)
@given(members=fleets())
def test_the_predicted_journal_is_the_real_one(node, transport, members):
    if is_tried(transport, members):
        equal(node, members)


@settings(max_examples=LAYERED // 2, **BOUNDS)
@given(members=fleets(layered=True))
def test_the_predicted_journal_is_the_real_one_with_layers(node, members):
    equal(node, members)


def equal(node: FakeNode, members: list[Member]) -> None:
    """A dry run and a real run of a fleet, compared."""
    members = [
        dataclasses.replace(
            copy.deepcopy(member),
            config=node.able(member.config),
            earlier=None if member.earlier is None else node.able(member.earlier),
        )
        for member in members
    ]
    settle(node, members)
    COUNTS["fleets whose dry run equals the real one"] += 1

    before = node.files()
    everyone = {member.ctid for member in members}
    due = {m.ctid for m in members if plan(node, m, members, everyone).steps}
    awaited = await_layers(node, members, due) if any(member.layered for member in members) else {}
    plans = {member.ctid: plan(node, member, members, due, awaited.get(member.ctid)) for member in members}
    assert node.mutations() == []
    assert node.files() == before

    refused: set[int] = set()
    for member in members:
        COUNTS["containers in these fleets"] += 1
        node.pve.asked.clear()
        source = member.config.get("clone_from_ctid")
        # The play skips what is cloned from a container that fails; a source that stops early refuses its clones.
        if source in refused and (plans[member.ctid].steps or plans[member.ctid].error):
            refused.add(member.ctid)
            continue
        journal, outcome = node.drive(wanted_of(member, members, member.config), run=RUN)
        foreseen = plans[member.ctid]
        assert outcome.first.error == foreseen.error
        if foreseen.error:
            refused.add(member.ctid)
            assert node.mutations() == []
            continue
        assert journal == predicted(foreseen) or normal_entries(journal) == normal_entries(predicted(foreseen))
        assert normal(node.mutations()) == normal(pve_calls(predicted(foreseen)))
        assert outcome.last.state == foreseen.final_state
        COUNTS["journal entries predicted and met"] += len(journal)
        COUNTS["containers of these fleets from a layer"] += any("as the layer" in s.reason for s in foreseen.steps)
    assert node.warnings == []


def await_layers(node: FakeNode, members: list[Member], in_play: Any) -> dict[int, dict[str, int]]:
    """The layers that a container of this run leaves and another one awaits, as the look at the node finds them."""
    executor = node.executor(check=True, layers=NoLayers())
    wanted = {member.ctid: wanted_of(member, members, member.config, in_play) for member in members}
    looks = {ctid: executor.look(want) for ctid, want in wanted.items()}
    seen = {ctid: look[0] for ctid, look in looks.items()}
    records = {ctid: look[1] for ctid, look in looks.items()}

    def is_refused(ctid: int, found: Any) -> bool:
        return planner.plan(wanted[ctid], found, records[ctid]).refusal is not None

    layer_look.recall_fleet(node.shelf, wanted, seen, records, is_refused)
    found = {ctid: one.layering for ctid, one in seen.items() if one.layering and one.layering.leader}
    return {ctid: {address_of(one.volume): one.leader} for ctid, one in found.items()}


def plan(
    node: FakeNode, member: Member, members: list[Member], in_play: Any, leaders: dict[str, int] | None = None
) -> Any:
    """Check mode's plan."""
    node.leaders = leaders or {}
    found = node.check(wanted_of(member, members, member.config, in_play)).first
    node.leaders = {}
    return found


def normal_entries(entries: Any) -> str:
    """Journal entries with the MACs, which are drawn by chance, made equal."""
    return normal([(entry["op"], entry["what"], entry["params"]) for entry in entries])
