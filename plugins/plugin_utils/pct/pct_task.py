# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task's own process in a warm interpreter: what a new Python would be.

It has an own ``__main__``, the arguments, the directory, the streams. The second part of the warm interpreters'
programs; pct_library.py is the first.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import importlib.machinery
import os
import signal
import sys
import threading
import types
import typing as t


def execute(payload: bytes) -> int:
    """Run a program as a new Python runs its standard input. Returns the exit code."""
    main = types.ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", "<stdin>")
    vars(main).update(__builtins__=builtins, __loader__=loader, __file__="<stdin>")
    if sys.version_info < (3, 14):
        vars(main).update(__annotations__={}, __cached__=None)
    sys.modules["__main__"] = main
    sys.argv[:] = [""]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = sys.orig_argv[:1]
    code = 0
    try:
        exec(compile(payload, "<stdin>", "exec", dont_inherit=True), vars(main))  # noqa: S102 - it is what this process is for
    except SystemExit as left:
        code = _code(left.code)
    except BaseException as error:  # noqa: BLE001 - the end of the process
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # without the line above
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # what Python does at its end: awaits threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120  # as Python exits then
    return code


def _code(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 255
    sys.stderr.write(f"{value}\n")
    return 1


def begin(payload: bytes, out: int, err: int, close: t.Iterable[int]) -> t.NoReturn:
    """Be the task's process."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ended, other = os.pipe()
        os.close(other)
        for number, source in ((0, ended), (1, out), (2, err)):
            os.dup2(source, number)
        for number in {ended, out, err, *close}:
            os.close(number)
        for folder in ("/", os.environ.get("HOME", "/")):
            with contextlib.suppress(OSError):  # like a shell whose cd fails
                os.chdir(folder)
        code = execute(payload)
    finally:
        os._exit(code)


def identity() -> list[object]:
    """Return what tells this Python, its libraries and its search path from replaced ones."""
    custom = [getattr(sys.modules.get(name), "__file__", None) for name in ("sitecustomize", "usercustomize")]
    paths = [os.path.realpath(sys.executable), os.__file__, "/etc/ld.so.cache", "/etc/localtime", *custom, *sys.path]
    found: list[object] = []
    for path in paths:
        try:
            state = os.stat(path or "/dev/null")
            found.append((path, state.st_dev, state.st_ino, state.st_mtime_ns if path else 0, state.st_size))
        except OSError:
            found.append(path)
    return found
