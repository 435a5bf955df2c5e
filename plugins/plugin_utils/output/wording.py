# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of the output: every text that may come from a guest is one that no terminal takes for a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core import guesttext
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.shown_text import shortened

LONGEST = 2000
"""Characters of one message."""
MOST_LINES = 20
"""Lines of one message; the trail and -v have the rest."""
_FAR = 24
_HEAD = 8  # of MOST_LINES; the end of an output says more


def clean(value: Any, limit: int = LONGEST) -> str:
    """A text without control characters and of a bounded length."""
    return shortened(guesttext.clean(str(value)), limit)


def one_line(value: Any, limit: int = 160) -> str:
    """The same on one line."""
    return shortened(" ".join(clean(value, 8 * limit).split()), limit)


def block(value: Any, indent: str = "    ") -> list[str]:
    """A message of several lines, indented, with a mark where lines are left out."""
    lines = [line.rstrip() for line in clean(value).strip().splitlines()]
    if len(lines) > MOST_LINES:
        left = len(lines) - MOST_LINES
        lines = [*lines[:_HEAD], f"… {left} lines are left out; -v shows all", *lines[_HEAD - MOST_LINES :]]
    return [f"{indent}{line}".rstrip() for line in lines]


def took(seconds: float) -> str:
    """An elapsed time: 4.2 s, 3:07 min, 1:02:03 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} h"


def step_line(who: str, what: str, seconds: float | None = None) -> str:
    """The line of one step."""
    end = f"  {took(seconds)}" if seconds is not None else ""
    return f"{who:<{_FAR}}  {what}{end}".rstrip()


def messages(result: Mapping[str, Any]) -> list[str]:
    """Why a task failed: its message, or those of the items that failed, and the end of its error output."""
    items = result.get("results")
    failed: Sequence[Any] = [item for item in items if _has_failed(item)] if isinstance(items, list) else []
    found = [_message(item) for item in failed] or [_message(result)]
    return [text for text in dict.fromkeys(found) if text]


def _has_failed(item: Any) -> bool:
    return isinstance(item, Mapping) and bool(item.get("failed") or item.get("unreachable"))


def _message(result: Mapping[str, Any]) -> str:
    if "censored" in result:
        return "The result is hidden (no_log)."
    text = str(result.get("msg") or result.get("reason") or "").strip()
    for key in ("stderr", "module_stderr", "stdout"):
        more = str(result.get(key) or "").strip()
        if more and more not in text:
            return f"{text}\n{more}".strip()
    return text


def shown_message(value: Any) -> list[str]:
    """What a task of debug shows: text, or a list of lines."""
    items = value if isinstance(value, (list, tuple)) else [value]
    lines: list[str] = []
    for item in items:
        lines += clean(item, 100000).splitlines() if not isinstance(item, Mapping) else [one_line(item, 400)]
    return lines


def resume_command(playbooks: Sequence[str], inventories: Sequence[str], limit: str, extra: bool) -> str:
    """The command that goes on with one container."""
    words = ["ansible-playbook", *(f"-i {path}" for path in inventories), *playbooks]
    command = " ".join([*words, *([f"--limit {limit}"] if limit else [])])
    return f"{command} (with the same -e options)" if extra else command
