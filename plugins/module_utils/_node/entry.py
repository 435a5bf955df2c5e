# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a module begins and ends: its options, its work, and one sentence for whatever goes wrong.

A module raises errors that have words of their own. The last border is for the rest: a file that vanishes, an address
that no library can take apart, a number too large, a text nested too deeply.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import KnownError
from . import bytecode, ending, failure


def run_module(
    argument_spec: dict[str, Any],
    work: Callable[[AnsibleModule], dict[str, Any]],
    *,
    delivered: Callable[[], None] = lambda: None,
    **constraints: Any,
) -> None:
    """Be the main function of a module: end with the result of its work, or with the message of its error.

    ``delivered`` is called once the caller has the result. ``constraints`` are those of AnsibleModule between options,
    such as ``required_if``. Never returns.
    """

    @bordered
    def run() -> None:
        module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True, **constraints)
        if bytecode.is_used() and not module.check_mode:
            bytecode.keep()
        try:
            _finish(module, work)
        except SystemExit as left:
            sys.stdout.flush()
            delivered()
            ending.say(left.code)
            raise

    run()


def _finish(module: AnsibleModule, work: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    try:
        result = work(module)
    except KnownError as error:
        module.fail_json(msg=str(error), **error.fields)
    module.exit_json(**result)


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
    own = "ansible.module_utils.basic"
    return AnsibleModule.__module__ != own or getattr(AnsibleModule.__init__, "__module__", None) != own


def sentence(error: BaseException) -> str:
    """What happened and where, for a person and for a report of it.

    The words of an error that nobody expected are left out: they may hold a value that must not be shown.
    """
    if isinstance(error, OSError) and error.strerror:
        text = ": ".join(part for part in failure.in_words(error) if part)
        return f"{text}. Correct it on this machine, then run again"
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{os.path.basename(code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"unexpected {type(error).__name__} at {place}. Please report it as a fault of phoenix.hypervisor"
