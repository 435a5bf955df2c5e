# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of tasks that hosts include by a loop: each host runs its own in its own order."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader

import ansible_collections.phoenix.hypervisor as collection
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.in_turn import in_turn

ROOT = Path(next(iter(collection.__path__)))
# The first host has only what comes last with the others: Ansible by itself would let all of them begin with it.
WANTED = {"a": ["last"], "b": ["first", "last"], "c": ["first", "second", "last"], "d": ["second", "first", "last"]}


def play(folder: Path, strategy: str, loop: str) -> dict[str, list[str]]:
    """Host -> the files that it ran, in order."""
    for name in ("first", "second", "last"):
        task = {"name": "Say", "ansible.builtin.debug": {"msg": f"ran={{{{ inventory_hostname }}}}:{name}"}}
        (folder / f"{name}.yml").write_text(json.dumps([task]), encoding="utf-8")
    hosts = {name: {"ansible_connection": "local", "wanted": files} for name, files in WANTED.items()}
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    task = {
        "name": "Include",
        "ansible.builtin.include_tasks": "{{ part.file | default(part) }}.yml",
        "loop": loop,
        "loop_control": {"loop_var": "part"},
    }
    (folder / "play.yml").write_text(
        json.dumps([{"name": "Play", "hosts": "all", "gather_facts": False, "strategy": strategy, "tasks": [task]}]),
        encoding="utf-8",
    )
    (folder / "empty.cfg").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment.update(
        ANSIBLE_COLLECTIONS_PATH=str(ROOT.parents[2]),
        ANSIBLE_CONFIG=str(folder / "empty.cfg"),
        # Ansible by itself takes the hosts in the order in which they answer: one after another.
        ANSIBLE_FORKS="1",
        ANSIBLE_HOME=str(folder / "home"),
        ANSIBLE_NOCOLOR="1",
    )
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "play.yml"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[str]] = {name: [] for name in WANTED}
    for host, name in re.findall(r"ran=(\w+):(\w+)", done.stdout):
        found[host].append(name)
    return found


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_each_host_runs_its_files_in_its_own_order(tmp_path: Path, strategy: str) -> None:
    assert play(tmp_path, strategy, "{{ wanted | phoenix.hypervisor.in_turn }}") == WANTED


def test_ansible_alone_does_not_keep_the_order(tmp_path: Path) -> None:
    found = play(tmp_path, "linear", "{{ wanted }}")
    assert {host: sorted(files) for host, files in found.items()} == {h: sorted(f) for h, f in WANTED.items()}
    assert found["b"] == ["last", "first"]


def test_the_same_files_after_the_same_ones_are_equal() -> None:
    assert in_turn(["x", "y"]) == in_turn([{"file": "x"}, {"file": "y"}])
    assert in_turn(["x", "y"])[0] == in_turn(["x"])[0]
    # Equal by name is not enough: what is given to the file before may differ.
    one, other = in_turn([{"file": "x", "of": 1}, "y"]), in_turn([{"file": "x", "of": 2}, "y"])
    assert one[1] != other[1]


def test_every_loop_over_files_keeps_the_order() -> None:
    loops = []
    for folder in ("playbooks", "roles"):
        for path in sorted((ROOT / folder).rglob("*.yml")):
            loops += [(path.name, task) for task in _tasks(DataLoader().load_from_file(str(path)))]
    found = [(name, task["loop"]) for name, task in loops if "{{" in str(_included(task)) and "loop" in task]
    assert len(found) > 5
    assert [each for each in found if "in_turn" not in each[1] and "work_inside" not in each[1]] == []


def _included(task: dict[str, object]) -> object:
    return task.get("ansible.builtin.include_tasks") or task.get("ansible.builtin.include_role")


def _tasks(value: object) -> list[dict[str, object]]:
    """All tasks of a file, those in blocks and plays too."""
    if isinstance(value, list):
        return [task for item in value for task in _tasks(item)]
    if not isinstance(value, dict):
        return []
    inner = [
        task
        for key in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks")
        for task in _tasks(value.get(key))
    ]
    return [*([value] if _included(value) else []), *inner]
