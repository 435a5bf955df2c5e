# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container's config as the API answers it -> the parts that its file has.

The answers are written as the text that PVE keeps, so that one parser reads both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ...pve import properties
from ...pve.conffile import ENVIRONMENT, ConfFile, parse_conf

_CARD = re.compile(r"net\d+\Z")
_SERVED = frozenset({"dhcp", "auto", "manual"})
_NO_OPTIONS = frozenset({"digest", "lxc", "description", "env", "snapname"})


def conf_of(
    current: Mapping[str, Any],
    pending: Iterable[Mapping[str, Any]] = (),
    snapshots: Mapping[str, Mapping[str, Any]] | None = None,
) -> ConfFile:
    """Return the config of a container.

    Args:
        current: the answer of GET .../config with current=1.
        pending: the answer of GET .../pending.
        snapshots: the answers of GET .../snapshot/NAME/config by name.
    """
    lines = [*_section(current), *_waiting(list(pending))]
    for name, values in (snapshots or {}).items():
        lines += [f"[{name}]", *_section(values)]
    return parse_conf("\n".join(lines) + "\n")


def _section(values: Mapping[str, Any]) -> Iterator[str]:
    yield from _description(values.get("description"))
    for key, value in sorted(values.items()):
        if key not in _NO_OPTIONS:
            yield f"{key}: {value}"
    yield from (f"{key}: {value}" for key, value in values.get("lxc") or ())
    yield from _environment(values.get("env"))


def _description(text: Any) -> Iterator[str]:
    for line in str(text or "").removesuffix("\n").split("\n") if text else ():
        yield "#" + quote(line)


def _environment(text: Any) -> Iterator[str]:
    for pair in str(text or "").split("\0"):
        if pair:
            yield f"{ENVIRONMENT}: {pair}"


def _waiting(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    """The section of what waits for a restart."""
    values = {str(row["key"]): row["pending"] for row in rows if row.get("pending") is not None}
    gone = sorted(str(row["key"]) for row in rows if int(row.get("delete") or 0))
    if not values and not gone:
        return
    yield "[pve:pending]"
    if gone:
        yield f"delete: {','.join(gone)}"
    for key, value in sorted(values.items()):
        if key == "env":
            yield from _environment(value)
        else:
            yield f"{key}: {value}"


def fixed_address(head: Mapping[str, str]) -> str | None:
    """Return the first address that a config gives one of its cards, IPv4 before IPv6; None for those of a server."""
    cards = [properties.parse(head[key]) for key in sorted(head) if _CARD.match(key)]
    for family in ("ip", "ip6"):
        for card in cards:
            address = card.get(family, "").partition("/")[0]
            if address and address not in _SERVED:
                return address
    return None
