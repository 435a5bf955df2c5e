# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of a guest's answers: bounded in bytes and in time, and what goes past is ended with all it started."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import bounded, guest, processes
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.waiting import Deadline, until

SH = ["/bin/sh", "-c"]
MEGABYTE = 1 << 20


def gone(pid: int) -> bool:
    return processes.read(pid) is None


def test_both_streams_input_and_exit_code() -> None:
    data = os.urandom(3 * MEGABYTE)
    done = bounded.run([*SH, "echo no >&2; cat; exit 7"], 20, data=data, limit=4 * MEGABYTE)
    assert (done.code, done.stdout, done.stderr) == (7, data, b"no\n")
    assert bounded.run([*SH, "cat"], 20) == bounded.Answer(0, b"", b"")
    assert bounded.run([*SH, "exec 0<&-; exit 3"], 20, data=data).code == 3
    assert bounded.run([*SH, "kill -9 $$"], 20).code == -9


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_flood_ends_the_command_and_takes_no_memory(stream: str, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    script = f"(while :; do head -c 1048576 /dev/zero; done >&{stream}) & echo $! > {tmp_path}/pid; wait"
    started = time.monotonic()
    with pytest.raises(bounded.BoundError, match="wrote more than 1048576 bytes and was ended"):
        bounded.run([*SH, script], 60)
    assert time.monotonic() - started < 60
    assert gone(int((tmp_path / "pid").read_text()))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024  # KiB


def test_what_does_not_end_is_ended_with_its_whole_tree(tmp_path: Path) -> None:
    """Also those in a session of their own, and those that ignore SIGTERM."""
    script = f"setsid sh -c 'trap \"\" TERM; echo $$ > {tmp_path}/deaf; while :; do sleep 600; done' & sleep 600"
    deaf = tmp_path / "deaf"
    deaf.touch()
    started = time.monotonic()
    for seconds in (0.5, 5.0, 50.0):  # on a busy machine half of one is too short for the second shell
        with pytest.raises(bounded.BoundError, match=rf"did not end within {seconds:.4g} s and was ended"):
            bounded.run([*SH, script], seconds)
        if deaf.read_text():
            break
    assert time.monotonic() - started < 120
    assert gone(int(deaf.read_text()))


def test_all_are_stopped_before_any_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell whose command is killed first would start its next one, which nobody could tell from others."""
    send, halted = processes.send, []

    def all_stopped() -> bool:
        states = [Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2] for pid in tree.grow()]
        return {state.split()[0] for state in states} == {"T"}

    def watched(process: processes.Process, number: int, proc: str = "/proc") -> None:
        if number == signal.SIGKILL and not halted:
            halted.append(until(all_stopped, Deadline(5)))  # the kernel may stop a process a moment later
        send(process, number, proc)

    script = f"trap '' TERM; : > {tmp_path}/ready; while :; do sleep 600; done"
    with subprocess.Popen([*SH, script], start_new_session=True) as child:
        assert until((tmp_path / "ready").exists, Deadline(60))
        tree = processes.Tree([child.pid])
        assert until(lambda: len(tree.grow()) == 2, Deadline(60))
        monkeypatch.setattr(processes, "send", watched)
        assert tree.end(grace=0.0, reap=child.poll)
    assert halted == [True], "the shell or its command could go on when the first one was killed"


def test_what_is_left_behind_on_purpose_lives_and_is_not_waited_for(tmp_path: Path) -> None:
    started = time.monotonic()
    done = bounded.run([*SH, f"echo begun; setsid sleep 600 & echo $! > {tmp_path}/pid"], 20)
    assert (done.code, done.stdout) == (0, b"begun\n")
    assert time.monotonic() - started < 60
    pid = int((tmp_path / "pid").read_text())
    assert not gone(pid)
    os.kill(pid, 9)


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(bounded.BoundError, match="no-such-command can't be started: No such file or directory"):
        bounded.run(["no-such-command"], 5)


def test_an_identity_is_more_than_a_number() -> None:
    own = processes.read(os.getpid())
    assert own is not None
    processes.send(own._replace(start=own.start + 1), 9)  # an earlier process of this number


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("head -c 1000000 /dev/zero", "a command inside it wrote more than"),
        ("echo nothing of it", "exit code 0"),
        ("printf 'a\\033]0;title\\007b\\n\\302\\233 2J\\342\\200\\256' >&2; exit 9", "ab \ufffd 2J\ufffd"),
    ],
)
def test_a_guest_whose_shell_answers_what_it_likes(monkeypatch: pytest.MonkeyPatch, answer: str, said: str) -> None:
    monkeypatch.setattr(guest, "command", lambda _ctid: [*SH, answer, "--"])
    view = guest.look(950, "boot")
    assert said in str(view.error)
    assert (view.boot, view.ledger_text) == (None, None)


@pytest.mark.parametrize(
    ("address", "read"),
    [
        ("10.0.0.7", "10.0.0.7"), ("10.0.0.7\x1b[2J", None), ("$(reboot)", None), ("0x7f000001", None),
        ("127.0.0.1", None), ("169.254.1.1", None), ("224.0.0.1", None), ("010.0.0.7", None), ("1" * 5000, None),
    ],
)  # fmt: skip  # laid out to be read
def test_an_address_is_one_or_nothing(monkeypatch: pytest.MonkeyPatch, address: str, read: str | None) -> None:
    trie = f"  |-- {address}\n     /32 host LOCAL\n"
    text = f"1 (init) {' '.join(['S'] + ['0'] * 18 + ['77'])}\n\x1e\n{trie}\n\x1e\n\n\x1e\n"
    monkeypatch.setattr(guest, "attach", lambda *_words, **_more: bounded.Answer(0, text.encode(), b""))
    view = guest.look(950, "boot-of-node")
    assert (view.boot, view.address, view.error) == ("boot-of--77", read, None)
