# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task's own process in a warm interpreter: what a new Python would be.

It has an own ``__main__``, the arguments, the directory, the streams. The second part of the warm interpreters'
programs; pct_library.py is the first.
"""

from __future__ import annotations
import __future__

import atexit
import builtins
import contextlib
import functools
import importlib.machinery
import operator
import os
import signal
import sys
import threading
import types
import typing as t

_START = b'\nif __name__ == "__main__":\n'
_FEATURES = (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
_FUTURE = functools.reduce(operator.or_, _FEATURES)
_KEPT = 16
_heads: dict[bytes, types.CodeType] = {}
"""What the programs of modules begin with, compiled. It differs from one release of Ansible to the next."""


def remember(payload: bytes) -> bool:
    """Compile what this program has in common with those to come. Returns whether that was to be done."""
    head, _tail = _parts(payload)
    if not head or head in _heads or len(_heads) >= _KEPT:
        return False
    with contextlib.suppress(SyntaxError, ValueError):
        _heads[head] = compile(head, "<stdin>", "exec", dont_inherit=True)
        return True
    return False


def _parts(payload: bytes) -> tuple[bytes, bytes]:
    """Return a program's functions and their call, whose lines keep their numbers."""
    at = payload.rfind(_START) + 1
    head = payload[:at]
    if b"coding" in head[:200]:
        return b"", payload
    return head, b"\n" * head.count(b"\n") + payload[at:]


def _compiled(payload: bytes, hole: str, text: str) -> list[types.CodeType]:
    """Return a program with a text in place of the word ``hole``."""
    head, tail = _parts(payload)
    known = _heads.get(head)
    if known is None:
        code = compile(payload, "<stdin>", "exec", dont_inherit=True)
    else:
        code = compile(tail, "<stdin>", "exec", known.co_flags & _FUTURE, dont_inherit=True)
    if hole:
        code = code.replace(co_consts=tuple(text if value == hole else value for value in code.co_consts))
    return [code] if known is None else [known, code]


def execute(payload: bytes, hole: str = "", text: str = "") -> int:
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
        for part in _compiled(payload, hole, text):
            exec(part, vars(main))  # noqa: S102 - it is what this process is for
    except SystemExit as left:
        code = _code(left.code)
    except BaseException as error:  # noqa: BLE001 - the end of the process
        _show(error)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # what Python does at its end: awaits threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120  # as Python exits then
    return code


def _show(error: BaseException) -> None:
    """Print an error as Python does, without the lines of this program."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    error.__traceback__ = trace
    sys.excepthook(type(error), error, trace)


def _code(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 255
    sys.stderr.write(f"{value}\n")
    return 1


def settle(out: int, err: int, close: t.Iterable[int]) -> None:
    """Have the streams of a task, and nothing of its parent's."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ended, other = os.pipe()
    os.close(other)
    for number, source in ((0, ended), (1, out), (2, err)):
        os.dup2(source, number)
    for number in {ended, out, err, *close}:
        os.close(number)


def run(payload: bytes, hole: str = "", text: str = "") -> int:
    """Run a program where a new Python would be started. Returns the exit code."""
    for folder in ("/", os.environ.get("HOME", "/")):
        with contextlib.suppress(OSError):  # like a shell whose cd fails
            os.chdir(folder)
    return execute(payload, hole, text)


def begin(payload: bytes, out: int, err: int, close: t.Iterable[int]) -> t.NoReturn:
    """Be the task's process."""
    code = 1
    try:
        settle(out, err, close)
        code = run(payload)
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
