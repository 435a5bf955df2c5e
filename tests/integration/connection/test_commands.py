# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands and files through the plugin's own methods."""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import resource
import shlex
import threading
import time
import typing as t

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pct_targets import Target

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_wrapper import GUEST_ENVIRONMENT

MEGABYTE = 1 << 20
ODD_NAMES = [
    "plain",
    "two words",
    "-leading dash",
    "--",
    "quote's \"double\" `tick` $(id) ${HOME} \\ back",
    "new\nline",
    "ünïcödé ✓",
    "semi;colon & pipe | star * ? [x] #",
    " blanks ",
]


class Connect(t.Protocol):
    """Makes a connection to a container of the target."""

    def __call__(self, ctid: int, **variables: t.Any) -> t.Any: ...


@pytest.fixture
def connect(target: Target, control_dir: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    monkeypatch.setenv("ANSIBLE_SSH_CONTROL_PATH_DIR", str(control_dir))

    def made(ctid: int, **variables: t.Any) -> t.Any:
        plugin = connection_loader.get("phoenix.hypervisor.pct", PlayContext())
        assert plugin is not None
        values = {**target.variables, "phoenix_ctid": ctid, "inventory_hostname": str(ctid), **variables}
        plugin.set_options(var_options=values)
        return plugin

    return made


@pytest.fixture
def guest(target: Target, connect: Connect) -> t.Any:
    """A connection to the running container."""
    return connect(target.running)


@pytest.mark.parametrize("rc", [0, 1, 2, 127, 128, 254, 255])
def test_exit_codes(guest: t.Any, rc: int) -> None:
    assert guest.exec_command(f"exit {rc}") == (rc, b"", b"")


@pytest.mark.parametrize(("signal", "rc"), [("KILL", 137), ("TERM", 143), ("SEGV", 139)])
def test_killed_command(guest: t.Any, signal: str, rc: int) -> None:
    assert guest.exec_command(f"echo before; kill -{signal} $$")[:2] == (rc, b"before\n")


def test_command_not_found(guest: t.Any) -> None:
    rc, _stdout, stderr = guest.exec_command("no-such-command")
    assert rc == 127
    assert b"not found" in stderr


def test_it_is_the_container(guest: t.Any, target: Target) -> None:
    inside = guest.exec_command("readlink /proc/self/ns/mnt /proc/self/ns/pid; true; readlink /proc/self/ns/mnt")[1]
    outside = target.on_node("readlink", "/proc/self/ns/mnt", "/proc/self/ns/pid").split()
    words = inside.decode().split()
    assert words[0] == words[2]
    assert not set(words) & set(outside)


def test_environment_is_clean(connect: Connect, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_LEAK", "controller")
    monkeypatch.setenv("PHOENIX_LEAK", "controller")
    for method in ("lxc-attach", *(["pct"] if target.transport == "ssh" else [])):
        guest = connect(target.running, ansible_ssh_extra_args="-o SendEnv=LC_LEAK", phoenix_pct_method=method)
        _rc, stdout, _stderr = guest.exec_command("env -0; pwd")
        *pairs, directory = stdout.decode().split("\0")
        found = dict(pair.split("=", 1) for pair in pairs)
        # The shell's own, and lxc-attach's mark.
        allowed = {"PWD", "OLDPWD", "SHLVL", "_", "container"}
        assert {name: value for name, value in found.items() if name not in allowed} == GUEST_ENVIRONMENT
        assert directory == "/root\n"


def test_no_input_is_end_of_input(guest: t.Any) -> None:
    assert guest.exec_command("cat; test -t 0 || echo none") == (0, b"none\n", b"")


def test_input_that_is_not_read(guest: t.Any) -> None:
    assert guest.exec_command("exit 3", in_data=b"x" * MEGABYTE)[0] == 3


def test_megabytes_on_all_streams_at_once(guest: t.Any) -> None:
    data = os.urandom(8 * MEGABYTE)
    rc, stdout, stderr = guest.exec_command("head -c 8388608 /dev/zero >&2 & cat; wait", in_data=data)
    assert rc == 0
    assert hashlib.sha256(stdout).digest() == hashlib.sha256(data).digest()
    assert stderr == bytes(8 * MEGABYTE)


# There is no pct on this machine.
@pytest.mark.parametrize("target", ["ssh"], indirect=True, scope="session")
def test_method_pct(connect: Connect, target: Target) -> None:
    guest = connect(target.running, phoenix_pct_method="pct")
    assert guest.exec_command("cat; echo err >&2; exit 255", in_data=b"\x00\xff") == (255, b"\x00\xff", b"err\n")
    with pytest.raises(AnsibleConnectionFailure, match=f"container {target.stopped} on node .* is stopped"):
        connect(target.stopped, phoenix_pct_method="pct").exec_command("true")


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=TEXT | st.sampled_from(["'", '"', "\\", "$(id)", "`id`", "!!", "\n", "a\nb", "-n", "%s", "';id;'", "&", "~"])
)
def test_nothing_is_interpreted_twice(guest: t.Any, text: str) -> None:
    plain = f"printf %s {shlex.quote(text)}"
    as_ansible = f"/bin/sh -c {shlex.quote(plain + ' && sleep 0')}"
    for command in (plain, as_ansible):
        assert guest.exec_command(command) == (0, text.encode(), b"")


def test_two_commands_are_both_inside(guest: t.Any, target: Target) -> None:
    name = f"/tmp/phoenix-connection-{os.getpid()}"
    assert guest.exec_command(f"touch {name}.a; touch {name}.b && ls {name}.*")[1].split() == [
        f"{name}.a".encode(),
        f"{name}.b".encode(),
    ]
    assert target.on_node("sh", "-c", f"ls {name}.* 2>/dev/null || true") == ""


def test_stopped(connect: Connect, target: Target) -> None:
    text = f"container {target.stopped} on node {target.variables['phoenix_node']} is stopped"
    with pytest.raises(AnsibleConnectionFailure, match=re.escape(f"{text} (pct start {target.stopped})")):
        connect(target.stopped).exec_command("true")


def test_missing(connect: Connect, target: Target) -> None:
    text = f"container {target.missing} does not exist on node {target.variables['phoenix_node']}"
    with pytest.raises(AnsibleConnectionFailure, match=text):
        connect(target.missing).exec_command("true")


def test_files_of_a_container_that_is_not_there(connect: Connect, target: Target, tmp_path: pathlib.Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("old")
    with pytest.raises(AnsibleConnectionFailure, match="does not exist"):
        connect(target.missing).fetch_file("/etc/hostname", str(kept))
    with pytest.raises(AnsibleConnectionFailure, match="is stopped"):
        connect(target.stopped).put_file(str(kept), "/tmp/x")
    assert kept.read_text() == "old"
    assert list(tmp_path.iterdir()) == [kept]


@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, 1) for name in ODD_NAMES), ("empty", 0), ("large", 20 * MEGABYTE), (ODD_NAMES[4], 20 * MEGABYTE)],
)
def test_files(guest: t.Any, tmp_path: pathlib.Path, name: str, size: int) -> None:
    here, back = tmp_path / name, tmp_path / f"back {name}"
    data = os.urandom(size)
    here.write_bytes(data)
    folder = f"/tmp/phoenix files {time.monotonic_ns()}"
    assert guest.exec_command(f"mkdir {shlex.quote(folder)}")[0] == 0
    try:
        there = f"{folder}/{name}"
        guest.put_file(str(here), there)
        listed = guest.exec_command(f"cd {shlex.quote(folder)} && find . -type f -print0; stat -c %a -- *")[1]
        assert listed == f"./{name}".encode() + b"\x00644\n"
        guest.fetch_file(there, str(back))
        assert back.read_bytes() == data
    finally:
        guest.exec_command(f"rm -rf {shlex.quote(folder)}")


def test_large_files_are_not_held_in_memory(guest: t.Any, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "sparse"
    with source.open("wb") as handle:
        handle.truncate(300 * MEGABYTE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    guest.put_file(str(source), "/dev/null")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) * 1024 < 50 * MEGABYTE


@pytest.mark.parametrize(
    ("path", "text"), [("/no/such/folder/x", "(nonexistent|No such file)"), ("/dev/full", "No space left on device")]
)
def test_a_failing_put_says_why(guest: t.Any, tmp_path: pathlib.Path, path: str, text: str) -> None:
    source = tmp_path / "x"
    source.write_bytes(b"x" * MEGABYTE)
    with pytest.raises(AnsibleError, match=f"(?s)failed to transfer file .*{text}") as caught:
        guest.put_file(str(source), path)
    assert not isinstance(caught.value, AnsibleConnectionFailure)


@pytest.mark.parametrize(("path", "text"), [("/no/such/file", "No such file"), ("/etc", "Is a directory")])
def test_a_failing_fetch_says_why_and_leaves_nothing(
    guest: t.Any, tmp_path: pathlib.Path, path: str, text: str
) -> None:
    with pytest.raises(AnsibleError, match=f"(?s)failed to fetch file .*{text}"):
        guest.fetch_file(path, str(tmp_path / "back"))
    assert list(tmp_path.iterdir()) == []


def test_a_command_holds_the_busy_lock_and_a_service_does_not(guest: t.Any, target: Target) -> None:
    busy = f"/run/phoenix_hypervisor/{target.running}.busy"
    fifo = "/tmp/phoenix-connection-fifo"
    try_lock = ("flock", "-n", "-x", busy, "echo", "free")
    guest.exec_command(f"rm -f {fifo}; mkfifo {fifo}; nohup sleep 300 >/dev/null 2>&1 & echo $! >/tmp/phoenix-sleeper")
    try:
        assert target.on_node(*try_lock, check=False) == "free\n"
        assert target.on_node("stat", "-c", "%a %U", busy) == "600 root\n"
        held = threading.Thread(target=guest.exec_command, args=(f"echo ready >{fifo}; cat {fifo}",))
        held.start()
        # Reading the FIFO waits until the command in the thread has begun, writing it until it may end.
        target.on_node("lxc-attach", "-n", str(target.running), "--", "cat", fifo)
        assert target.on_node(*try_lock, check=False) == ""
        target.on_node("lxc-attach", "-n", str(target.running), "--", "sh", "-c", f"echo end >{fifo}")
        held.join(60)
        assert target.on_node(*try_lock, check=False) == "free\n"
    finally:
        guest.exec_command(f"kill $(cat /tmp/phoenix-sleeper); rm -f {fifo} /tmp/phoenix-sleeper")


@pytest.mark.parametrize("target", ["ssh"], indirect=True, scope="session")
def test_one_master_for_all_containers_and_reset(connect: Connect, target: Target, control_dir: pathlib.Path) -> None:
    guest = connect(target.running)
    guest.exec_command("true")
    with pytest.raises(AnsibleConnectionFailure):
        connect(target.missing).exec_command("true")
    assert len(list(control_dir.iterdir())) == 1
    guest.reset()
    assert list(control_dir.iterdir()) == []
    assert guest.exec_command("echo again")[1] == b"again\n"


@pytest.mark.parametrize("target", ["ssh"], indirect=True, scope="session")
def test_a_node_that_is_not_there(connect: Connect, target: Target) -> None:
    started = time.monotonic()
    guest = connect(target.running, ansible_host="127.0.0.1", ansible_port=9, ansible_ssh_timeout=5)
    with pytest.raises(AnsibleConnectionFailure, match=r"Failed to connect to the host via ssh.*refused"):
        guest.exec_command("true")
    assert time.monotonic() - started < 60


# -- Bounds ----------------------------------------------------------------------------------------------------------


def living(guest: t.Any, name: str) -> bytes:
    """The processes of the container with this name; those that nobody has collected don't count."""
    script = f'for d in /proc/[0-9]*; do cat $d/stat 2>/dev/null; done | grep "({name}) [^Z]"; true'
    return t.cast(bytes, guest.exec_command(script)[1])


@pytest.mark.parametrize("stream", [1, 2])
def test_a_flood_ends_the_command_and_fills_no_memory(connect: Connect, target: Target, stream: int) -> None:
    guest = connect(target.running, phoenix_output_limit_mb=4)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flood = f"cp /bin/cat /tmp/phx-flood; /tmp/phx-flood /dev/zero >&{stream} & wait"
    with pytest.raises(AnsibleError, match=r"wrote more than 4 MiB and was ended .* raise phoenix_output_limit_mb"):
        guest.exec_command(flood)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB
    assert living(guest, "phx-flood") == b""
    assert guest.exec_command(f"head -c {4 * MEGABYTE} /dev/zero >&{stream}")[0] == 0


def test_a_large_file_is_no_flood(connect: Connect, target: Target, tmp_path: pathlib.Path) -> None:
    guest = connect(target.running, phoenix_output_limit_mb=1)
    guest.exec_command(f"head -c {8 * MEGABYTE} /dev/zero >/root/large")
    guest.fetch_file("/root/large", str(tmp_path / "large"))
    assert (tmp_path / "large").stat().st_size == 8 * MEGABYTE


def test_a_command_past_its_time_is_ended_with_all_it_started(connect: Connect, target: Target) -> None:
    guest = connect(target.running)
    guest.exec_command("cp /bin/sleep /tmp/phx-late")
    deaf = "setsid sh -c 'trap \"\" TERM; /tmp/phx-late 600; /tmp/phx-late 600' & /tmp/phx-late 600"
    started = time.monotonic()
    with pytest.raises(AnsibleError, match=r"did not end within 2 s and was ended .* phoenix_command_timeout"):
        connect(target.running, phoenix_command_timeout=2).exec_command(deaf)
    assert time.monotonic() - started < 120
    assert living(guest, "phx-late") == b""
    assert (
        target.on_node("flock", "-n", "-x", f"/run/phoenix_hypervisor/{target.running}.busy", "echo", "free")
        == "free\n"
    )


def test_what_a_task_leaves_behind_keeps_its_output(guest: t.Any) -> None:
    """It outlives the command, and what it still writes arrives after it."""
    writes = "while kill -0 $$; do :; done 2>/dev/null; echo late; sleep 0.4; echo later >&2; sleep 0.4; echo last"
    rc, stdout, stderr = guest.exec_command(f"(trap '' HUP; {writes}) & echo first; exit 5")
    assert (rc, stdout, stderr) == (5, b"first\nlate\nlast\n", b"later\n")
