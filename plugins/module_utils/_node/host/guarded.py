# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules have in common whose changes could cut the node off, and so roll back: see `revert`."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any, Protocol

from ansible.module_utils.basic import AnsibleModule

from ..._core.pve.apicalls import Call
from ..failure import NodeError
from ..pve.client import PveError
from ..pve.direct import make
from . import session
from .revert_timer import Change

# Beside a module's own; the last two are the action plugin's.
OPTIONS: dict[str, Any] = {
    "timeout": {"type": "int", "default": 90},
    "confirm_host": {"type": "str"},
    "apply": {"type": "bool", "default": False},
    "token": {"type": "str", "no_log": False},  # a name
}
REQUIRED_IF = [("apply", True, ("token",))]
# What can fail beside the calls: the files of the node and the tools that are asked.
KINDS = (OSError, subprocess.SubprocessError)


class Plan(Protocol):
    """What both planners answer."""

    refusals: list[str]
    notes: list[str]


def judge(module: AnsibleModule, plan: Plan, what: str) -> None:
    """Warn of the plan's notes. Raises NodeError when it has refusals."""
    if plan.refusals:
        raise NodeError(f"{what} is not touched.\n" + "\n".join(plan.refusals), refusals=plan.refusals)
    for note in plan.notes:
        module.warn(note)


def refuse_local(now: session.Session | None, what: str) -> None:
    """Raise NodeError when nobody could confirm a change over the network."""
    if now is None or now.is_local:
        raise NodeError(
            f"{what} is not changed from the node itself: nobody could confirm it over the network. "
            "Run from another machine, over SSH."
        )


def carry_out(
    module: AnsibleModule,
    change: Change,
    client: Any,
    calls: list[Call],
    files: Sequence[str],
    record: dict[str, Any],
) -> list[Any]:
    """Start the clock, then make the calls; their answers. A refused call ends the change at once, and is raised."""
    change.arm(module.params["token"], files, module.params["timeout"], record)
    try:
        return make(client, calls)
    except PveError:
        change.take_back()
        raise
