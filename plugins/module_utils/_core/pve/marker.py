# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The line of a container's config that carries its instance id (docs/adr/0012).

PVE keeps it through every write, start, snapshot, conversion, migration and restore, and copies it into a clone. It is
no option of anybody: neither drift, nor a line of ``lxc_options``, nor something that waits for a restart.
"""

from __future__ import annotations

from collections.abc import Iterable

from .rawlines import Line

KEY = "lxc.environment"
NAME = "PHOENIX_INSTANCE"


def line(ident: str) -> Line:
    """The line that carries an id."""
    return KEY, f"{NAME}={ident}"


def is_marker(item: Line) -> bool:
    """Whether a raw line carries an instance id, whatever it is worth."""
    return item[0] == KEY and item[1].partition("=")[0].strip() == NAME


def split(raw: Iterable[Line]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """(the raw lines without those that carry an instance id, those that do)."""
    lines = tuple(raw)
    return tuple(item for item in lines if not is_marker(item)), tuple(filter(is_marker, lines))


def ident(markers: Iterable[Line]) -> str | None:
    """The instance id that these lines carry: all of them where they differ, which is nobody's. None for no line."""
    found = sorted({value.partition("=")[2].strip() for _key, value in markers})
    return ",".join(found) or None
