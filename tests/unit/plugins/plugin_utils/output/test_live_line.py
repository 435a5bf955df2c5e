# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live line at a terminal, which the tests provide, and its absence elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.output import live_line

CLEAR = "\r\x1b[2K"
# The line is drawn when the program is asked for its text, so each step waits for what the one before has caused.
PROGRAM = """
import sys, threading
import ansible_collections.phoenix.hypervisor.plugins.plugin_utils.output.live_line as it
it.EVERY = 0.001
texts = iter(["950 web create 0.5 s", "x" * 500, ""])
given, drawn = [], threading.Event()
def text():
    given.append(next(texts, ""))
    if len(given) == 5:
        drawn.set()
    return given[-1]
line = it.LiveLine(text)
line.start()
if line._thread is None:
    print("no line")
else:
    drawn.wait(60)
with line.silenced():
    print("950 web create")
line.stop()
print("the end")
"""


@pytest.fixture(name="terminal")
def fixture_terminal() -> Iterator[tuple[int, int]]:
    """A terminal of 40 columns: the end that we read, and the end of a program."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    yield ours, theirs
    os.close(ours)


def shown(ours: int, theirs: int, **more: str) -> str:
    """What the program writes to the terminal up to its end."""
    env = {**os.environ, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}
    env.pop("COLUMNS", None)
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=env) as child:
        os.close(theirs)
        found = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # EIO: nobody has the other end open any more
                break
            if not data:
                break
            found += data
        assert child.wait(60) == 0, found.decode()
    return found.decode().replace("\r\n", "\n")


def test_a_terminal_shows_one_line_that_goes_before_text_is_printed(terminal: tuple[int, int]) -> None:
    text = shown(*terminal)
    first, long, gone = text.split(CLEAR)[1:4]
    assert first == "950 web create 0.5 s"
    assert long == "x" * 38 + "…"
    assert gone.startswith("950 web create\n")
    assert text.endswith("the end\n")


def test_a_dumb_terminal_has_no_line(terminal: tuple[int, int]) -> None:
    assert shown(*terminal, TERM="dumb") == "no line\n950 web create\nthe end\n"


def test_a_file_has_no_line(capfd: pytest.CaptureFixture[str]) -> None:
    line = live_line.LiveLine(lambda: "never")
    line.start()
    line.stop()
    assert capfd.readouterr().out == ""
