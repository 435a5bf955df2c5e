# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run waits without work for its tasks, and no longer than they take, unless a configuration has an interval."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import ForkProcess as Process
from pathlib import Path

import pytest

import ansible_collections.phoenix.hypervisor as collection
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import polling

HERE = Path(next(iter(collection.__path__)))
PLAY = """[{hosts: localhost, gather_facts: false, tasks: [
  {phoenix.hypervisor.phoenix_check: , ignore_errors: true}, {ansible.builtin.debug: }]}]"""
CALLBACK = """
from ansible import constants
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "notification", "interval"

    def v2_playbook_on_stats(self, stats):
        print("interval", vars(constants)["DEFAULT_INTERNAL_POLL_INTERVAL"], type(constants).__name__)
"""


@pytest.mark.parametrize(
    ("setting", "shown"),
    [("", "interval 0.001 Constants"), ("internal_poll_interval = 0.05", "interval 0.05 module")],
)
def test_the_process_that_waits_does_it_so_unless_a_file_has_an_interval(
    tmp_path: Path, setting: str, shown: str
) -> None:
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    (tmp_path / "interval.py").write_text(CALLBACK, encoding="utf-8")
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\n{setting}\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(HERE.parents[2]),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_CALLBACK_PLUGINS": str(tmp_path),
    }
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", "play.yml"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert f"{shown}\n" in done.stdout, done.stdout + done.stderr


@pytest.fixture(name="task")
def fixture_task() -> Iterator[Process]:
    """A process of this one, as that of a task is."""
    process = multiprocessing.get_context("fork").Process(target=signal.pause, daemon=True)
    process.start()
    yield process
    process.kill()
    process.join()


def test_a_pause_ends_with_the_process_of_a_task(monkeypatch: pytest.MonkeyPatch, task: Process) -> None:
    monkeypatch.setattr(polling, "SHORTEST", 60.0)
    monkeypatch.setattr(polling, "LONGEST", 60.0)
    pauses, began = polling.Pauses(), time.monotonic()
    killer = threading.Thread(target=task.kill)
    killer.start()
    pauses.seconds()
    killer.join()
    assert time.monotonic() - began < 30


@pytest.mark.usefixtures("task")
def test_pauses_grow_with_the_time_without_news(monkeypatch: pytest.MonkeyPatch) -> None:
    now, limits = [0.0], []
    monkeypatch.setattr(polling, "wait", lambda _running, limit: limits.append(limit) or [])
    pauses = polling.Pauses(lambda: now[0])
    assert [pauses.seconds() for now[0] in (0.0, 0.005, 1.0, 1000.0)] == [0.0] * 4
    assert limits == pytest.approx([polling.SHORTEST, polling.SHORTEST, 0.1, polling.LONGEST])


@pytest.mark.usefixtures("task")
def test_only_the_main_thread_of_the_run_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "wait", lambda *_: pytest.fail("waits"))
    pauses, found = polling.Pauses(), []
    other = threading.Thread(target=lambda: found.append(pauses.seconds()))
    other.start()
    other.join()
    monkeypatch.setattr(polling.os, "getpid", lambda: 1)
    assert [*found, pauses.seconds()] == [polling.INTERVAL] * 2
