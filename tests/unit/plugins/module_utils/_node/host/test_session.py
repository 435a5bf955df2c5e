# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connection a process runs under, from /proc as the kernel shows it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import session

TICKS = os.sysconf("SC_CLK_TCK")


def process(proc: Path, pid: int, name: str, parent: int, start: float = 1.0, environment: str = "") -> None:
    """One process: the fields that are read stand where the kernel puts them."""
    folder = proc / str(pid)
    folder.mkdir()
    fields = ["S", str(parent), *["0"] * 17, str(int(start * TICKS)), "0"]
    (folder / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
    (folder / "environ").write_bytes(environment.encode().replace(b"\n", b"\0"))


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """sshd, its connection, a shell, sudo and the module."""
    ways = "LANG=C\nSSH_CONNECTION=192.0.2.9 50000 192.0.2.2 2222\nPATH=/bin"
    process(tmp_path, 1, "systemd", 0)
    process(tmp_path, 10, "sshd", 1, 5.0)
    process(tmp_path, 20, "sshd-session", 10, 100.5)
    process(tmp_path, 30, "sh (of) a)b", 20, 100.6, ways)
    process(tmp_path, 40, "sudo", 30, 100.7, ways)
    process(tmp_path, 50, "python3", 40, 100.8, "LANG=C")
    return tmp_path


def test_the_nearest_sshd_is_the_connection(proc: Path):
    found = session.find(50, str(proc))
    assert found == session.Session(100.5, "192.0.2.9", "192.0.2.2", 2222)
    assert not found.is_local


def test_a_module_of_a_python_that_waits_stands_where_its_relay_does(proc: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PHOENIX_RELAY", "50")
    assert session.find(proc=str(proc)) == session.find(50, str(proc))
    monkeypatch.setenv("PHOENIX_RELAY", "")
    assert session.find(proc=str(proc)) is None


def test_without_sshd_there_is_none(proc: Path):
    process(proc, 60, "python3", 1)
    assert session.find(60, str(proc)) is None
    assert session.find(99, str(proc)) is None


@pytest.mark.parametrize(
    ("client", "server", "local"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("192.0.2.2", "192.0.2.2", True),
        ("192.0.2.3", "192.0.2.2", False),
        ("", "", False),
    ],
)
def test_a_connection_that_never_left_the_machine(client: str, server: str, local: bool):
    assert session.Session(1.0, client, server).is_local is local


def test_the_clock_is_the_one_in_which_processes_begin():
    with open("/proc/self/stat", encoding="utf-8") as file:
        began = int(file.read().rpartition(")")[2].split()[19]) / TICKS
    assert began <= session.boot_clock() < began + 86400 * 30
