# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a node and its containers as the keys of the two JSON files, by calls to the API alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from ..._core.container.model import Wanted
from ..._core.host.importing.read_host import read_host
from ..container.conf import imported
from ..pve.client import Client, PveError
from .api_gatherer import storages_of
from .api_observer import FORBIDDEN, ApiObserver


def survey(client: Client, node: str, ctids: Collection[int] | None) -> dict[str, Any]:
    """Return the answer of phoenix_import_info. Raises NodeError and PveError where the node itself can't be asked."""
    observer = ApiObserver(client, node)
    there = observer.existing_ctids()
    asked = there if ctids is None else there & set(ctids)
    version = str((client.request("GET", "/version") or {}).get("version") or "")
    found = imported.containers(observer, asked, version, _without_devices, observer.record_of)
    host, notes = read_host(storages_of(client).values(), _time_zone(client, node))
    unseen = [
        f"{part}: the API does not show it to this token (no Sys.Audit on /)" for part in sorted(observer.refused)
    ]
    return {"changed": False, "node": node, "containers": found, "host": host, "notes": [*notes, *unseen]}


def _without_devices(wanted: Wanted) -> Wanted:
    """Which device nodes there are is not shown."""
    return replace(wanted, devices=None, device_error=None)


def _time_zone(client: Client, node: str) -> str:
    """The node's time zone, empty where it is not shown."""
    try:
        return str((client.request("GET", f"/nodes/{node}/time") or {}).get("timezone") or "")
    except PveError as error:
        if error.status != FORBIDDEN:
            raise
        return ""
