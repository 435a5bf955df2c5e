# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of one container from both sides: the names of the files, and the lines for the screen. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.guesttext import clean

MOST = 256 * 1024
"""Characters of each part."""
SHOWN = 40
"""Lines of each part on the screen."""
PARTS = {
    "controller": "audit trail of the controller",
    "audit": "audit trail of the node",
    "tasks": "tasks of Proxmox VE",
    "application": "application log in the container",
}
_FILES = {"controller": "controller.log", "audit": "node.log", "tasks": "tasks.log", "application": "application.log"}


def safe(parts: Mapping[str, object]) -> dict[str, str]:
    """The known parts of an answer, each of a bounded size and without control characters. Nothing else is taken."""
    return {name: clean(str(parts.get(name) or ""))[-MOST:] for name in PARTS}


def files(parts: Mapping[str, str]) -> dict[str, str]:
    """File name -> content, of the parts with something in them. The names are ours, whatever the node answered."""
    return {_FILES[name]: text for name, text in parts.items() if text}


def lines(parts: Mapping[str, str], notes: Sequence[str], written: Sequence[str]) -> list[str]:
    """What the screen shows: of each part the last lines, or where the files are."""
    if written:
        return [*written, *notes]
    result: list[str] = []
    for name, title in PARTS.items():
        every = parts[name].splitlines()
        shown = every[-SHOWN:]
        left = f", {len(every) - len(shown)} earlier lines with phoenix_logs_to" if len(every) > len(shown) else ""
        result += [f"{title} ({len(shown)} lines{left})", *(f"  {line}" for line in shown)]
    return [*result, *notes]
