# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait for a clone source, in real runs: as long as it takes, and no longer than the source lives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ansible_collections.phoenix.hypervisor as collection
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import lineage

HERE = Path(next(iter(collection.__path__)))
# More than the 144 of one "hour". A wait that calls itself for each slice ends in a RecursionError before the hundredth
# with this limit of Python's, and after some 250 with Python's own one of 1000.
SLICES = 150
LIMIT = 300
ANSIBLE = f"import runpy, sys; sys.setrecursionlimit({LIMIT}); runpy.run_module('ansible', run_name='__main__')"


def play(tmp_path: Path, parent: list[dict[str, Any]], seconds: float) -> subprocess.CompletedProcess[str]:
    """The tasks of a source, and a clone that waits for it as the playbook does."""
    known = {"phoenix_ctid": 912, "phoenix_name": "child", "phoenix_config": {"clone_from_ctid": 911}}
    known["ansible_python_interpreter"] = sys.executable
    wait = str(HERE / "playbooks" / "tasks" / "await_source.yml")
    said = {"ansible.builtin.debug": {"msg": "the clone goes on"}}
    tasks = [
        {"when": "inventory_hostname == '911'", "block": parent},
        {"when": "inventory_hostname == '912'", "block": [{"ansible.builtin.include_tasks": wait}, said]},
    ]
    one = {"hosts": "all", "gather_facts": False, "strategy": "ansible.builtin.host_pinned", "tasks": tasks}
    (tmp_path / "play.json").write_text(json.dumps([{**one, "vars": {**known, "phoenix_source_slice": seconds}}]))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(HERE.parents[2])
    environment |= {"ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_LOG_PATH": str(tmp_path / "log"), "COLUMNS": "400"}
    return subprocess.run(
        [sys.executable, "-c", ANSIBLE, "playbook", "-i", "911,912,", "play.json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )


def until_logged(tmp_path: Path, times: int) -> dict[str, Any]:
    """A task of the source that ends when the log says that the clone has waited so often."""
    logged = f"grep -c 'TASK.*Wait for the clone source' {tmp_path / 'log'}"
    script = f"until [ $({logged}) -ge {times} ]; do sleep 0.2; done"
    return {"ansible.builtin.command": {"argv": ["/bin/sh", "-c", script]}, "connection": "local", "changed_when": True}


def test_a_wait_of_hundreds_of_slices(tmp_path: Path):
    """The source ends when it sees in the log that the clone has waited so often."""
    log = tmp_path / "log"
    tell = {"phoenix.hypervisor.phoenix_lineage": {"tell": "finished"}}
    done = play(tmp_path, [until_logged(tmp_path, SLICES), tell], 0)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "the clone goes on" in done.stdout
    assert log.read_text().count("Wait for the clone source") >= SLICES


def test_an_unreachable_source_ends_the_wait_within_seconds(tmp_path: Path):
    """Its connection hints it; the clone's slice would last for ten minutes."""
    lost = {"ansible.builtin.raw": "true", "changed_when": True, "connection": "phoenix.hypervisor.pct"}
    own = {"phoenix_ctid": 911, "ansible_host": "127.0.0.1", "ansible_port": 1}
    begun = time.monotonic()
    done = play(tmp_path, [until_logged(tmp_path, 1), {**lost, "vars": own}], 600)
    assert "UNREACHABLE" in done.stdout, (done.stdout + done.stderr)[-3000:]
    assert time.monotonic() - begun < 500
    assert "Container 912 (child) is skipped: its clone source 911 failed." in done.stdout


def test_a_hint_ends_a_slice_and_shortens_the_next(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(lineage, "folder", lambda: str(tmp_path))
    monkeypatch.setattr(lineage, "SHORT", 0.2)
    ended = threading.Event()

    def wait() -> None:
        assert lineage.outcome_of("900", 60) == "waiting"
        ended.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not ended.is_set():
        lineage.hint("900")
        ended.wait(0.05)
    waiting.join()
    begun = time.monotonic()
    assert lineage.outcome_of("900", 60) == "waiting"
    assert time.monotonic() - begun < 30
    lineage.end("900", "finished")
    assert lineage.outcome_of("900", 60) == "finished"
