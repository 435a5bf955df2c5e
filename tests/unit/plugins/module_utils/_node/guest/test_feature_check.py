# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a feature's check must say, with real commands: those of this machine, for lxc-attach is what it may lack."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import featurecheck, guest, processes


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "command", lambda _ctid: ["env", "-i", *guest.ENVIRONMENT])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("true", ""),
        ("echo fine", ""),
        ("exit 3", "ended with exit code 3. It wrote nothing."),
        ("exit 124", "ended with exit code 124. It wrote nothing."),  # not timeout's own
        ("echo \"it's\"; echo no >&2; false", "ended with exit code 1. Its last output:\nit's\nno"),
        ("printf 'a\\033[2Jb\\377'; false", "ended with exit code 1. Its last output:\nab\ufffd"),
        ("test \"$HOME\" = /root && test -z \"$SECRET\"", ""),
    ],
)
def test_what_is_said(script: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the node")
    found = featurecheck.check(950, script)
    assert found == said


@pytest.mark.parametrize(("script", "code"), [("no-such-command", 127), ("a &&", 2)])
def test_what_the_shell_says(script: str, code: int) -> None:
    assert featurecheck.check(950, script).startswith(f"ended with exit code {code}. Its last output:\n")


def test_a_check_that_hangs_is_ended_with_all_its_children(tmp_path: Path) -> None:
    number = tmp_path / "pid"
    number.touch()
    started = time.monotonic()
    for seconds in (0.5, 5.0, 50.0):  # on a busy machine half of one is too short for it
        said = featurecheck.check(950, f"echo begun; sleep 600 & echo $! > {number}; wait", seconds)
        if number.read_text():
            break
    assert said == f"did not end within {seconds:.4g} s and was ended. Its last output:\nbegun"
    child = Path("/proc", number.read_text().strip(), "stat")
    while child.exists() and ") Z " not in child.read_text():  # ended, and perhaps not yet collected
        assert time.monotonic() - started < 120


def test_what_a_check_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    """A daemon that keeps the output open."""
    started = time.monotonic()
    said = featurecheck.check(950, f"setsid sleep 600 & echo $! > {tmp_path}/pid; echo no; exit 4")
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert said == "ended with exit code 4. Its last output:\nno"
    assert time.monotonic() - started < 60


def test_only_the_end_of_a_long_output_is_kept() -> None:
    said = featurecheck.check(950, "seq 1000000; false")
    assert said.endswith("\n999999\n1000000")
    assert len(said) < featurecheck.TAIL + 100


def test_a_check_that_is_deaf_to_being_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed after a grace."""
    monkeypatch.setattr(processes.Tree.end, "__defaults__", (0.2, lambda: None))
    monkeypatch.setattr(guest, "command", lambda _ctid: ["sh", "-c", "trap '' TERM; while :; do sleep 600; done"])
    started = time.monotonic()
    assert featurecheck.check(950, "true", 0.2) == "did not end within 0.2 s and was ended. It wrote nothing."
    assert time.monotonic() - started < 60
