# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reader of ledgers: what it takes for one, what it leaves out, and what a guest that it is in can't do to it.

On real containers: tests/lab/test_site_hostile.py.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import glance, guest


@pytest.fixture
def entered(monkeypatch, tmp_path):
    """Guests on paper: each is a folder, entered by making its ledger's path the path. Returns what enters one."""
    for name in ("setgroups", "setegid", "seteuid"):
        monkeypatch.setattr(os, name, lambda _value: None)

    def setns(mounts, _kind):
        ledger.PATH = str(tmp_path / f"{mounts}" / "ledger.json")
        return 0

    monkeypatch.setattr(ledger, "PATH", "/nowhere")
    monkeypatch.setattr(glance, "_setns", lambda: setns)
    return setns


def place(tmp_path, number):
    """The folder of a guest."""
    folder = tmp_path / str(number)
    folder.mkdir()
    return folder / "ledger.json"


def ledgers(*numbers):
    """What the reader says of these guests."""
    inits = [glance._Init(number, -1, number, 100000, 100000) for number in numbers]
    return {init.ctid: text for init, text in glance._ledgers(inits)}


def test_a_ledger_or_none(entered, tmp_path):
    place(tmp_path, 1001).write_text("the first\n", encoding="utf-8")
    place(tmp_path, 1002)
    place(tmp_path, 1003).write_text("", encoding="utf-8")
    place(tmp_path, 1004).write_text("x" * (ledger.MAX_BYTES + 5000), encoding="utf-8")
    long = "x" * (ledger.MAX_BYTES + 1)
    assert ledgers(1001, 1002, 1003, 1004) == {1001: "the first\n", 1002: None, 1003: "", 1004: long}


def test_anything_but_a_regular_file_is_left_out_and_never_opened(entered, tmp_path):
    place(tmp_path, 1001).symlink_to("/etc/passwd")
    place(tmp_path, 1002).mkdir()
    os.mkfifo(place(tmp_path, 1003))
    place(tmp_path, 1004).symlink_to("/nowhere")
    place(tmp_path, 1005).write_text("as it should be", encoding="utf-8")
    assert ledgers(1001, 1002, 1003, 1004, 1005) == {1005: "as it should be"}


def test_a_guest_that_cannot_be_entered_is_left_out(monkeypatch, entered, tmp_path):
    place(tmp_path, 1001).write_text("mine", encoding="utf-8")
    place(tmp_path, 1002).write_text("another's", encoding="utf-8")
    monkeypatch.setattr(glance, "_setns", lambda: lambda number, kind: entered(number, kind) or (number == 1001) * -1)
    assert ledgers(1001, 1002) == {1002: "another's"}


def test_a_guest_that_lets_the_reader_wait_holds_up_nobody_for_long(monkeypatch, entered, tmp_path):
    place(tmp_path, 1001).write_text("there", encoding="utf-8")
    waits, never = os.pipe()
    monkeypatch.setattr(glance, "PATIENCE", 0.5)
    known = set(os.listdir("/proc/self/fd"))

    def setns(number, kind):
        if number == 1002:
            time.sleep(3000)
        return entered(number, kind)

    monkeypatch.setattr(glance, "_setns", lambda: setns)
    started = time.monotonic()
    assert ledgers(1001, 1002, 1003) == {1001: "there"}
    assert time.monotonic() - started < 60
    assert set(os.listdir("/proc/self/fd")) == known
    os.close(never)
    assert os.read(waits, 1) == b""  # the reader had no copy of it open: it holds no lock of the run


def test_in_a_guest_no_module_is_found(monkeypatch, entered, tmp_path):
    place(tmp_path, 1001).write_text("there", encoding="utf-8")

    def setns(number, kind):
        try:
            import colorsys  # one that nothing here has loaded
        except ImportError:
            return entered(number, kind)
        return len(str(colorsys))

    monkeypatch.setattr(glance, "_setns", lambda: setns)
    assert ledgers(1001) == {1001: "there"}


def test_a_reader_that_breaks_ends_without_a_word_and_its_guests_are_looked_at_in_the_other_way(
    monkeypatch, capfd, entered, tmp_path
):
    place(tmp_path, 1001).write_text("there", encoding="utf-8")

    def setns(_number, _kind):
        raise RuntimeError("broken")

    monkeypatch.setattr(glance, "_setns", lambda: setns)
    assert ledgers(1001) == {}
    assert capfd.readouterr() == ("", "")


def test_where_no_container_answers_the_other_look_is_asked(monkeypatch):
    with ExitStack() as hold:
        assert glance._inits(99999, hold) == []
    assert glance.look_all([99999], "boot") == {}
    monkeypatch.setattr(guest, "look", lambda ctid, boot: (ctid, boot))
    assert glance.look(99999, "boot") == (99999, "boot")


FIB = "  +-- 10.0.0.0/24 2 0 2\n     |-- 10.0.0.9\n        /32 host LOCAL\n"
STAT = "1 (systemd) S 0 " + " ".join(str(number) for number in range(2, 30))


@pytest.mark.parametrize(("awaits", "fib", "asked"), [("IPv4", "", 0), ("IPv4", FIB, 1), ("IPv6", FIB, 0), ("", "", 1)])
def test_who_waits_asks_a_guest_itself_only_when_the_kernel_has_its_address(monkeypatch, awaits, fib, asked):
    answers = []
    monkeypatch.setattr(glance, "_inits", lambda ctid, _hold: [glance._Init(ctid, -1, ctid, 0, 0)])
    monkeypatch.setattr(glance, "_kernel", lambda _proc: (STAT, fib, ""))
    monkeypatch.setattr(guest, "look", lambda *call: answers.append(call) or guest.view(STAT, fib, "", None, "boot"))
    assert glance.is_ready(950, awaits, "boot") is bool(asked)
    assert answers == [(950, "boot")] * asked


def test_one_whose_kernel_answers_and_whose_shell_does_not_is_not_ready(monkeypatch):
    monkeypatch.setattr(glance, "_inits", lambda ctid, _hold: [glance._Init(ctid, -1, ctid, 0, 0)])
    monkeypatch.setattr(glance, "_kernel", lambda _proc: (STAT, FIB, ""))
    monkeypatch.setattr(guest, "look", lambda *_call: guest.GuestView(error="no shell"))
    assert not glance.is_ready(950, "IPv4", "boot")


def test_one_that_stops_while_it_is_awaited_is_asked_as_ever(monkeypatch):
    def ended(_proc):
        raise ProcessLookupError

    monkeypatch.setattr(glance, "_inits", lambda ctid, _hold: [glance._Init(ctid, -1, ctid, 0, 0)])
    monkeypatch.setattr(glance, "_kernel", ended)
    monkeypatch.setattr(guest, "look", lambda *_call: guest.view(STAT, FIB, "", None, "boot"))
    assert glance.is_ready(950, "IPv4", "boot")
    monkeypatch.setattr(guest, "look", lambda *_call: guest.GuestView(error="not running"))
    assert not glance.is_ready(950, "IPv4", "boot")


def test_who_listens_for_a_container_is_its_monitor_only_with_the_command_line_of_one():
    name = f"\0/var/lib/lxc/{os.getpid() + 10**8}/command"
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(name)
        own.listen()
        with pytest.raises(ValueError, match=r"\w"):
            glance._monitor(os.getpid() + 10**8)
    with pytest.raises(OSError, match="refused"):
        glance._monitor(os.getpid() + 10**8)


def test_another_user_of_the_node_is_no_monitor(monkeypatch):
    """Whoever listens chooses his command line: his child would show a ledger of his own as that of the container."""
    ctid = os.getpid() + 10**8
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(f"\0/var/lib/lxc/{ctid}/command")
        own.listen()
        monkeypatch.setattr(os, "geteuid", lambda: 100000)
        with pytest.raises(ValueError, match=f"user {os.getuid()} listens"):
            glance._monitor(ctid)


def test_many_containers_are_looked_at_in_parts(monkeypatch, entered, tmp_path):
    monkeypatch.setattr(glance, "BATCH", 3)
    monkeypatch.setattr(glance, "_kernel", lambda _proc: ("", "", ""))
    for number in range(1001, 1009):
        place(tmp_path, number).write_text(f"of {number}", encoding="utf-8")
    monkeypatch.setattr(glance, "_inits", lambda ctid, _hold: [glance._Init(ctid, -1, ctid, 0, 0)])
    views = glance.look_all(range(1001, 1009), "boot")
    assert {ctid: view.ledger_text for ctid, view in views.items()} == {n: f"of {n}" for n in range(1001, 1009)}
