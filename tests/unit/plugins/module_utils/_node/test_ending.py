# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's process that ends at once: with its answer, its exit code, and after what others do at the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[5] / "plugins" / "module_utils" / "_node"
PROGRAM = """
import atexit, sys
sys.path.insert(0, {folder!r})
import ending
atexit.register(print, "freed")
ending.prepare()
atexit.register(print, "registered later")
{act}
"""


def program(act: str) -> tuple[int, list[str]]:
    """The exit code and the output of a process that prepares its end, then acts."""
    code = PROGRAM.format(folder=str(FOLDER), act=act)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(("said", "code"), [("0", 0), ("1", 1), ("None", 0)])
def test_it_ends_with_its_answer_and_code_after_what_was_registered_later(said: str, code: int) -> None:
    act = f"print('answer'); ending.say({said}); sys.exit({said})"
    assert program(act) == (code, ["answer", "registered later"])


@pytest.mark.parametrize(("act", "code"), [("sys.exit(3)", 3), ("ending.say('a text'); sys.exit(4)", 4)])
def test_a_process_that_has_not_said_how_it_ends_does_so_as_any_other(act: str, code: int) -> None:
    assert program(act) == (code, ["registered later", "freed"])
