# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm interpreter and the node's side of it, with stand-ins for the LXC tools: no container is needed."""

from __future__ import annotations

import collections.abc as c
import fcntl
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from warm_node import NONCE, PARENT, PYTHON, RUN, Node, gone, standing

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import processes
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct import pct_warm
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct import pct_wrapper as wrapper
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_verdict import Ending

NEXT_RUN = "20260101T000001-0c0c0c0c"


@pytest.fixture(params=["command", "guard"])
def node(request: pytest.FixtureRequest) -> c.Iterator[Node]:
    """Each module comes as a command, or goes to the guard where one takes it."""
    # Short enough for the path of a socket.
    with tempfile.TemporaryDirectory(prefix="warm") as folder, standing(pathlib.Path(folder)) as made:
        made.by_guard = request.param == "guard"
        yield made


# -- As a new Python would -------------------------------------------------------------------------------------------


def test_tasks_share_an_interpreter_and_no_state(node: Node) -> None:
    first = node.run("import os, sys\nsys.left_over = os.environ['LEFT'] = 'x'\nprint(os.getppid(), os.getpid())\n")
    second = node.run(
        "import os, sys\nprint(os.getppid(), os.getpid(), hasattr(sys, 'left_over'), 'LEFT' in os.environ)\n"
    )
    (parent, pid), (again, other, *left) = first.stdout.split(), second.stdout.split()
    assert parent == again
    assert pid != other
    assert left == [b"False", b"False"]
    assert node.states() == ["idle"]


@pytest.mark.parametrize(
    ("program", "rc"),
    [
        ("", 0),
        ("import sys; sys.exit(0)", 0),
        ("import sys; sys.exit(7)", 7),
        ("import sys; sys.exit(255)", 255),
        ("import sys; sys.exit('words')", 1),
        ("raise ValueError('words')", 1),
        ("import os; os._exit(9)", 9),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.kill(os.getpid(), 15)", 143),
        ("not python", 1),
    ],
)
def test_exit_codes_are_those_of_a_new_python(node: Node, program: str, rc: int) -> None:
    new = subprocess.run([PYTHON], input=program.encode(), capture_output=True, check=False)
    done = node.run(program)
    assert (done.rc, done.stdout, done.stderr) == (rc, new.stdout, new.stderr)
    assert new.returncode == (rc if rc < 128 or rc == 255 else 128 - rc)


LOOK = """
import os, signal, sys
print(sorted(vars()), __name__, __spec__, sys.modules['__main__'].__dict__ is globals())
print(sys.argv, sys.path, os.getcwd(), os.umask(0o22), sorted(os.environ))
print(sorted(os.listdir('/proc/self/fd'))[:-1], sys.stdin.read() == '', sys.stdin.isatty())
print([signal.getsignal(number) for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT)])
print(sys.flags, sys.stdout.encoding, sys.stdout.line_buffering, sys.stderr.errors)
"""


def test_a_program_sees_what_it_would_see_in_a_new_python(node: Node) -> None:
    warm = node.run(LOOK)
    call = wrapper.NodeCall(ctid=950, nonce=NONCE, command=f"/bin/sh -c {PYTHON}", busy_dir=str(node.root / "run"))
    argv = call.argv()
    argv[2] = argv[2].replace(f"PATH={wrapper.NODE_PATH}", f"PATH={node.root}/bin:/usr/bin:/bin")
    cold = subprocess.run(argv, input=LOOK.encode(), capture_output=True, check=True)
    assert warm.rc == 0, warm.stderr
    assert warm.stdout.decode().splitlines() == cold.stdout.decode().splitlines()


FAILS = """
import sys


def work(word):
    raise ValueError(word, sys._getframe(1).f_lineno)


if __name__ == "__main__":
    work(
        word='x')
"""


def test_a_program_is_the_same_when_its_functions_are_known(node: Node) -> None:
    new = subprocess.run([PYTHON], input=FAILS.encode(), capture_output=True, check=False)
    assert b"line 10, in <module>" in new.stderr
    for _time in range(3):
        assert node.run(FAILS).stderr == new.stderr
    other = node.run(FAILS.replace("raise", "print(__name__); raise"))
    assert (other.stdout, other.stderr) == (b"__main__\n", new.stderr)
    assert b"SyntaxError" in node.run(FAILS + ")").stderr


def waiting(helper: int) -> int:
    """The process that has been forked for the next task."""
    found: list[int] = []
    while not found:
        found = [one.pid for one in processes.table().values() if one.parent == helper]
    return found[0]


def test_a_process_waits_for_each_task_and_is_replaced_when_it_is_killed(node: Node) -> None:
    helper = node.helper()
    first = waiting(helper)
    assert int(node.run("import os\nprint(os.getpid())\n").stdout) == first
    second = waiting(helper)
    os.kill(second, 9)
    assert gone(second)
    assert node.run("import os\nprint(os.getppid(), os.getpid() != 1)\n").stdout == f"{helper} True\n".encode()


def test_a_process_that_waits_ends_with_its_helper(node: Node) -> None:
    helper = node.helper()
    process = waiting(helper)
    os.kill(helper, 9)
    assert gone(process)


def test_both_streams_and_large_ones(node: Node) -> None:
    size = 3 << 20
    done = node.run(f"import sys\nsys.stdout.write('o' * {size})\nsys.stderr.write('e' * {size})\n" + "#" * size)
    assert (done.rc, done.stdout, done.stderr) == (0, b"o" * size, b"e" * size)


def test_what_a_task_leaves_behind_keeps_its_output(node: Node) -> None:
    fifo = node.root / "fifo"
    os.mkfifo(fifo)
    begin = "import os\nprint('first', flush=True)\nif os.fork(): os._exit(5)\n"
    payload = f"{begin}os.read(os.open({str(fifo)!r}, 0), 1)\nprint('last')\n".encode()
    with node.start(payload) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(payload)
        process.stdin.close()
        assert process.stdout.readline() == b"first\n"
        # The trailer, after which the container is no longer busy.
        assert process.stderr.readline() == b"\n"
        assert process.stderr.readline().startswith(f"{NONCE} 5 ran ".encode())
        assert process.wait(30) == 0
        fifo.write_text("x")
        assert process.stdout.read() == b"last\n"
    assert node.run("print(1)").stdout == b"1\n"


def test_a_second_task_at_the_same_time_runs_beside(node: Node) -> None:
    fifo = node.root / "fifo"
    os.mkfifo(fifo)
    first = f"import os\nprint(os.getppid(), flush=True)\nos.read(os.open({str(fifo)!r}, 0), 1)\n".encode()
    with node.start(first) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(first)
        process.stdin.close()
        parent = process.stdout.readline()
        assert node.run(PARENT).stdout != parent
        fifo.write_text("x")
        process.stdout.read()  # ends when the helper is idle, which is later than the command
    assert node.run(PARENT).stdout == parent


# -- The node's promises ---------------------------------------------------------------------------------------------


def test_the_lock_is_held_for_a_task_and_not_in_between(node: Node) -> None:
    inside = f"import subprocess\nprint(subprocess.call(['flock', '-n', '-x', {str(node.busy)!r}, 'true']))\n"
    assert node.run(inside).stdout == b"1\n"
    assert node.states() == ["idle"]
    with node.busy.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert node.run("import os\nprint(*os.listdir('/proc/self/fd'))\n").stdout.split()[:3] == [b"0", b"1", b"2"]


def test_whoever_displaces_the_run_finds_what_runs_for_it(node: Node) -> None:
    """_node/guest/leftovers.py looks for who has the busy file open and names the run."""
    helper = node.helper()
    found = [
        pid for pid in node.guards() if RUN.encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]
    assert len(found) == 1
    assert helper in processes.Tree(found).grow()


def test_the_state_is_for_root_alone(node: Node) -> None:
    node.helper()
    (state,) = (node.root / "run").glob("*.warm")
    assert state.stat().st_mode & 0o777 == 0o600
    assert state.parent.stat().st_mode & 0o007 == 0


def test_a_task_past_its_time_is_ended_with_its_helper(node: Node) -> None:
    program = """
import os, signal, time
signal.signal(15, signal.SIG_IGN)
print(os.getppid(), os.getpid(), flush=True)
os.setsid()
time.sleep(600)
"""
    done = node.run(program, seconds=2)
    assert (done.rc, done.ending) == (137, Ending.LATE)
    assert all(gone(int(pid)) for pid in done.stdout.split())
    assert node.run("print(1)").stdout == b"1\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_flood_is_ended(node: Node, stream: str) -> None:
    program = f"import sys\nwhile True: sys.{stream}.write('x' * 65536)\n"
    done = node.run(program, output_limit=1 << 20, error_limit=1 << 20)
    assert (done.rc, done.ending) == (137, Ending.FLOOD)
    assert len(done.stdout + done.stderr) <= 1 << 20
    assert node.run("print(1)").stdout == b"1\n"


def await_next_tick(pid: int) -> None:
    """Wait until what starts now is younger than a process: the kernel counts starts in hundredths of a second."""
    born = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    while int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")) <= born:
        pass


@pytest.mark.parametrize("dead", ["helper", "helper and guard"])
def test_a_helper_that_dies_takes_its_task_along_and_another_comes(node: Node, dead: str) -> None:
    """With all that the task has started; what an earlier one left in the background lives on."""
    left = "import subprocess\nprint(subprocess.Popen(['sleep', '600'], stdout=-3, stderr=-3).pid)\n"
    helper = node.helper()
    with node.start(left.encode()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(left.encode())
        process.stdin.close()
        earlier = int(process.stdout.readline())
        process.stdout.read()
        await_next_tick(earlier)
        task = left + "import os, time\nprint(os.getpid(), os.getppid(), flush=True)\ntime.sleep(600)\n"
        guards = node.guards() if "guard" in dead else []
        with node.start(task.encode()) as second:
            assert second.stdin is not None
            assert second.stdout is not None
            assert second.stderr is not None
            second.stdin.write(task.encode())
            second.stdin.close()
            below, its, parent = (int(word) for _line in "12" for word in second.stdout.readline().split())
            assert parent == helper
            for pid in (*guards, helper):
                os.kill(pid, 9)
            answer = second.stderr.read()
        try:
            assert b"ended before its task" in answer
            assert f"{NONCE} 137 ran -".encode() in answer
            assert gone(its, 0)
            assert gone(below, 0)
            assert not gone(earlier, 0)
        finally:
            os.kill(earlier, 9)
    assert node.helper() not in (helper, 1)


def test_a_controller_that_is_gone_ends_its_task(node: Node) -> None:
    with node.start(b"x" * 100) as process:
        assert process.stdin is not None
        process.stdin.write(b"x" * 50)
        process.stdin.close()
        assert process.wait(30) == 0
    assert node.run("print(1)").stdout == b"1\n"


def test_a_guard_that_is_killed_leaves_nothing(node: Node) -> None:
    helper = node.helper()
    for pid in node.guards():
        os.kill(pid, 9)
    assert gone(helper)
    assert node.run("print(1)").stdout == b"1\n"


def test_a_relay_that_is_killed_leaves_nothing(node: Node) -> None:
    node.changes["pause) = (0, 0, 0, 5)"] = "pause) = (0, 0, 0, 0.05)"
    program = b"import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"
    with node.start(program) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(program)
        process.stdin.close()
        task = int(process.stdout.readline())
        guards = set(node.guards())
        relay = next(
            pid
            for pid, one in processes.table().items()
            if one.parent == process.pid or one.parent in children(process.pid)
            if pathlib.Path(f"/proc/{pid}/comm").read_text() == "perl\n" and pid not in guards
        )
        os.kill(relay, 9)
        assert gone(task)
    assert all(gone(pid) for pid in guards)


def children(pid: int) -> set[int]:
    return {one.pid for one in processes.table().values() if one.parent == pid}


def test_it_ends_by_itself(node: Node) -> None:
    node.changes["pause) = (0, 0, 0, 5)"] = "pause) = (0, 0, 0, 0.05)"
    helper = node.helper()
    guards = node.guards()
    assert gone(helper)
    assert all(gone(pid) for pid in guards)
    assert node.states() == []


def test_the_next_run_ends_what_waits_for_an_earlier_one(node: Node) -> None:
    """Each has 20 MB of a small container, for half a minute."""
    node.changes |= {"pause) = (0, 0, 0, 5)": "pause) = (0, 0, 0, 0.05)", "looks < 7": "looks < 7000"}
    first = node.helper()
    second = node.helper(run=NEXT_RUN)
    assert gone(first)
    assert node.helper(run=NEXT_RUN) == second != first


def test_a_run_keeps_what_works_for_another_one_and_what_is_its_own(node: Node) -> None:
    mine = node.helper()
    other = f"{node.root}/python"
    os.symlink(PYTHON, other)
    assert node.helper(other) != mine
    assert node.helper() == mine
    with node.start(program := b"print(1, flush=True)\nimport time; time.sleep(600)\n") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(program)
        process.stdin.close()
        assert process.stdout.readline() == b"1\n"
        assert node.run("print(2)", run=NEXT_RUN).stdout == b"2\n"
        assert "used" in node.states()
        process.kill()


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/false"])
def test_without_a_python_the_command_runs_as_it_would(node: Node, python: str) -> None:
    cold = subprocess.run(["/bin/sh", "-c", f"/bin/sh -c {python}"], capture_output=True, check=False)
    for _time in range(2):
        done = node.run("print(1)", python=python)
        assert (done.rc, done.stdout) == (cold.returncode, cold.stdout)
    assert node.states() == ["off"]


def test_a_replaced_python_is_noticed(node: Node) -> None:
    python = node.root / "python"
    python.symlink_to(os.path.realpath(PYTHON))
    first = node.run(PARENT, python=str(python)).stdout
    assert node.run(PARENT, python=str(python)).stdout == first
    folder = node.root / "library"
    look = "import os, sys\nprint(os.getppid())\n"
    node.changes["started = Channel(), Library(), identity()"] = (
        f"started = Channel(), Library(), (sys.path.append({str(folder)!r}), identity())[1]"
    )
    (node.root / "run").joinpath("none").touch()
    before = node.run(look, python=PYTHON).stdout
    assert node.run(look, python=PYTHON).stdout == before
    folder.mkdir()
    assert node.run(look, python=PYTHON).stdout != before


# -- The controller's side -------------------------------------------------------------------------------------------

MODULE = b"#!/usr/bin/python3\n_ANSIBALLZ_WRAPPER = True\n"


@pytest.mark.parametrize(
    ("command", "python"),
    [
        ("/bin/sh -c /usr/bin/python3", "/usr/bin/python3"),
        ("/bin/sh -c '/usr/bin/python3 && sleep 0'", "/usr/bin/python3"),
        ("/bin/sh -c '/opt/a-b/venv+1/bin/python3.13 && sleep 0'", "/opt/a-b/venv+1/bin/python3.13"),
        ("/bin/sh -c python3", None),
        ("/bin/sh -c 'http_proxy=x /usr/bin/python3 && sleep 0'", None),
        ("/bin/sh -c 'sudo -H /usr/bin/python3'", None),
        ("/bin/sh -c '/usr/bin/python3 /root/.ansible/tmp/x/AnsiballZ_command.py && sleep 0'", None),
        ("/usr/bin/python3", None),
    ],
)
def test_only_what_starts_a_module_and_nothing_else_is_warm(command: str, python: str | None) -> None:
    found = pct_warm.warm(command, MODULE)
    assert (found and found.python) == python
    assert pct_warm.warm(command, b"print(1)") is None
    assert found is None or found.size == len(MODULE)


def test_runs_and_pythons_have_helpers_of_their_own() -> None:
    warm = pct_warm.Warm("/usr/bin/python3", 1)
    keys = {
        warm.argv("one", "lxc-attach")[0],
        warm.argv("two", "lxc-attach")[0],
        warm.argv("one", "pct")[0],
        pct_warm.Warm("/usr/bin/python3.9", 1).argv("one", "lxc-attach")[0],
    }
    assert len(keys) == 4
    assert all(re.fullmatch("[0-9a-f]{16}", key) for key in keys)
