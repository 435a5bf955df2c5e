# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who of a container has a GPU open, by what /proc of the node tells."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.vendors import NVIDIA
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.gpu import gpuusers

# pid: (parent, PID namespace). 10 is the node's, 100 the container's first process, 30 one that was sent into it,
# 200 Docker's in it, in a namespace of its own, 300 another container's.
TREE = {
    1: (0, "node"),
    10: (1, "node"),
    30: (10, "own"),
    31: (30, "own"),
    100: (10, "own"),
    150: (100, "own"),
    200: (150, "docker"),
    201: (200, "docker"),
    300: (10, "other"),
    301: (300, "other"),
}


@pytest.fixture(name="proc")
def _proc(tmp_path: Path) -> Path:
    for pid, (parent, namespace) in TREE.items():
        folder = tmp_path / str(pid)
        (folder / "ns").mkdir(parents=True)
        (folder / "ns" / "pid").symlink_to(f"pid:[{namespace}]")
        (folder / "stat").write_text(f"{pid} (a ) b) S {parent} 1 1 0\n")
    (tmp_path / "self").mkdir()
    return tmp_path


def test_members_are_those_of_its_namespace_and_their_children(proc: Path) -> None:
    assert gpuusers.members(100, str(proc)) == [30, 31, 100, 150, 200, 201]


def test_what_ended_meanwhile_does_no_harm(proc: Path) -> None:
    """A parent that is gone, one whose number came back as its own child's child."""
    (proc / "150" / "stat").unlink()
    (proc / "300" / "stat").write_text("300 (x) S 301 1 1 0\n")
    assert gpuusers.members(100, str(proc)) == [30, 31, 100, 150, 200, 201]


@pytest.mark.parametrize(
    ("devices", "found"),
    [
        ({"/dev/nvidia3": (1, 7)}, ("/dev/nvidia3",)),
        ({"/dev/nvidia-uvm": (1, 7)}, ("/dev/nvidia-uvm",)),
        ({"/dev/nvidiactl": (1, 7)}, ()),  # nvidia-smi opens it to ask
        ({"/dev/nvidia3": (195, 3)}, ()),
        ({}, ()),
    ],
)
def test_an_open_device_is_found_by_its_number(devices: dict[str, tuple[int, int]], found: tuple[str, ...]) -> None:
    """Of a real process, under the node's name for the device."""
    with open("/dev/full", "rb") as full, subprocess.Popen(["sleep", "60"], stdin=full) as process:
        try:
            users = {user.pid: user for user in gpuusers.users(os.getpid(), NVIDIA, devices)}
        finally:
            process.kill()
    assert (users[process.pid].devices if process.pid in users else ()) == found
    if found:
        assert str(users[process.pid]) == f"sleep (process {process.pid} of the node, {found[0]})"


GROUPS = {
    "v2": ("0::/lxc/950/ns/init.scope\n", "0::/lxc/950/ns"),
    "hybrid": (
        "12:memory:/lxc/950\n1:name=systemd:/lxc.payload.950/init.scope\n0::/lxc/950\n",
        "12:memory:/\n1:name=systemd:/lxc.payload.950",
    ),
}


@pytest.mark.parametrize("version", GROUPS)
@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/system.slice/vllm.service", "vllm.service"),
        ("/system.slice/vllm.service/workers", "vllm.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        ("/system.slice/docker-4f2a.scope", "docker-4f2a.scope"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/vllm.service", "user@1000.service"),
        ("/docker/4f2a", ""),
        ("2/system.slice/vllm.service", ""),  # another container's, whose name begins in the same way
        ("/system.slice/a\x1b[2Jb $(reboot).service", ""),
        ("", ""),
    ],
)
def test_unit_of_a_process(proc: Path, version: str, path: str, unit: str) -> None:
    init, prefix = GROUPS[version]
    (proc / "100" / "cgroup").write_text(init)
    (proc / "150" / "cgroup").write_text(f"{prefix}{path}\n")
    assert gpuusers.unit_of(150, 100, str(proc)) == unit


def test_unit_of_what_ended_meanwhile(proc: Path) -> None:
    (proc / "100" / "cgroup").write_text("0::/lxc/950/ns/init.scope\n")
    assert gpuusers.unit_of(150, 100, str(proc)) == ""
