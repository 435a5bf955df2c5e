# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity of a run, seen from the processes of this test."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import run_identity


@pytest.fixture
def child() -> t.Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate(b"\n")


def test_identity_is_stable_and_a_copy() -> None:
    first = run_identity.run_identity()
    first["controller"] = "changed"
    second = run_identity.run_identity()
    assert second["controller"] != "changed"
    assert second["pid"] == os.getpid()
    assert second["id"] == run_identity.run_identity()["id"]
    assert second["started"].replace("-", "").replace(":", "").startswith(second["id"][:15])


def test_this_run_lives_and_others_do_not(child: subprocess.Popen[bytes]) -> None:
    mine = dict(run_identity.run_identity())
    assert run_identity.run_is_alive(mine) is True
    other = {**mine, "pid": child.pid, "pid_start": run_identity._pid_start(child.pid)}
    assert run_identity.run_is_alive(other) is True
    # A zombie, not yet waited for, is dead too.
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert run_identity.run_is_alive(other) is False
    child.wait()
    assert run_identity.run_is_alive(other) is False


@pytest.mark.parametrize(
    ("changes", "alive"),
    [
        ({"pid_start": "1"}, False),
        ({"boot": "another boot"}, False),
        ({"machine": "another machine"}, None),
        ({"machine": None}, None),
        ({"pid": "x"}, None),
        ({"pid": True}, None),
        ({"pid": 0}, None),
    ],
)
def test_what_else_a_lease_may_say(changes: dict[str, t.Any], alive: bool | None) -> None:
    assert run_identity.run_is_alive({**run_identity.run_identity(), **changes}) is alive


def test_the_machine_id_is_not_told() -> None:
    machine_id = run_identity._machine_id()
    assert machine_id not in str(run_identity.run_identity())
