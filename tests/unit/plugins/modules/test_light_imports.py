# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module loads that every run calls on every node. Each file of ours costs a millisecond of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
import yaml
from jinja2 import nodes

PREFIX = "ansible_collections.phoenix.hypervisor.plugins."
CODE = """
import json, sys
from ansible.module_utils import basic
before = set(sys.modules)
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.mark.parametrize(("name", "most"), [("phoenix_lxc_info", 124), ("phoenix_lxc_state", 150)])
def test_a_module_of_each_run_loads_little(name: str, most: int) -> None:
    code = CODE.format(module=f"{PREFIX}modules.{name}")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[7])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    loaded = json.loads(done.stdout)
    own = [module for module in loaded if module.startswith(PREFIX)]
    assert len(own) <= most, "the module imports more of the collection than it did"
    heavy = {"ssl", "http.client", "email", "urllib.request", "asyncio", "multiprocessing", "concurrent", "ctypes"}
    assert heavy & set(loaded) == set()


SETTLED = (
    "check.yml",
    "reach.yml",
    "observe.yml",
    "containers.yml",
    "report.yml",
    "tasks/check_configuration.yml",
)
PLUGINS = (
    "inventory.phoenix",
    "callback.phoenix_log",
    "lookup.play_hosts",
    "action.phoenix_check",
    "action.phoenix_lxc_info",
)
CONTROLLER = """
import json, sys
import {modules}
print(json.dumps(sorted(sys.modules)))
"""


def test_the_controller_of_a_settled_run_loads_no_planner_and_little_else() -> None:
    code = CONTROLLER.format(modules=", ".join(PREFIX + name for name in PLUGINS))
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[7])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    loaded = [name[len(PREFIX) :] for name in json.loads(done.stdout) if name.startswith(PREFIX)]
    assert len(loaded) <= 135, "a run that finds nothing to do imports more of the collection than it did"
    core = "module_utils._core.container."
    planning = (f"{core}plan.", f"{core}model", f"{core}desired", f"{core}registry.table", f"{core}known.")
    heavy = [name for name in loaded if name.startswith((*planning, "module_utils._node", "filter."))]
    # What judges files is loaded where a file is new, and the vendors of GPUs where a feature needs devices.
    judging = ("policy_checks", "all_checks", "schemajudge", "explain", "fwfile", "gpu.vendors", "gpu_checks")
    assert heavy + [name for name in loaded if name.endswith((*judging, "host.sections", "plan_document"))] == []


def expressions(value: object) -> Iterator[str]:
    """The texts of a play or a task."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from expressions(item)
    elif isinstance(value, list):
        for item in value:
            yield from expressions(item)


def test_the_plays_of_a_settled_run_ask_for_no_filter() -> None:
    """One of them, or a test, makes Ansible load all of its own: in the run's process, or in that of the task."""
    playbooks = Path(__file__).parents[4] / "playbooks"
    read = {name: yaml.safe_load((playbooks / name).read_text(encoding="utf-8")) for name in SETTLED}
    texts = [play["hosts"] for plays in read.values() for play in plays if "hosts" in play]
    texts += [*expressions(read["tasks/check_configuration.yml"]), *expressions(read["observe.yml"])]
    asking = [text for text in texts for _node in jinja2.Environment().parse(text).find_all((nodes.Filter, nodes.Test))]
    assert len(texts) > 14
    assert asking == []
