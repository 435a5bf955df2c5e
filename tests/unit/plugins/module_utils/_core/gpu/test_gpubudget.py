# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of a node's GPUs, over recorded answers of nvidia-smi and configs of containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import memory_budget
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.devices import Gpu, Gpus
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.memory_budget import Claim, Load, Memory
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.vendors import NVIDIA

MANIFEST = Path(__file__).resolve().parents[6] / "roles" / "vllm" / "meta" / "phoenix_feature.yml"
SERVER = Server.from_manifest(yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["server"])
A, B = "GPU-00000000-aaaa", "GPU-00000001-bbbb"
NODE = Gpus(version="570.124.06", gpus=(Gpu("0000:01:00.0", 0, A), Gpu("0000:02:00.0", 1, B)))
MEMORY = {A: Memory(24000, 12000), B: Memory(24000, 2)}


def claim(ctid: int = 950, assignment: str | None = "0", share: float | None = 0.9, **more: Any) -> Claim:
    return Claim(ctid, assignment, SERVER, share, **more)


def load(holders: dict[int, set[int]] | None = None, **more: Any) -> Load:
    held = {ctid: frozenset(minors) for ctid, minors in (holders or {}).items()}
    return Load(NODE, held, **{"memory": MEMORY, **more})


BUDGETS: dict[str, tuple[list[Claim], dict[int, float | None], Load, list[tuple[str, str]], list[str]]] = {
    # name: (what the run starts, the file's others, the node, (key of the fault, words of it), words of the warnings)
    "alone": ([claim()], {}, load(), [], []),
    "to the brim": ([claim(share=0.5), claim(951, share=0.5)], {}, load(), [], []),
    "two of the run": (
        [claim(share=0.6), claim(951, share=0.5)],
        {},
        load(),
        [("951/vllm_gpu_memory_utilization", "got 0.5, which makes 1.10 of GPU 0 together with 950 (0.6)")],
        [],
    ),
    "one card by two names": (
        [claim(share=0.6), claim(951, assignment=A, share=0.6), claim(952, assignment="02:00.0", share=0.9)],
        {},
        load(),
        [("951/vllm_gpu_memory_utilization", "makes 1.20 of GPU 0 together with 950 (0.6)")],
        [],
    ),
    "one of the file that runs on": (
        [claim(share=0.6)],
        {951: 0.5, 952: 0.9},
        load({951: {0}, 952: {1}}),
        [("950/vllm_gpu_memory_utilization", "together with 951, which runs (0.5)")],
        [],
    ),
    "one of the file that does not run": ([claim(share=0.6)], {951: 0.5}, load(), [], []),
    "itself, before its restart": ([claim()], {}, load({950: {0}}, taken={(A, 950): 20000}), [], []),
    "one that no file has, by what it takes": (
        [claim(share=0.6)],
        {},
        load({777: {0}}, taken={(A, 777): 12000}),
        [("950/vllm_gpu_memory_utilization", "777, which runs and takes 12000 MiB now (0.50)")],
        [],
    ),
    "one that no file has, idle": ([claim()], {}, load({777: {0}}), [], []),
    "one that no file has, and no nvidia-smi": (
        [claim()],
        {},
        load({777: {0}}, memory={}),
        [],
        ["GPU 0 is also passed on to 777"],
    ),
    "a program of the node": (
        [claim(share=0.6)],
        {},
        load(taken={(A, None): 12000}),
        [("950/vllm_gpu_memory_utilization", "programs of the node itself with 12000 MiB")],
        [],
    ),
    "all GPUs": (
        [claim(assignment=None, share=0.6)],
        {951: 0.5},
        load({951: {1}}),
        [("950/vllm_gpu_memory_utilization", "of GPU 1 together with 951")],
        [],
    ),
    "a share that nobody wrote": (
        [claim(share=0.92, told=False), claim(951, share=0.3)],
        {},
        load(),
        [],
        ["container 951 takes 0.3 of GPU 0, which makes 1.22 together with 950 (0.92, as vLLM does by itself)"],
    ),
    "a share that nobody wrote, alone": (
        [claim(share=0.92, told=False)],
        {951: 0.3},
        load({951: {0}}),
        [],
        ["container 950 takes 0.92 of GPU 0, as vLLM does by itself, which makes 1.22 together with 951"],
    ),
    "ranks on fewer GPUs": (
        [claim(assignment=None, ranks=4)],
        {},
        load(),
        [("950/vllm_tensor_parallel_size", "got 4")],
        [],
    ),
    "ranks on as many": ([claim(assignment=None, ranks=2)], {}, load(), [], []),
    "a GPU that is not there": ([claim(assignment="7")], {}, load(), [], []),
    "no driver": ([claim()], {}, Load(), [], []),
}


@pytest.mark.parametrize("name", BUDGETS)
def test_budget(name: str) -> None:
    claims, others, node, faults, warnings = BUDGETS[name]
    found, told = memory_budget.judge(claims, others, node)
    assert ["/".join(str(part) for part in path[1:]) for path, *_rest in found] == [key for key, _words in faults]
    for (path, got, _expected, _remedy, concerned), (_key, words) in zip(found, faults, strict=True):
        assert words in got
        assert int(path[1]) in concerned
    assert len(told) == len(warnings)
    for text, words in zip(told, warnings, strict=True):
        assert words in text


@pytest.mark.parametrize(
    ("config", "assignment", "state", "found"),
    [
        ({"vllm_gpu_memory_utilization": 0.5}, "0", "completed", Claim(950, "0", SERVER, 0.5)),
        ({"vllm_model": "a/b"}, None, "running", Claim(950, None, SERVER, 0.92, told=False)),
        (
            {"vllm_tensor_parallel_size": 2},
            None,
            "completed",
            Claim(950, None, SERVER, None, told=False, ranks=2),
        ),
        ({"vllm_gpu_memory_utilization": 0.5}, "none", "completed", None),
        ({"vllm_gpu_memory_utilization": 0.5}, "0", "configured", None),
        ({"vllm_gpu_memory_utilization": 0.5, "is_template": True}, "0", "completed", None),
        ({}, "0", "completed", None),
    ],
)
def test_who_claims(config: dict[str, Any], assignment: str | None, state: str, found: Claim | None) -> None:
    claims = memory_budget.claims(950, config, assignment, state, [SERVER])
    assert claims == (() if found is None else (found,))


def test_cards_of_a_config() -> None:
    """By devN, by raw lines of the time before them, and not by the nodes that belong to no card."""
    head = {
        "dev0": "/dev/nvidia1,mode=0666",
        "dev1": "path=/dev/nvidiactl",
        "dev2": "/dev/nvidia-uvm",
        "dev3": "/dev/nvidia-caps/nvidia-cap12",
        "description": "/dev/nvidia5",
    }
    raw = [
        ("lxc.cgroup2.devices.allow", "c 195:* rwm"),
        ("lxc.mount.entry", "/dev/nvidia3 dev/nvidia3 none bind,optional,create=file"),
        ("lxc.mount.entry", "/dev/nvidia-uvm-tools dev/nvidia-uvm-tools none bind,optional,create=file"),
    ]
    assert memory_budget.cards(head, raw, NVIDIA) == {1, 3}


@pytest.mark.parametrize(
    ("text", "ctid"),
    [
        ("0::/lxc/950/ns/system.slice/vllm.service\n", 950),
        ("0::/lxc/950\n", 950),
        ("12:devices:/lxc.payload.950/system.slice\n1:name=systemd:/lxc.payload.950\n", 950),
        ("0::/lxc.monitor.950\n", 950),
        ("0::/system.slice/display-manager.service\n", None),
        ("", None),
    ],
)
def test_container_of_a_process(text: str, ctid: int | None) -> None:
    assert memory_budget.container_of(text) == ctid


def test_answers_of_nvidia_smi() -> None:
    assert NVIDIA.memory is not None
    memory = f"{A}, 24576, 18432\n{B}, [N/A], [N/A]\nNo devices were found\n"
    assert NVIDIA.memory.parse_memory(memory) == {A: Memory(24576, 18432)}
    processes = f"{A}, 4711, 18000\n{A}, 4712, [N/A]\n{B}, 99, 300\n"
    assert NVIDIA.memory.parse_processes(processes) == [(A, 4711, 18000), (B, 99, 300)]
