# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of ansible-playbook by processes that have imported it: that is a third of the work of a short run.

The processes have the variables and the folder of their runs, for Ansible reads its configuration when it is imported.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
# Read by plugins, which each run loads itself; what differs otherwise is for another process.
OF_A_RUN = ('LAB_RESULTS', 'PHOENIX_LOG_DIR')


class Importer:
    """A process with the variables and the folder of the runs that it is for."""

    def __init__(self, program: str, variables: Mapping[str, str], folder: Path) -> None:
        # With the program's name among its arguments, by which controller/sitecustomize.py knows a run.
        self._process = subprocess.Popen(
            [sys.executable, HERE / 'imported_here.py', program],
            bufsize=0,  # what is read but not looked at yet would never be waited for
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(variables),
            cwd=folder,
        )

    def run(self, words: Sequence[str], variables: Mapping[str, str], output: str, timeout: float) -> int:
        """The exit code of a run."""
        deadline = time.monotonic() + timeout
        assert self._process.stdin
        request = {'words': list(words), 'variables': dict(variables), 'output': output}
        self._process.stdin.write(json.dumps(request).encode() + b'\n')
        pid = self._answer(deadline)
        assert pid is not None, f'no process for {words}'
        code = self._answer(deadline)
        if code is None:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, timeout, Path(output).read_bytes())
        return code

    def close(self) -> None:
        """End it, after the run that it waits for."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def _answer(self, deadline: float) -> int | None:
        """A number that it says; None when it has not come in time."""
        out = self._process.stdout
        assert out
        if not select.select([out], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        line = out.readline()
        assert line, f'{HERE}/imported_here.py has ended with {self._process.wait()}'
        return int(line)


_idle: dict[frozenset[tuple[str, str]], list[Importer]] = {}


def run(command: Sequence[str], variables: Mapping[str, str], folder: Path, timeout: float) -> tuple[int, str]:
    """Run a command that begins with ansible-playbook; its exit code and output."""
    own = {name: variables[name] for name in OF_A_RUN if name in variables}
    # pytest tells its processes which test runs: another process for each test would be no help.
    common = {name: value for name, value in variables.items() if name not in own and not name.startswith('PYTEST_')}
    idle = _idle.setdefault(frozenset({**common, '': str(folder)}.items()), [])
    importer = idle.pop() if idle else Importer(command[0], common, folder)
    with tempfile.NamedTemporaryFile(prefix='phoenix-lab-output-') as output:
        try:
            code = importer.run(command, own, output.name, timeout)
        except BaseException:
            importer.close()
            raise
        idle.append(importer)
        return code, output.read().decode()
