# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan as text for people: what ``--diff`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import NOTHING, Plan


def summary(result: Plan | Mapping[str, Any], calls: bool = True) -> list[str]:
    """The plan as numbered lines for people: what ``--diff`` prints. ``calls``: with what each step makes."""
    data = result.as_dict() if isinstance(result, Plan) else dict(result)
    lines = []
    for number, step in enumerate(data["steps"], 1):
        title = f"{step['kind']} {step['name']}".strip()
        effect = "" if step["disrupts"] == NOTHING else f" [{step['disrupts']}]"
        state = f" => {step['state']}" if step["state"] else ""
        lines.append(f"{number}. {title}{state}{effect}: {step['reason']}")
        for entry in step["entries"] if calls else ():
            params = " ".join(f"{key}={_on_one_line(value)}" for key, value in entry["params"].items())
            lines.append(f"     {entry['op']}: {entry['what']} {params}".rstrip())
    lines += [f"waits for a restart: {key}" for key in data["waiting"]]
    return lines + [f"note: {note}" for note in data["notes"]]


def _on_one_line(value: Any) -> str:
    """A value as text without line ends."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(value))
