# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm interpreter on a node: modules run in it as in a Python of their own, several at once, and without it."""

from __future__ import annotations

import collections.abc as c
import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import typing as t

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from warm_node import gone

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import valid
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.on_node import node_relay

PYTHON = "/usr/bin/python3"
COMMAND = f"/bin/sh -c {PYTHON}"
MARK = "_ANSIBALLZ_WRAPPER = True\n"
PARENT = "import os\nprint(os.getppid())\n"


class Node:
    """A node on this machine, whose interpreters have their pipes in a directory."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.folder = root / "warm"
        self.changes: dict[str, str] = {"plain() if $>;": ""}
        self.seen: set[int] = set()
        self.otherwise = node_relay.START

    def start(self, program: str, **environment: str) -> subprocess.Popen[bytes]:
        command = node_relay.warm_command(COMMAND, (MARK + program).encode(), "run", self.otherwise, str(self.folder))
        assert command is not None
        for old, new in self.changes.items():
            assert old in command, old
            command = command.replace(old, new)
        pipe = subprocess.PIPE
        variables = {"HOME": str(self.root), "PATH": os.environ["PATH"], **environment}
        return subprocess.Popen(
            ["/bin/sh", "-c", command], stdin=pipe, stdout=pipe, stderr=pipe, env=variables, cwd="/"
        )

    def run(self, program: str, **environment: str) -> tuple[int, bytes, bytes]:
        with self.start(program, **environment) as process:
            out, err = process.communicate((MARK + program).encode(), timeout=60)
        return process.returncode, out, err

    def helper(self, **environment: str) -> int:
        """The process that modules are forked from."""
        found = int(self.run(PARENT, **environment)[1])
        self.seen.add(found)
        return found


@pytest.fixture
def node(tmp_path: pathlib.Path) -> c.Iterator[Node]:
    made = Node(tmp_path)
    try:
        yield made
    finally:
        for pid in made.seen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_modules_share_it_and_none_sees_what_another_set(node: Node) -> None:
    first = node.helper()
    leak = "import builtins, os, sys\nprint(os.getpid(), hasattr(builtins, 'mine'), 'X' in os.environ, sys.argv)\n"
    one = node.run(leak + "builtins.mine = 1\nos.environ['X'] = '1'\nos.chdir('/')\n")
    two = node.run(leak)
    assert one[1].split()[1:] == two[1].split()[1:] == [b"False", b"False", b"['']"]
    assert one[1].split()[0] != two[1].split()[0]
    assert node.helper() == first


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("import sys\nsys.stdout.write('a' * 99999)\nsys.stderr.write('b' * 99999)\n", (0, b"a" * 99999, b"b" * 99999)),
        ("raise SystemExit(255)", (255, b"", b"")),
        ("raise SystemExit('no')", (1, b"", b"no\n")),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n", (143, b"", b"")),
        ("import sys\nprint(repr(sys.stdin.read()), __name__)\n", (0, b"'' __main__\n", b"")),
        ("import os\nprint(os.getsid(0) == os.getpid(), os.getcwd() == os.getenv('HOME'))\n", (0, b"True True\n", b"")),
        ("import os\nprint(sorted(map(int, os.listdir('/proc/self/fd')))[:4])\n", (0, b"[0, 1, 2, 3]\n", b"")),
        ("import os\nprint(len(os.listdir('/proc/self/fd')))\n", (0, b"4\n", b"")),
    ],
)  # fmt: skip  # a line each
def test_a_module_ends_as_in_a_python_of_its_own(node: Node, program: str, answer: tuple[int, bytes, bytes]) -> None:
    node.helper()
    assert node.run(program) == answer


def test_a_module_has_the_environment_of_its_own_command(node: Node) -> None:
    show = "import os\nprint(os.environ.get('WORD'), os.environ.get('PERL_BADLANG'))\n"
    first = node.helper(WORD="one")
    assert node.run(show, WORD="two")[1] == b"two None\n"
    assert node.run(show)[1] == b"None None\n"
    assert node.helper() == first


def test_a_module_knows_the_process_that_stands_for_it(node: Node) -> None:
    node.helper()
    program = "import os\nprint(os.environ['PHOENIX_RELAY'])\n"
    with node.start(program) as process:
        out, _err = process.communicate((MARK + program).encode(), timeout=60)
    assert int(out) == process.pid


def test_a_locale_that_python_was_not_started_with_has_an_interpreter_of_its_own(node: Node) -> None:
    first = node.helper(LC_ALL="C.UTF-8")
    second = node.helper(LC_ALL="POSIX")
    assert first != second
    assert gone(first)


def test_modules_run_at_once(node: Node) -> None:
    first = node.helper()
    go = node.root / "go"
    os.mkfifo(go)
    program = f"import os\nprint(os.getppid(), flush=True)\nos.read(os.open({str(go)!r}, os.O_RDONLY), 1)\n"
    gate = os.open(go, os.O_RDWR)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, gate)
        started = [stack.enter_context(node.start(program)) for _number in range(3)]
        for process in started:
            assert process.stdin
            assert process.stdout
            process.stdin.write((MARK + program).encode())
            process.stdin.close()
            assert int(process.stdout.readline()) == first
        os.write(gate, b"123")
        assert [process.wait(30) for process in started] == [0, 0, 0]


def test_what_a_module_leaves_running_has_its_streams(node: Node) -> None:
    node.helper()
    # After the module's end, which may come before the shell's start.
    late = "while kill -0 $0; do :; done 2>/dev/null; echo late"
    start = f"import os, subprocess\nsubprocess.Popen(['sh', '-c', {late!r}, str(os.getpid())])\n"
    program = f"{start}print('soon', flush=True)\n"
    assert node.run(program) == (0, b"soon\nlate\n", b"")


def test_a_killed_interpreter_fails_its_module_and_the_next_one_starts_another(node: Node) -> None:
    first = node.helper()
    program = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"
    with node.start(program) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write((MARK + program).encode())
        process.stdin.close()
        module = int(process.stdout.readline())
        os.kill(first, signal.SIGKILL)
        assert process.wait(30) == 137
        assert gone(module)
    assert node.helper() != first


@pytest.mark.parametrize("python", ["exit 1", "sleep 600"])
def test_without_an_interpreter_the_command_runs_as_it_is(node: Node, python: str) -> None:
    node.changes |= {f"{PYTHON} '": "/bin/sh '", "# Copyright": f"{python} #", "taken(10)": "taken(0.5)"}
    assert node.run("import sys\nprint(1)\nsys.exit(7)\n") == (7, b"1\n", b"")
    assert not node.folder.exists()


def test_only_who_may_starts_one(node: Node) -> None:
    node.otherwise = ""
    assert node.run(PARENT)[0] == 0
    assert not node.folder.exists()
    node.otherwise = node_relay.START
    first = node.helper()
    node.otherwise = ""
    assert node.helper() == first


def test_who_must_not_start_one_waits_for_it(node: Node) -> None:
    """Modules that come at once: one of them starts the interpreter, perhaps not the first to arrive."""
    node.otherwise = node_relay.WAIT
    node.changes |= {"250": "5000", "taken(10); $line": "taken(100); $line"}  # on a busy machine, too
    early = node.start(PARENT)
    assert early.stdin
    assert early.stdout
    early.stdin.write((MARK + PARENT).encode())
    early.stdin.close()
    node.otherwise = node_relay.START
    first = node.helper()
    with early:
        assert int(early.stdout.read()) == first


def test_streams_that_nobody_else_can_open_are_left_alone(node: Node, tmp_path: pathlib.Path) -> None:
    node.helper()
    program = MARK + "print(1)\n"
    (tmp_path / "program").write_text(program)
    command = node_relay.warm_command(COMMAND, program.encode(), "run", node_relay.START, str(node.folder)) or ""
    command = command.replace(*next(iter(node.changes.items())))
    variables = {"HOME": str(node.root), "PATH": os.environ["PATH"]}
    with open(tmp_path / "program", "rb") as file:
        assert (
            subprocess.run(
                ["/bin/sh", "-c", command], stdin=file, capture_output=True, env=variables, check=True
            ).stdout
            == b"1\n"
        )


def test_it_ends_with_nothing_left_when_nobody_uses_it(node: Node) -> None:
    node.changes |= {"IDLE = 30": "IDLE = 0.2", "LAST = 2": "LAST = 0"}
    helper = node.helper()
    assert gone(helper)
    assert list(node.folder.iterdir()) == []


def test_it_outlives_the_relay_that_started_it_and_what_a_killed_one_left_is_removed(node: Node) -> None:
    first = node.helper()
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    assert len(list(node.folder.iterdir())) == 1
    second = node.helper()
    assert node.helper() == second
    assert len(list(node.folder.iterdir())) == 1


def test_a_replaced_library_has_an_interpreter_of_its_own(node: Node) -> None:
    extra = node.root / "library"
    extra.mkdir()
    first = node.helper(PYTHONPATH=str(extra))
    (extra / "new.py").write_text("")
    assert node.helper(PYTHONPATH=str(extra)) != first


@pytest.mark.parametrize(
    ("command", "data"),
    [
        ("/bin/sh -c 'echo hello'", MARK),
        ("/bin/sh -c 'X=1 /usr/bin/python3'", MARK),
        (f"/bin/sh -c 'sudo -H -S -n -u root /bin/sh -c {shlex.quote(PYTHON)}'", MARK),
        ("/bin/sh -c python3", MARK),
        (COMMAND, "print(1)"),
    ],
)
def test_other_commands_are_not_touched(command: str, data: str) -> None:
    assert node_relay.warm_command(command, data.encode(), "run", node_relay.START) is None


# -- The connection plugin -------------------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> c.Callable[..., str]:
    """What the ssh plugin gets of a command."""
    from ansible import constants

    from ansible_collections.phoenix.hypervisor.plugins.connection import node as plugin

    commands: list[str] = []

    def exec_command(
        _self: object, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        commands.append(cmd)
        return 0, b"", b""

    monkeypatch.setattr(plugin.SSHConnection, "exec_command", exec_command)
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))

    def send(data: bytes | None = MARK.encode(), command: str = COMMAND, **options: t.Any) -> str:
        known = {"warm_interpreter": True, "check_mode": False, "host": "node", "port": None, "remote_user": "root"}
        connection = plugin.Connection.__new__(plugin.Connection)
        monkeypatch.setattr(plugin.Connection, "get_option", lambda _self, name: {**known, **options}[name])
        connection.exec_command(command, in_data=data)
        return commands[-1]

    return send


def test_of_modules_at_once_one_starts_it(sent: c.Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    sent()
    starts = [shlex.split(sent())[7] for _time in range(3)]
    monkeypatch.setattr("ansible_collections.phoenix.hypervisor.plugins.connection.node.AGAIN", 0)
    assert [*starts, shlex.split(sent())[7]] == ["start", "", "", "start"]


def test_others_wait_for_it_only_while_one_starts_it(
    sent: c.Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.phoenix.hypervisor.plugins.connection import node as plugin

    sent()
    meanwhile: list[str] = []
    plain = plugin.SSHConnection.exec_command

    def exec_command(self: object, cmd: str, **rest: t.Any) -> tuple[int, bytes, bytes]:
        if not meanwhile:
            meanwhile.append("")
            meanwhile[:] = [shlex.split(sent())[7], shlex.split(sent(host="other"))[0]]
        return plain(t.cast(t.Any, self), cmd, **rest)

    monkeypatch.setattr(plugin.SSHConnection, "exec_command", exec_command)
    assert shlex.split(sent())[7] == "start"
    assert meanwhile == ["wait", "/bin/sh"]
    assert shlex.split(sent())[7] == ""


def test_the_first_module_of_a_run_goes_by_plain_ssh(sent: c.Callable[..., str]) -> None:
    assert sent() == COMMAND
    assert sent(host="other") == COMMAND
    assert sent().startswith("PERL_BADLANG=0 exec perl")
    assert sent(host="other").startswith("PERL_BADLANG=0 exec perl")


def test_with_a_configuration_that_no_run_has_judged_the_first_module_starts_it(
    sent: c.Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valid, "_news", ["a document"])
    assert [shlex.split(sent())[7] for _time in range(2)] == ["start", ""]
    assert sent(check_mode=True) == COMMAND


@pytest.mark.parametrize("options", [{"warm_interpreter": False}, {"check_mode": True}, {"data": None}])
def test_it_can_be_switched_off_and_is_not_used_by_dry_runs(
    sent: c.Callable[..., str], options: dict[str, t.Any]
) -> None:
    sent()
    assert sent(**options) == COMMAND
