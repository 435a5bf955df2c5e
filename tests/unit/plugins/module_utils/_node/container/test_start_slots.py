# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As many containers start at once as the node has processors."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import turns


def test_no_more_than_the_slots_start_at_once(tmp_path: Path) -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def start() -> None:
        nonlocal at_once, most
        with turns.start_slot(str(tmp_path / "run"), lambda: None, count=2):
            with lock:
                at_once += 1
                most = max(most, at_once)
            both.wait(30)  # each start meets another one: two slots are used
            with lock:
                at_once -= 1

    threads = [threading.Thread(target=start) for _number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 2


def test_a_start_is_late_and_not_refused(tmp_path: Path) -> None:
    checks: list[int] = []
    first = turns.start_slot(str(tmp_path), lambda: None, count=1)
    with first, turns.start_slot(str(tmp_path), lambda: checks.append(1), count=1, timeout=0.2):
        assert len(checks) > 1


def test_a_displaced_run_ends_its_wait(tmp_path: Path) -> None:
    def displaced() -> None:
        raise RuntimeError("displaced")

    first, second = (turns.start_slot(str(tmp_path), check, count=1) for check in (lambda: None, displaced))
    with first, pytest.raises(RuntimeError, match="displaced"), second:
        pass


def test_a_slot_is_free_when_its_holder_dies(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        turns.start_slot(str(tmp_path), lambda: None, count=1).__enter__()
        os._exit(0)
    os.waitpid(child, 0)
    checks: list[int] = []
    with turns.start_slot(str(tmp_path), lambda: checks.append(1), count=1):
        assert len(checks) == 1
