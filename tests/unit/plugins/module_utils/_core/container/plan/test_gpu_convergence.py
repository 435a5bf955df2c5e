# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From any assignment and way to any other: one write leaves nothing to do, no card too many, and nothing foreign lost.

A container whose record doesn't know of the earlier state is a clone of one that had it.
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config.compare import Comparison
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Record, Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import devices as gpus
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile

NODE = gpus.Gpus(
    version="570.124.06",
    gpus=(gpus.Gpu("0000:01:00.0", 0), gpus.Gpu("0000:02:00.0", 1), gpus.Gpu("0000:03:00.0", 2)),
    majors={"nvidia-uvm": 511, "nvidia-caps": 236},
    devices={
        "/dev/nvidiactl": (195, 255),
        "/dev/nvidia-uvm": (511, 0),
        "/dev/nvidia-uvm-tools": (511, 1),
        **{f"/dev/nvidia{number}": (195, number) for number in range(3)},
        "/dev/nvidia-caps/nvidia-cap12": (236, 12),
    },
    instances={"gpu0/gi1": 12},
)
GPU = Feature("gpu", "d", needs={"devices": ["nvidia-gpu"]})
OTHER_DEVICES = ({}, {"dev0": "/dev/fuse"}, {"dev2": "path=/dev/net/tun,mode=0666", "dev5": "/dev/kvm"})
OTHER_LINES: tuple[list[tuple[str, str]], ...] = (
    [],
    [("lxc.cgroup2.devices.allow", "c 10:200 rwm"), ("lxc.mount.entry", "/dev/kvm dev/kvm none bind 0 0")],
)

states = st.tuples(
    st.booleans(),
    st.sampled_from([None, "none", "0", "1", "2,0", "0000:02:00.0"]),
    st.sampled_from([{}, {"gpu_passthrough": "dev"}, {"gpu_passthrough": "raw"}]),
    st.sampled_from([{}, {"lxc_options": ["lxc.environment: A=1"]}]),
)


def wanted(state: tuple[bool, str | None, dict[str, Any], dict[str, Any]]) -> Wanted:
    listed, assignment, way, options = state
    features = (GPU,) if listed else ()
    return hostneeds.complete(Wanted(950, "pve", {**way, **options}, features, assignment=assignment), NODE)


def cards(paths: set[str]) -> set[str]:
    return {path for path in paths if re.match(r"/dev/nvidia\d+$|/dev/nvidia-caps/", path)}


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(
    before=states,
    after=states,
    devices=st.sampled_from(OTHER_DEVICES),
    lines=st.sampled_from(OTHER_LINES),
    clone=st.booleans(),
)
def test_one_write_converges(before: Any, after: Any, devices: dict[str, str], lines: list[Any], clone: bool) -> None:
    head, raw, record = dict(devices), list(lines), Record()
    for state in (before, after):
        want = wanted(state)
        compared = Comparison(want, ConfFile(head=head, raw=tuple(raw)), record)
        changes, (add, remove) = compared.changes, compared.lines
        head, raw = changes.onto(head), [line for line in raw if line not in remove] + add
        again = Record(applied=dict(changes.applied))
        compared = Comparison(want, ConfFile(head=head, raw=tuple(raw)), again)
        assert not compared.changes
        assert compared.lines == ([], [])
        record = Record() if clone and state is before else again
    assert {key: head.get(key) for key in devices} == devices
    assert [line for line in lines if line not in raw] == []
    by_option = {value.removeprefix("path=").partition(",")[0] for key, value in head.items() if key.startswith("dev")}
    by_line = {value.partition(" ")[0] for key, value in raw if key == "lxc.mount.entry"}
    expected = {device.path for device in want.devices or ()}
    assert expected <= by_option | by_line
    if after[0] or not clone:  # a clone whose features need no GPU keeps what somebody gave it
        assert cards(by_option | by_line) == cards(expected)
