# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""History leaves nothing behind: after edits with no restart between them, the last one alone decides.

A running container is configured three times, and somebody deletes or moves options by hand between the
runs, so that live values, pending values and pending deletions stand side by side. After the last run and a restart
the container has what its file says and nothing else, and each volume is the one that its name had from the first.
In some histories the container leaves a layer or was created from one.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from fake_node import LAYERS, TEMPLATE, FakeNode, normal, predicted, pve_calls
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from proof_counts import COUNTS, LONG, number, rounds
from proof_states import FEATURES

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf

CTID = 950
HISTORIES = number("HISTORIES", 80, 4000)
ROUNDS, EACH = rounds(HISTORIES // 2)  # for each version of PVE
CONFIG = f"/nodes/pve/lxc/{CTID}/config"
_PATHS = ("/data", "/data/", "/more", "/srv/vol")
_BASE = {"name": "web", "template": TEMPLATE, "storage_pool": "local", "restart_policy": "never"}
RUN = "run-1"

volumes = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["data", "more"]),
            "pool": st.just("local"),
            "size_gb": st.just(1),
            "mount_point": st.sampled_from(_PATHS),
        }
    ),
    max_size=2,
    unique_by=(lambda item: item["name"], lambda item: item["mount_point"].rstrip("/")),
)
binds = st.lists(
    st.sampled_from(
        [
            {"host_path": "/srv/a", "container_path": "/a"},
            {"host_path": "/srv/b", "container_path": "/a"},
            {"host_path": "/srv/b", "container_path": "/b", "read_only": True},
        ]
    ),
    max_size=2,
    unique_by=lambda item: item["container_path"],
)
configs = st.fixed_dictionaries(
    {},
    optional={
        "volumes": volumes,
        "mount_points": binds,
        "pct_options": st.lists(st.sampled_from(["nesting=1", "keyctl=1", "fuse=1"]), unique=True, max_size=2),
        "network_config": st.sampled_from(
            [{"bridge": "vmbr0", "ip": "dhcp", "nameservers": [server]} for server in ("1.1.1.1", "9.9.9.9")]
        ),
    },
)
# What somebody does by hand to one option, where it is there.
_KEYS = st.sampled_from(["features", "nameserver", "mp0", "mp1", "mp2"])
acts = st.lists(st.tuples(st.sampled_from(["delete", "move"]), _KEYS), max_size=2)


def want(config: dict[str, Any], layered: str, ctid: int = CTID) -> Wanted:
    """A container as a run asks for it; one with layers has features, which a layer is made of."""
    features, layers = ((), None) if layered == "no" else (FEATURES[1:], LAYERS)
    return Wanted(ctid, "pve", {**_BASE, **config}, features, run=RUN, layers=layers)


def meddle(node: FakeNode, doings: list[tuple[str, str]]) -> None:
    """Somebody's changes by hand."""
    for act, key in doings:
        value = parse_conf(node.conf(CTID) or "").merged().get(key, "")
        if act == "move" and key.startswith("mp") and value:
            node.call("PUT", CONFIG, {key: re.sub(r"mp=[^,]*", "mp=/by/hand", value)})
        elif act == "delete":
            node.call("PUT", CONFIG, {"delete": key})


def tied(node: FakeNode) -> dict[str, str]:
    """The volume that each name has on record."""
    known = node.store.read_record(CTID).get("volumes") or {}
    return {name: each["volume"] for name, each in known.items() if each.get("volume")}


def mounted(head: Any) -> dict[str, str]:
    """Path -> what is mounted there."""
    found = (re.match(r"([^,]*),mp=([^,]*)", value) for key, value in head.items() if key.startswith("mp"))
    return {match.group(2).rstrip("/"): match.group(1) for match in found if match}


@pytest.mark.parametrize("_round", ROUNDS)
@settings(
    max_examples=EACH,
    deadline=None,
    derandomize=not LONG,
    database=None,
    phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
@given(
    first=configs,
    second=configs,
    by_hand=acts,
    last=configs,
    stopped=st.booleans(),
    layered=st.sampled_from(["no", "no", "leaves", "uses"]),
)
def test_the_last_configuration_alone_decides(node, _round, first, second, by_hand, last, stopped, layered):
    node.wipe()
    COUNTS["histories without a restart"] += 1
    if layered != "no":  # a container with places for more takes no part in layers
        first = {key: value for key, value in first.items() if key not in ("volumes", "mount_points")}
    if layered == "uses":
        node.drive(want(first, layered, CTID + 1))
    known: dict[str, str] = {}
    for config in (first, second):
        _journal, outcome = node.drive(want(config, layered))
        if config is first:
            if layered != "no":
                COUNTS[f"histories of a container that {layered} a layer"] += 1
            assert (len(node.archives()), node.identities) == (layered != "no", [CTID] if layered == "uses" else [])
        COUNTS["changes that wait for a restart"] += len(outcome.last.waiting)
        now = tied(node)
        # Another name at the same path renames the volume: the earlier name is free again.
        renamed = {name for name, volume in known.items() if volume in now.values() and now.get(name) != volume}
        known = {**now, **{name: volume for name, volume in known.items() if name not in renamed}}
    meddle(node, by_hand)
    if stopped:
        node.call("POST", f"/nodes/pve/lxc/{CTID}/status/stop")
    volumes_before = set(node.backend.volumes)

    wanted = want(last, layered)
    check = node.check(wanted)
    node.pve.asked.clear()
    journal, outcome = node.drive(wanted)
    assert outcome.first.error == check.first.error
    if check.first.error:
        # Something that the running container keeps is in the way: after its restart it is not.
        event("refused")
        COUNTS["histories that are refused until the restart"] += 1
        assert "until the container restarts" in check.first.error or "occupied" in check.first.error
        assert node.mutations() == []
        return
    assert normal(node.mutations()) == normal(pve_calls(journal)) == normal(pve_calls(predicted(check.first)))
    again, outcome = node.drive(wanted)
    assert (again, outcome.first.steps) == ([], ())
    node.call("POST", f"/nodes/pve/lxc/{CTID}/status/reboot")
    again, outcome = node.drive(wanted)
    assert (again, outcome.first.steps, outcome.first.waiting) == ([], (), ())

    assert set(node.backend.volumes) >= volumes_before
    there = parse_conf(node.conf(CTID))
    assert (there.pending, there.deletions) == ({}, frozenset())
    assert set(filter(None, there.head.get("features", "").split(","))) == set(last.get("pct_options", []))
    servers = last.get("network_config", {}).get("nameservers", [])
    assert there.head.get("nameserver", "").split() == servers
    own = {item["container_path"]: item["host_path"] for item in last.get("mount_points", [])}
    own.update({item["mount_point"].rstrip("/"): tied(node)[item["name"]] for item in last.get("volumes", [])})
    found = mounted(there.head)
    hand = {path: what for path, what in found.items() if path == "/by/hand"}
    assert {**own, **hand} == found
    for item in last.get("volumes", []):
        if item["name"] in known and known[item["name"]] not in hand.values():
            assert tied(node)[item["name"]] == known[item["name"]]
