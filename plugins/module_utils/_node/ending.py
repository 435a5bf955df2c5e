# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last border of a module: whatever reaches it ends in one sentence, never in a traceback.

A module catches what it knows, with words of its own. This is for the rest: a file that vanishes, an address that no
library can take apart, a number too large, a text nested too deeply.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from typing import Callable


def in_words(main: Callable[[], None]) -> Callable[[], None]:
    """Decorate a module's main function: where the module is the program, any error fails it with one sentence.

    Imported, as tests and linters do, it is left alone.
    """
    return bordered(main) if main.__module__ == "__main__" else main


def bordered(main: Callable[[], None]) -> Callable[[], None]:
    """Wrap a function so that an error of any class prints a failed result of one sentence, and ends the program."""

    @functools.wraps(main)
    def ended() -> None:
        try:
            main()
        except Exception as error:  # the last border; SystemExit of exit_json passes
            if _is_examined():
                raise
            sys.stdout.write(json.dumps({"failed": True, "changed": False, "msg": sentence(error)}) + "\n")
            raise SystemExit(1) from None

    return ended


def _is_examined() -> bool:
    """Return whether a tool examines the module: its stand-in for AnsibleModule raises errors of its own."""
    basic = sys.modules.get("ansible.module_utils.basic")
    made = getattr(getattr(basic, "AnsibleModule", None), "__init__", None)
    return basic is not None and getattr(made, "__module__", None) != basic.__name__


def sentence(error: BaseException) -> str:
    """What happened and where, for a person and for a report of it.

    The words of an error that nobody expected are left out: they may hold a value that must not be shown.
    """
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename!s}: " if error.filename else ""
        text = "".join(char if char.isprintable() else "?" for char in f"{where}{error.strerror}")
        return f"{text}. Correct it on this machine, then run again"
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{os.path.basename(code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"unexpected {type(error).__name__} at {place}. Please report it as a fault of phoenix.hypervisor"
