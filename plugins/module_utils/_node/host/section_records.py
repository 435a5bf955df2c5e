# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's records of what each inventory set, one file for each section of `hypervisor_config.json`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..._core.host import ownership, sections
from ..._core.host.declared_roles import TRACES
from ..._core.host.storage import share_plan
from ..store import lock_file, private_directory, read_private, write_atomic
from . import revert_timer
from .exports import text

INVENTORIES = "inventories"


class Section:
    """One section, as one inventory sees it. Raises StoreError where the record can't be read."""

    def __init__(self, name: str, inventory: str, consent: ownership.Consent) -> None:
        self.name = name
        self.inventory = inventory
        self.consent = consent
        self.data = revert_timer.read_record(name)
        self.records = _records(name, self.data)

    def judge(self, wanted: ownership.Items) -> ownership.Verdict:
        """Compare the items of the file with the records."""

        def differs(mine: Any, theirs: Any) -> bool:
            return sections.differs(self.name, mine, theirs)

        named = self.consent.named(self.name)
        if wanted:  # the rules that kept the ways in open are replaced by those of this run
            unknown = self.records.get(ownership.UNKNOWN) or {}
            named |= {item for item, value in unknown.items() if not sections.is_listed(self.name, value)}
        return ownership.judge(self.name, self.inventory, wanted, self.records, differs, named)

    def foreign(self) -> list[dict[str, Any]]:
        """Return the items of the other inventories."""
        return [items for one, items in self.records.items() if one not in (self.inventory, ownership.UNKNOWN)]

    def without_consent(self, verdict: ownership.Verdict) -> list[str]:
        """Return what goes, cuts somebody off, and has no consent yet, as the names that give it.

        An export or a share that a failed run has noted and not made cuts nobody off.
        """
        made = _in_files(self.name) if verdict.gone else None
        return [
            f"{self.name}:{item}"
            for item, value in sorted(verdict.gone.items())
            if sections.cuts_off(self.name, item, value)
            and not self.consent.covers(self.name, item)
            and (made is None or item in made)
        ]

    def record(self, items: ownership.Items, verdict: ownership.Verdict, **more: Any) -> dict[str, Any]:
        """Return the record once this inventory has set these items."""
        return {INVENTORIES: ownership.after(self.records, self.inventory, items, verdict), **more}

    def is_due(self, items: ownership.Items, verdict: ownership.Verdict) -> bool:
        """Whether that is another record than the present one."""
        return bool(self.record(items, verdict)[INVENTORIES] != (self.data.get(INVENTORIES) or {}))

    def write(self, items: ownership.Items, verdict: ownership.Verdict) -> None:
        """Keep what this inventory has set."""
        with locked():
            revert_timer.write_record(self.name, self.record(items, verdict))


def _records(name: str, data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Inventory id -> items. What an earlier version left has no id."""
    given = data.get(INVENTORIES)
    if isinstance(given, Mapping):
        return {str(one): dict(items) for one, items in given.items() if isinstance(items, Mapping)}
    found = _unknown(name, data)
    return {ownership.UNKNOWN: found} if found else {}


def _unknown(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    if name == "network":
        interfaces = data.get("interfaces")
        return dict(interfaces) if isinstance(interfaces, Mapping) else {}
    if name == "firewall":
        applied = data.get("applied")
        return sections.firewall_items(applied, {}) if isinstance(applied, Mapping) else {}
    made = _in_files(name)
    if made is not None:
        return made
    if name == "ntp":
        servers = re.findall(r"^server\s+(\S+)", text(TRACES["ntp"]), re.MULTILINE)
        return sections.wanted("ntp", {"servers": servers})
    pairs = re.findall(r"^\s*([\w.*/-]+)\s*=\s*(.*?)\s*$", text(TRACES["sysctl"]), re.MULTILINE)
    return sections.wanted("sysctl", {"values": dict(pairs)})


def _in_files(name: str) -> dict[str, Any] | None:
    """The items of a section that the collection's own file on the node has; None for a section without such a file."""
    if name == "nfs":
        return sections.wanted("nfs", {"exports": share_plan.export_rows(text(share_plan.EXPORTS))})
    if name == "samba":
        return sections.wanted("samba", share_plan.smb_shape(text(share_plan.SMB)))
    return None


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Keep other runs from writing a record between a look at it and the write."""
    private_directory(os.path.dirname(revert_timer.RECORDS))
    private_directory(revert_timer.RECORDS)
    handle = lock_file(os.path.join(revert_timer.RECORDS, "lock"), os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# -- inventories that this node has seen -------------------------------------------------------------------------------


def seen() -> dict[str, list[int]]:
    """Inventory id -> the CTIDs that it had on this node."""
    try:
        data = json.loads(read_private(f"{revert_timer.RECORDS}/inventories.json") or "{}")
    except (ValueError, RecursionError):
        data = {}
    if not isinstance(data, dict):
        return {}
    return {
        str(one): [ctid for ctid in ctids if isinstance(ctid, int)]
        for one, ctids in data.items()
        if isinstance(ctids, list)
    }


def remember(inventory: str, ctids: list[int]) -> None:
    """Keep them, for the next run."""
    with locked():
        before = seen()
        after = {**before, inventory: sorted(ctids)}
        if after != before:
            write_atomic(f"{revert_timer.RECORDS}/inventories.json", json.dumps(after, indent=1, sort_keys=True) + "\n")
