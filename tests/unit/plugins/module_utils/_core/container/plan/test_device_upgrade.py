# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's devices when its node is upgraded to a Proxmox VE that has devN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config.compare import RAW
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.known import instance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Plan,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.devices import Gpus
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.vendor import Gpu
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import marker
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile

HEAD = {"hostname": "web", "memory": "512", "swap": "512", "rootfs": "tank:subvol-950-disk-0,size=8G"}
LINES = (
    ("lxc.cgroup2.devices.allow", "c 10:200 rw"),
    ("lxc.mount.entry", "/dev/net/tun dev/net/tun none bind,create=file 0 0"),
)
TUN = {"devices": [{"path": "/dev/net/tun"}]}
CARD = "/dev/nvidia0"


def planned(version: str, head: Mapping[str, str], raw: Any, applied: Mapping[str, Any], **config: Any) -> Plan:
    """The plan for a running container of ours."""
    asked = {"name": "web", "template": "local:vztmpl/d.tar.zst", "storage_pool": "tank", "storage_size_gb": 8}
    there = {"/dev/net/tun": hostneeds.Node((10, 200))}
    wanted = hostneeds.complete(Wanted(950, "pve", {**asked, **config}), there=there, version=version)
    conf = ConfFile(head={**HEAD, "unprivileged": "1", **head}, raw=tuple(raw), markers=(marker.line("i1"),))
    own = {"id": "i1", "at": 1, **instance.evidence(conf)}
    kept = {"hostname": "web", **applied}
    seen = Observation(950, exists=True, running=True, conf=conf, boot="b1", ledger={"version": 1, "features": {}})
    return planner.plan(wanted, seen, Record("completed", ours=True, applied=kept, instance=own))


def calls(plan: Plan) -> list[tuple[str, Mapping[str, Any]]]:
    """What a plan changes of the container."""
    return [(entry.what, entry.params) for step in plan.steps for entry in step.entries if entry.op in ("pve", "conf")]


@pytest.mark.parametrize("policy", ["if_needed", "never"])
def test_raw_lines_give_way_to_devn_once_and_back_again_never(policy: str) -> None:
    config = {**TUN, "restart_policy": policy}
    before = {RAW: [list(line) for line in LINES]}
    assert planned("8.1.4", {}, LINES, before, **config).steps == ()
    plan = planned("8.2.2", {}, LINES, before, **config)
    first, second, *restart = calls(plan)
    assert first == ("PUT /nodes/pve/lxc/950/config", {"dev0": "/dev/net/tun"})
    assert second == ("edit raw lines", {"add": [], "remove": [list(line) for line in LINES]})
    assert [what for what, _params in restart] == (
        ["POST /nodes/pve/lxc/950/status/reboot"] if policy == "if_needed" else []
    )
    assert plan.waiting == (() if policy == "if_needed" else ("lxc",))
    after = {"dev0": {"path": "/dev/net/tun"}}
    assert calls(planned("8.2.2", {"dev0": "/dev/net/tun"}, (), after, **config)) == []


@pytest.mark.parametrize(
    ("more", "is_raw"),
    [({}, True), ({"devices": [{"class": "nvidia-gpu", "mode": "0660"}]}, False), ({"gpu_passthrough": "raw"}, True)],
)
def test_gpus_go_by_raw_lines_unless_the_file_says_more_of_them(more: Mapping[str, Any], is_raw: bool) -> None:
    vendor = next(each for each in vendors.VENDORS if each.device_class == "nvidia-gpu")
    paths = [CARD, *(each.path for each in vendor.shared)]
    gpus = Gpus(
        version="570.1",
        gpus=(Gpu("0000:01:00.0", 0),),
        devices={path: (195, number) for number, path in enumerate(paths)},
        majors=dict.fromkeys(vendor.required_drivers(), 195),
        vendor=vendor,
    )
    wanted = Wanted(950, "pve", {"gpu_assignment": "0", **more}, classes=("nvidia-gpu",), assignment="0")
    found = hostneeds.complete(wanted, gpus, version="8.1.4")
    assert found.device_error is None
    assert bool(hostneeds.wanted_lines(found)) == is_raw
    assert bool(hostneeds.desired_devices(found, ConfFile())) != is_raw
    closed = {path: hostneeds.Node((195, 0), rights=0o660) for path in paths}
    found = hostneeds.complete(wanted, gpus, there=closed, version="8.1.4")
    assert bool(hostneeds.wanted_lines(found)) == ("gpu_passthrough" in more)
