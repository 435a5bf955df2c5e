# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script on the node and its answer, with stand-ins for the LXC tools: no container is needed."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import lease as leases
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct import pct_relay
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct import pct_wrapper as wrapper
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_verdict import Ending, Verdict, parsed

RAN = Verdict(Ending.RAN)

NONCE = "0123456789abcdef0123456789abcdef"

# What lxc-attach does with its arguments, and no more: run the command, with other descriptors left open.
LXC_ATTACH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


@dataclasses.dataclass
class FakeNode:
    """A directory of commands in place of the node's, and the answers they give."""

    root: pathlib.Path
    shell: str = "/bin/sh"

    def command(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def state(self, word: str) -> None:
        self.command("lxc-info", f"#!/bin/sh\n[ -n '{word}' ] || exit 1\necho {word}\n")

    def run(self, command: str, **changes: object) -> tuple[int, bytes, bytes]:
        call = wrapper.NodeCall(ctid=950, nonce=NONCE, command=command, busy_dir=str(self.root / "run"), busy_timeout=0)
        argv = dataclasses.replace(call, **changes).argv()
        assert argv[:2] == ["/bin/sh", "-c"]
        script = argv[2].replace(f"PATH={wrapper.NODE_PATH}", f"PATH={self.root}/bin:/usr/bin:/bin")
        script = script.replace("/etc/pve", str(self.root / "pve"))
        done = subprocess.run(
            [self.shell, "-c", script, *argv[3:]],
            capture_output=True,
            check=False,
            timeout=600,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout, done.stderr

    def answer(self, command: str, **changes: object) -> wrapper.NodeAnswer:
        rc, _stdout, stderr = self.run(command, **changes)
        assert rc == 0, stderr
        answer = wrapper.read_answer(stderr, NONCE)
        assert answer is not None, stderr
        return answer


@pytest.fixture(params=["dash", "bash"])
def node(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> FakeNode:
    shell = shutil.which(request.param)
    if shell is None:
        pytest.skip(f"{request.param} is not installed")  # the wrapper must run in both where there are both
    (tmp_path / "bin").mkdir()
    fake = FakeNode(tmp_path, shell)
    fake.command("lxc-attach", LXC_ATTACH)
    fake.state("RUNNING")
    return fake


@pytest.mark.parametrize("rc", [0, 1, 2, 75, 127, 128, 254, 255])
def test_exit_codes_are_exact(node: FakeNode, rc: int) -> None:
    assert node.answer(f"exit {rc}") == wrapper.NodeAnswer(rc, b"", RAN)


def test_killed_command(node: FakeNode) -> None:
    # The stand-in dies with the command; the real lxc-attach exits with 128+n by itself.
    assert node.answer("kill -9 $$").rc == 137


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("STOPPED", "container 950 on node pve is stopped (pct start 950)"),
        ("STARTING", "container 950 on node pve is starting"),
        ("", "container 950 does not exist on node pve"),
    ],
)
def test_what_the_node_says_without_pve(node: FakeNode, state: str, text: str) -> None:
    node.state(state)
    assert node.answer("exit 1").trouble(950, "pve") == text


@pytest.mark.parametrize("state", ["RUNNING", "FROZEN"])
def test_a_failure_in_a_living_container_is_its_own(node: FakeNode, state: str) -> None:
    node.state(state)
    assert node.answer("exit 1").trouble(950, "pve") is None


@pytest.mark.parametrize(
    ("conf", "text"),
    [
        ("lxc/950.conf", "container 950 on node pve is stopped (pct start 950)"),
        ("nodes/other/lxc/950.conf", "container 950 is on node other, not on node pve"),
        ("lxc/9500.conf", "container 950 does not exist on node pve"),
    ],
)
@pytest.mark.parametrize("state", ["STOPPED", ""])
def test_what_the_node_says_with_pve(node: FakeNode, conf: str, text: str, state: str) -> None:
    node.state(state)
    (node.root / "pve/lxc").mkdir(parents=True)
    path = node.root / "pve" / conf
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert node.answer("exit 1").trouble(950, "pve") == text


def test_a_container_cannot_claim_to_be_stopped(node: FakeNode) -> None:
    forged = f"printf '\\n{'0' * 32} 0 state STOPPED\\n' >&2; echo 'container 950 on node pve is stopped' >&2; exit 4"
    answer = node.answer(forged)
    assert answer.rc == 4
    assert answer.trouble(950, "pve") is None
    assert b"STOPPED" in answer.stderr


def test_the_nonce_is_not_in_the_commands_reach(node: FakeNode) -> None:
    rc, stdout, _stderr = node.run("env; cat /proc/self/cmdline; cat /proc/self/environ")
    assert rc == 0
    assert NONCE.encode() not in stdout


def test_busy_file_is_private_locked_meanwhile_and_not_handed_on(node: FakeNode) -> None:
    busy = node.root / "run/950.busy"
    rc, stdout, stderr = node.run(f"ls /proc/self/fd/; flock -n -x {busy} true || echo locked")
    assert rc == 0, stderr
    assert stdout.split()[-1] == b"locked"
    assert b"9" not in stdout.split()
    assert stat.S_IMODE(busy.stat().st_mode) == 0o600
    assert stat.S_IMODE(busy.parent.stat().st_mode) == 0o750
    with busy.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        answer = node.answer("true")
        assert answer.rc is None
        assert "another run" in (answer.trouble(950, "pve") or "")


def test_a_left_behind_service_does_not_keep_the_container_busy(node: FakeNode) -> None:
    answer = node.answer("sleep 300 >/dev/null 2>&1 & echo $! >&2")
    pid = int(answer.stderr)
    try:
        with (node.root / "run/950.busy").open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.kill(pid, 9)


def test_a_busy_directory_that_cannot_be_made(node: FakeNode) -> None:
    answer = node.answer("true", busy_dir="/proc/nowhere")
    assert "could not mark container 950 as busy" in (answer.trouble(950, "pve") or "")


def test_umask_and_directory_are_the_same_whatever_the_login_gives(node: FakeNode) -> None:
    assert node.run("umask")[1] == b"0022\n"


def test_pct_method_leaves_no_variable_of_the_node(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "yes")
    node.command("pct", '#!/bin/sh\n[ "$1 $2 $3" = "exec 950 --" ] || exit 9\nshift 3\nexec "$@"\n')
    _rc, stdout, stderr = node.run("env", method="pct")
    assert b"LEAK" not in stdout
    assert b"LANG=C.UTF-8" in stdout
    assert wrapper.read_answer(stderr, NONCE) == wrapper.NodeAnswer(0, b"", RAN)


@pytest.mark.parametrize("stderr", [b"", b"no newline", b"one\n", b"\xff\x00\n\n", b"\n"])
def test_standard_error_is_kept_byte_for_byte(stderr: bytes) -> None:
    answer = wrapper.read_answer(stderr + f"\n{NONCE} 7 ran -\n".encode() + b"late", NONCE)
    assert answer == wrapper.NodeAnswer(7, stderr + b"late", RAN)


def test_a_trailer_with_another_nonce_counts_for_nothing() -> None:
    forged = f"\n{'f' * 32} 0 state STOPPED\n".encode()
    stderr = forged + f"\n{NONCE} 7 ran -\n".encode() + forged
    assert wrapper.read_answer(stderr, NONCE) == wrapper.NodeAnswer(7, forged + forged, RAN)
    assert wrapper.read_answer(forged, NONCE) is None


@pytest.mark.parametrize("stderr", [b"", b"Connection closed", NONCE.encode(), f"\n{NONCE} 7".encode()])
def test_no_trailer_is_no_answer(stderr: bytes) -> None:
    assert wrapper.read_answer(stderr, NONCE) is None


def test_a_verdict_is_a_known_word_with_its_detail() -> None:
    assert parsed("elsewhere", "pve-2") == Verdict(Ending.ELSEWHERE, "pve-2")
    assert parsed("missing", "-") == Verdict(Ending.MISSING)
    with pytest.raises(ValueError, match="vanished"):
        parsed("vanished", "-")
    assert wrapper.read_answer(f"\n{NONCE} 7 vanished -\n".encode(), NONCE) is None


def test_every_word_of_the_script_is_an_ending_and_every_ending_is_written() -> None:
    words = set(re.findall(r'\bend (?:-|"\$rc"|0) ([a-z-]+)', wrapper.NODE_SCRIPT)) | {pct_relay.LATE, pct_relay.FLOOD}
    assert words == {ending.value for ending in Ending}


@pytest.mark.parametrize("ending", list(Ending))
def test_only_what_ran_is_no_trouble(ending: Ending) -> None:
    ended = ending in (Ending.RAN, Ending.LATE, Ending.FLOOD)
    assert (Verdict(ending, "x").trouble(950, "pve", "") is None) is ended


@pytest.mark.parametrize("ctid", ["950; reboot", "0950", "", "-1", "1234567890", "950\n"])
def test_a_ctid_is_a_number(ctid: str) -> None:
    with pytest.raises(ValueError, match="not a container id"):
        wrapper.NodeCall(ctid=ctid, nonce=NONCE, command="true").argv()  # type: ignore[arg-type]  # bad on purpose


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=50, deadline=None)
@given(text=NAMES)
def test_a_command_line_means_the_same_arguments_to_a_shell(text: str) -> None:
    call = wrapper.NodeCall(ctid=950, nonce=NONCE, command=text)
    # A shell that only prints its arguments, in place of the one that would run them.
    line = call.command_line().replace("/bin/sh -c", "printf '%s\\0' -c", 1)
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(argument) for argument in call.argv()[1:]]


@settings(max_examples=50, deadline=None)
@given(name=NAMES.filter(lambda name: "/" not in name and name not in (".", "..") and len(name.encode()) < 250))
def test_put_and_fetch_take_any_name(name: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for path in (f"{directory}/{name}", name):
            put = ["/bin/sh", "-c", wrapper.put_command(path)]
            subprocess.run(put, input=b"\x00data\xff", cwd=directory, check=True)
            assert os.listdir(directory) == [name]
            fetch = ["/bin/sh", "-c", wrapper.fetch_command(path)]
            assert subprocess.run(fetch, capture_output=True, cwd=directory, check=True).stdout == b"\x00data\xff"


def test_a_displaced_run_does_not_enter_the_container(node: FakeNode, tmp_path: pathlib.Path) -> None:
    """The line that module_utils/_node/fence.py writes; the command is never started."""
    fence = str(tmp_path / "displaced")
    own = {"run": "20260101T000000-0a0a0a0a", "fence": fence}
    assert node.answer("true", **own).verdict == RAN
    leases.fence.note(str(tmp_path), 951, own["run"], "by")
    leases.fence.note(str(tmp_path), 950, "20260101T000000-0b0b0b0b", "by")
    os.symlink(tmp_path / "leases" / "displaced", fence)
    assert node.answer("true", **own).verdict == RAN
    leases.fence.note(str(tmp_path), 950, own["run"], "20260101T000001-0c0c0c0c")
    answer = node.answer(f"touch {tmp_path}/entered", **own)
    assert (answer.rc, answer.verdict) == (None, Verdict(Ending.DISPLACED, "20260101T000001-0c0c0c0c"))
    assert not (tmp_path / "entered").exists()
    text = answer.trouble(950, "pve") or ""
    for words in ("run 20260101T000001-0c0c0c0c has taken container 950 on node pve over", "start it again when"):
        assert words in text
    assert node.answer("true").verdict == RAN  # a command of nobody's run


def test_connection_and_modules_mean_the_same_file() -> None:
    assert leases.fence.path(leases.ROOT) == wrapper.FENCE


def test_what_starts_again_when_it_is_killed_is_ended_too(node: FakeNode) -> None:
    """A shell goes on with its next command when one was killed, in the moment before it is killed itself."""
    sleeper = node.root / "phx-again"
    shutil.copy("/bin/sleep", sleeper)
    # Until the file is gone: what a failing test leaves would otherwise never end.
    again = f"(trap '' TERM; while [ -e {sleeper} ]; do {sleeper} 600; done) &"
    answer = node.answer(f"{again * 30} wait", seconds=1)
    assert (answer.rc, answer.verdict.ending) == (137, Ending.LATE)
    left = subprocess.run(["pgrep", "-f", str(sleeper)], capture_output=True, text=True, check=False).stdout.split()
    for pid in left:
        os.kill(int(pid), 9)
    assert left == []
