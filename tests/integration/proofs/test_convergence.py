# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Convergence: whatever is wanted and whatever is there, one apply leaves nothing to do and nothing foreign is lost.

Each case is a pair of a desired config and the actual state of a container on the control plane, with drift, pending
values, snapshots, raw lines and foreign keys. After one apply a second plan is empty and the control plane
records no mutating call; what check mode predicted is what the control plane recorded.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from fake_node import LAYERS, normal, predicted, pve_calls
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from proof_counts import COUNTS, LONG, is_tried, number, rounds
from proof_states import FEATURES, adoptions, applied_features, configs, confs
from token_node import RefusedError
from transports import TOKEN

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import mounts
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config.compare import Comparison
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.known import instance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Record, Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import marker, rawlines
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile, parse_conf

CTID = 950
RUN = "run-1"
PAIRS = number("PAIRS", 500, 10_000)
ROUNDS, EACH = rounds(PAIRS // 2)  # for each version of PVE
TWINS = number("TWINS", 24, 2000)
TWIN_ROUNDS, EACH_TWIN = rounds(TWINS // 2)
# Options that no key of the product manages: whatever happens, they stay as they are.
FOREIGN = ("arch", "ostype", "cpulimit", "cpuunits", "net1", "unprivileged", "cmode", "console", "tty")
FOREIGN += ("nameserver", "searchdomain", "timezone", "future_key", "parent")
# Options that stay as they are where neither this run's file nor the file before has their key.
MANAGED = ("protection", "description", "tags")


def remember(node: Any, before: dict[str, Any], there: ConfFile, running: bool, recognized: str) -> None:
    """The record of an earlier run with other values: what it applied is what is undone when its key is gone."""
    earlier = Wanted(CTID, "pve", before, FEATURES)
    changes = Comparison(earlier, ConfFile(head=there.merged()), Record(), running).changes
    known = mounts.completed(changes.volumes, there)
    own = None if recognized == "older" else {"id": "i1", "at": 1, **instance.evidence(there)}
    node.store.update_record(CTID, ours=True, applied=dict(changes.applied), volumes=known, instance=own)


def stored_plainly(config: dict[str, Any], merged: dict[str, str]) -> list[str]:
    """The keys whose value is not in the container's config: an oracle that shares no code with the planner."""
    plain = {"name": "hostname", "memory_mb": "memory", "swap_mb": "swap", "cores": "cores", "start_at_boot": "onboot"}
    wrong = []
    for key, option in plain.items():
        want = config.get(key)
        text = str(int(want)) if isinstance(want, bool) else str(want)
        if want is not None and merged.get(option) != text:
            wrong.append(key)
    if "description" in config and merged.get("description", "").rstrip("\n") != config["description"].rstrip("\n"):
        wrong.append("description")
    if "protection" in config and merged.get("protection") != str(int(config["protection"])):
        wrong.append("protection")
    if "tags" in config:
        there = {tag.lower() for tag in re.split("[;, ]", merged.get("tags", "")) if tag}
        wrong += [f"tag {tag}" for tag in config["tags"] if tag.lower() not in there]
    net = merged.get("net0", "")
    network = config.get("network_config") or {}
    address = config.get("static_ip") or network.get("ip")
    parts = [f"bridge={network['bridge']}"] if network else []
    parts += [f"ip={address}"] if network and address else []
    wrong += [part for part in parts if part not in net.split(",")]
    flags = dict(item.split("=") for item in config.get("pct_options", []))
    there = merged.get("features", "").split(",")
    wrong += [f"{key}={value}" for key, value in flags.items() if f"{key}={value}" not in there]
    for item in config.get("volumes", []):
        slot = [text for key, text in merged.items() if key.startswith("mp") and f"mp={item['mount_point']}" in text]
        sizes = (f"size={item['size_gb']}G", f"size={item['size_gb'] * 1024}M")
        sizes += (f":{item['size_gb']},mp={item['mount_point']}",)  # pending: allocated at the restart
        if len(slot) != 1 or not slot[0].endswith(sizes):
            wrong.append(f"{item['mount_point']}: {slot}")
    return wrong


def worked(journal: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    """What a journal says of the work inside the container."""
    return [(each["op"], each["what"], each["params"]) for each in journal if each["op"] in ("feature", "ledger")]


def kept(before: ConfFile, after: ConfFile, config: dict[str, Any], earlier: dict[str, Any]) -> None:
    """Nothing of anybody else is lost."""
    was, now = before.merged(), after.merged()
    for key in (*FOREIGN, *(key for key in MANAGED if key not in config and key not in earlier)):
        assert (now.get(key) or "").strip() == (was.get(key) or "").strip(), key
    assert after.snapshots == before.snapshots
    volumes = [
        set(re.findall(r"(?:local|tank):[^,\s]+", " ".join(head.values()))) for head in (before.head, after.head)
    ]
    assert volumes[0] - volumes[1] == set()
    ours = {text.replace(" = ", ": ", 1) for text in config.get("lxc_options", [])}
    foreign = [line for line in before.raw if ": ".join(line) not in ours and "THEIRS" in line[1]]
    assert [line for line in foreign if line not in after.raw] == []


@pytest.mark.parametrize("_round", ROUNDS)
@settings(
    max_examples=EACH,
    deadline=None,
    derandomize=not LONG,
    database=None,
    phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],  # shrinking takes minutes
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
@given(
    config=configs,
    actual=st.one_of(st.none(), confs(), confs(), confs()),
    before=configs,
    features=st.sampled_from([(), FEATURES[:1], FEATURES]),
    applied=applied_features,
    adoption=adoptions,
    complete=st.booleans(),
    layered=st.booleans(),
    recognized=st.sampled_from(["by its id", "by its id", "without its id", "older"]),
)
def test_one_apply_converges(
    node, transport, _round, config, actual, before, features, applied, adoption, complete, recognized, layered
):
    if not is_tried(transport, config, actual, before, features):
        return
    node.wipe()
    by_token = transport == TOKEN
    config, before, layered = node.able(config), node.able(before), layered and not by_token
    COUNTS["pairs of desired config and actual state"] += 1
    if actual and recognized == "by its id" and not by_token:
        actual = (rawlines.edit(actual[0], [marker.line("i1")], []), actual[1])
    there = parse_conf(actual[0]) if actual else ConfFile()
    if actual:
        node.place(CTID, *actual)
        node.books[CTID] = {**ledger.empty(), "features": {}}
        for name in applied:
            digest = next(item.digest for item in FEATURES if item.name == name)
            node.books[CTID]["features"][name] = {"status": "applied", "digest": digest}
        if adoption == "ours":
            remember(node, before, there, actual[1], recognized)
            if complete:
                node.store.write_word(CTID, "completed")
    adopt = adoption if adoption != "ours" else "no"
    wanted = Wanted(CTID, "pve", config, features, adopt=adopt, run=RUN, layers=LAYERS if layered else None)

    check = node.check(wanted)
    assert node.mutations() == []
    if check.first.error:
        event("refused")
        COUNTS["pairs that are refused, which change nothing"] += 1
        _journal, outcome = node.drive(wanted)
        assert (outcome.first.error, node.mutations(), node.conf(CTID)) == (check.first.error, [], actual and actual[0])
        return
    COUNTS["pairs that are changed under a snapshot"] += any(step.kind == "guard" for step in check.first.steps)
    try:
        journal, outcome = node.drive(wanted)
    except RefusedError:
        COUNTS["pairs that a token can't change, which change nothing"] += 1
        assert by_token
        return
    assert outcome.last.error is None
    assert (outcome.last.steps, outcome.last.state) == ((), "completed")
    assert normal(node.mutations()) == normal(pve_calls(journal)) == normal(pve_calls(predicted(check.first)))
    if actual and adoption != "ours":
        COUNTS["pairs that are taken over, as the dry run says"] += 1
        assert worked(journal) == worked(predicted(check.first))
    after = parse_conf(node.conf(CTID))
    assert node.ident(CTID) == node.store.load(CTID).instance["id"]
    assert stored_plainly(config, after.merged()) == []
    if actual:
        kept(there, after, config, before)
    assert len(node.backend.volumes) == len(set(node.backend.volumes))

    node.pve.asked.clear()
    again_journal, again = node.drive(wanted)
    assert (again_journal, again.first.steps, node.mutations()) == ([], (), [])
    assert again.first.state == "completed"
    waits = sorted(after.pending) if CTID in node.backend.running else []
    dhcp = [key for key in again.first.waiting if key == "net0" and "ip=dhcp" in after.merged()["net0"]]
    waits = [key for key in waits if key not in dhcp]
    assert [key for key in again.first.waiting if key not in ("lxc", *dhcp)] == waits


def spoil(node: Any, how: str) -> None:
    """What happens to the layers of a node between a plan and its run."""
    for archive in node.archives() if how.startswith("archive") else ():
        archive.unlink() if how == "archive gone" else archive.write_bytes(b"half")
    for metadata in (node.directory / "state" / "layers").glob("*.json") if how == "metadata gone" else ():
        metadata.unlink()


def converges(node: Any, want: Wanted, how: str = "") -> Any:
    """One run, as its plan says, and a second one without work; the outcome. ``how``: what came between both."""
    check = node.check(want)
    spoil(node, how)
    foreseen = node.check(want).first if how else check.first
    node.pve.asked.clear()
    journal, outcome = node.drive(want)
    assert (outcome.last.error, outcome.last.steps, outcome.last.state) == (None, (), "completed")
    assert node.warnings == []
    assert [(each["op"], each["what"]) for each in journal] == [
        (each["op"], each["what"]) for each in predicted(foreseen)
    ]
    assert normal(node.mutations()) == normal(pve_calls(journal)) == normal(pve_calls(predicted(foreseen)))
    node.pve.asked.clear()
    again_journal, again = node.drive(want)
    assert (again_journal, again.first.steps, node.mutations()) == ([], (), [])
    return check


@pytest.mark.parametrize("_round", TWIN_ROUNDS)
@settings(
    max_examples=EACH_TWIN,
    deadline=None,
    derandomize=not LONG,
    database=None,
    phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
@given(
    config=configs,
    other=configs,
    features=st.sampled_from([FEATURES[:1], FEATURES]),
    how=st.sampled_from(["", "", "archive gone", "archive damaged", "metadata gone"]),
)
def test_a_container_from_a_layer_converges_to_what_it_would_be_without(node, _round, config, other, features, how):
    """The second of two has its own config, whatever the first one has; a layer that is spoiled meanwhile is none."""
    node.wipe()
    same = {key: config[key] for key in ("template", "pct_options", "lxc_options") if key in config}
    mine = {key: value for key, value in config.items() if key not in ("volumes", "mount_points")}
    second = {**{key: value for key, value in other.items() if key in mine}, **same}
    if "network_config" in config:
        network = {**config["network_config"], **other.get("network_config", {})}
        network.pop("name", None)
        names = {key: name for key, name in config["network_config"].items() if key == "name"}
        second["network_config"] = {**network, **names}
    first = Wanted(CTID, "pve", mine, features, run=RUN, layers=LAYERS)
    twin = Wanted(CTID + 1, "pve", second, features, run=RUN, layers=LAYERS)
    converges(node, first)
    check = converges(node, twin, how)
    uses = any("as the layer" in step.reason for step in check.first.steps)
    assert uses == (not any(line.startswith("lxc.mount") for line in config.get("lxc_options", [])))
    COUNTS["containers from a layer, some of which was spoiled after the plan"] += uses
    with_layer = node.conf(twin.ctid), node.books[twin.ctid]["features"].keys()
    assert (node.identities == [twin.ctid]) == (uses and not how)

    node.wipe()
    converges(node, Wanted(CTID + 1, "pve", second, features, run=RUN))
    assert drawn(with_layer[0]) == drawn(node.conf(twin.ctid))
    assert with_layer[1] == node.books[twin.ctid]["features"].keys()


def drawn(conf: str) -> str:
    """A config without what is drawn by chance."""
    return re.sub(r"PHOENIX_INSTANCE=\S+", "PHOENIX_INSTANCE=*", re.sub(r"hwaddr=[0-9A-Fa-f:]{17}", "hwaddr=*", conf))
