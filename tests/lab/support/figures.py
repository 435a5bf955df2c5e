# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session measured and saw, printed at its end."""

from __future__ import annotations

import re

FIGURES: list[str] = []
_EVENT = re.compile(r'ctid=(\d+) event=("[^"]*"|\S+) outcome=ok seconds=([\d.]+)')


def figure(what: str, value: object) -> None:
    """One line."""
    FIGURES.append(f'{what}: {value}')


def times(trail: str, ctid: int) -> list[str]:
    """What was done with a container, and the seconds of each, from the node's audit trail."""
    found = _EVENT.findall(trail)
    return [f'{event.strip(chr(34))} {float(seconds):.1f} s' for number, event, seconds in found if int(number) == ctid]
