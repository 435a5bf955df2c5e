# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with stand-ins for the LXC tools, on which modules go to a warm interpreter."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import os
import pathlib
import select
import socket
import subprocess
import typing as t

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import processes
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.open_ssh import guards
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct import pct_warm
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct import pct_wrapper as wrapper
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_verdict import Ending

NONCE = "0123456789abcdef0123456789abcdef"
RUN = "20260101T000000-0a0a0a0a"
PYTHON = "/usr/bin/python3"
LXC_ATTACH = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n'
# What the helper's process is to its task.
PARENT = "import os\nprint(os.getppid())\n"

BOUNDS = (("output_limit", 0), ("error_limit", 0), ("seconds", 7200))


def keys(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Of the options those that tell interpreters apart."""
    return {name: value for name, value in options.items() if name in ("run", "method")}


@dataclasses.dataclass
class Done:
    """What a command did."""

    rc: int | None
    stdout: bytes
    stderr: bytes
    ending: Ending


@dataclasses.dataclass
class Node:
    """A directory of commands in place of the node's."""

    root: pathlib.Path
    program: str | None = None
    """Another program than the helper's: what an attacker in the container makes of it."""
    changes: dict[str, str] = dataclasses.field(default_factory=dict)
    by_guard: bool = False
    """Whether a module goes to the guard that waits, as a task does that has found one."""
    guarded: int = 0
    """The modules that a guard has taken."""

    @property
    def busy(self) -> pathlib.Path:
        return self.root / "run" / "950.busy"

    def command(self, name: str, text: str) -> None:
        (self.root / "bin" / name).write_text(text)
        (self.root / "bin" / name).chmod(0o755)

    def argv(self, payload: bytes, python: str, **options: t.Any) -> list[str]:
        call = wrapper.NodeCall(
            ctid=950,
            nonce=NONCE,
            command=f"/bin/sh -c {python}",
            busy_dir=str(self.root / "run"),
            busy_timeout=5,
            warm=pct_warm.Warm(python, len(payload)),
            **{"run": RUN, **options},
        )
        argv = call.argv()
        argv[2] = argv[2].replace(f"PATH={wrapper.NODE_PATH}", f"PATH={self.root}/bin:/usr/bin:/bin")
        if self.program is not None:
            argv[-1] = self.program
        for old, new in self.changes.items():
            assert any(old in word for word in argv), old
            argv = [word.replace(old, new) for word in argv]
        return argv

    def start(self, payload: bytes, python: str = PYTHON, **options: t.Any) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        argv = self.argv(payload, python, **options)
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe)

    def run(self, program: str | bytes, python: str = PYTHON, **options: t.Any) -> Done:
        payload = program if isinstance(program, bytes) else program.encode()
        if self.by_guard and not (self.sockets(python, **options) or self.changes or self.program):
            self.by_command(b"", python, **options)
        told = self.ask(payload, python, **options) if self.by_guard else None
        if told is not None and told.answer.rc is not None:
            self.guarded += 1
            self.await_relays()
            answered = told.answer
            return Done(answered.rc, b"".join(answered.output), b"".join(answered.errors), Ending(answered.ending))
        return self.by_command(payload, python, **options)

    def by_command(self, payload: bytes, python: str = PYTHON, **options: t.Any) -> Done:
        """Run a module as a task does that knows no guard."""
        with self.start(payload, python, **options) as process:
            stdout, stderr = process.communicate(payload, timeout=60)
        answer = wrapper.read_answer(stderr, NONCE)
        assert process.returncode == 0, stderr
        assert answer is not None, stderr
        return Done(answer.rc, stdout, answer.stderr, answer.verdict.ending)

    def ask(self, payload: bytes, python: str = PYTHON, **options: t.Any) -> guards.Talk | None:
        """Run a module by the guard of its interpreter, None where there is none that takes it."""
        talk = None
        for path in self.sockets(python, **options):
            with socket.socket(socket.AF_UNIX) as guard:
                try:
                    guard.connect(str(path))
                except ConnectionRefusedError:
                    continue
                limits = [options.get(name, default) for name, default in BOUNDS]
                talk = guards.Talk(guard, payload, guards.Bounds(*limits))
                talk.to_its_end()
        return talk if talk and talk.has_begun else None

    def sockets(self, python: str = PYTHON, **options: t.Any) -> list[pathlib.Path]:
        """Where the guards for a Python listen."""
        call = wrapper.NodeCall(950, NONCE, "", warm=pct_warm.Warm(python, 0), **{"run": RUN, **keys(options)})
        name = pathlib.Path(call.state_file()).stem
        return sorted((self.root / "run").glob(f"{name}.*.sock"))

    def helper(self, python: str = PYTHON, **options: t.Any) -> int:
        """The process that the tasks are forked from."""
        return int(self.run(PARENT, python, **options).stdout)

    def guards(self) -> list[int]:
        """The processes on the node that stand behind a helper."""
        return processes.holders(str(self.busy))

    def await_relays(self) -> None:
        """Wait until those that have carried a module have ended, which is a moment after their last word."""
        listening = {path.suffixes[-2][1:] for path in (self.root / "run").glob("*.sock")}
        for pid in self.guards():
            if str(pid) not in listening:
                gone(pid, 1)  # a guard that waits for its last module does not listen any more

    def states(self) -> list[str]:
        return [path.read_text().split()[0] for path in sorted((self.root / "run").glob("*.warm"))]


@contextlib.contextmanager
def standing(root: pathlib.Path) -> c.Iterator[Node]:
    """A node in a directory; what still waits on it is ended at the end."""
    (root / "bin").mkdir()
    made = Node(root)
    made.command("lxc-attach", LXC_ATTACH)
    made.command("lxc-info", "#!/bin/sh\necho RUNNING\n")
    try:
        yield made
    finally:
        processes.Tree(made.guards()).end(grace=1)


def gone(pid: int, seconds: float = 30) -> bool:
    """Wait until a process has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)
