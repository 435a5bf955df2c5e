# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault that the preflight finds, and the report of a node's faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .candidates import Path

LIMIT = 200  # findings that a report shows; the count at its end is of all


@dataclass(frozen=True)
class Finding:
    """One fault: the key of the file, the actual value, and the remedy.

    ``ctids``: the containers that can't go on with it; empty for the one in the path alone.
    """

    path: Path
    got: str
    expected: str
    remedy: str
    nearest: str | None = None
    ctids: tuple[int, ...] = ()

    @property
    def concerned(self) -> tuple[int, ...]:
        """The containers that can't go on with it."""
        return self.ctids or (int(self.path[1]),)

    @property
    def pointer(self) -> str:
        """The key as a JSON pointer (RFC 6901)."""
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in self.path)

    def as_dict(self) -> dict[str, Any]:
        """For results."""
        fields = {"got": self.got, "expected": self.expected, "remedy": self.remedy, "nearest": self.nearest}
        return {"pointer": self.pointer, **fields, "ctids": list(self.concerned), "text": self.line()}

    def line(self) -> str:
        """One line, as the offline report has them."""
        near = f" (did you mean {self.nearest}?)" if self.nearest else ""
        expected = f", expected {self.expected}" if self.expected else ""
        remedy = f"  remedy: {self.remedy}" if self.remedy else ""
        text = f"{self.pointer}  {self.got}{near}{expected}{remedy}"
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def report(node: str, findings: Iterable[Finding]) -> str:
    """The report of a node, empty when nothing is wrong."""
    found = list(findings)
    if not found:
        return ""
    lines = [f"Preflight failed on node {node}; nothing was touched.", ""]
    lines += [finding.line() for finding in found[:LIMIT]]
    if len(found) > LIMIT:
        lines.append(f"... and {len(found) - LIMIT} more")
    return "\n".join([*lines, "", f"{len(found)} error{'' if len(found) == 1 else 's'}"])
