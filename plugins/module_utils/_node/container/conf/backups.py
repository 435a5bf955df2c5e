# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a backup has of the container that is to be restored from it: its config, as PVE reads it, and its ledger.

The plan names the features that the restored container still needs, so the ledger is read out of the archive. That is
of a guest: bounded in size and time, and never written to a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

from ...._core.container import states
from ...._core.container.applied import ledger
from ...._core.container.model import Observation, Wanted
from ...._core.pve.conffile import parse_conf
from ...._core.pve.storagecfg import Storage, parse_storages
from ...guest import bounded
from ...pve.client import Client, PveError

TIMEOUT = 120.0  # seconds for the whole archive, which has no index
_BACKUP = re.compile(r"^([A-Za-z][A-Za-z0-9._-]*):backup/(vzdump-lxc-[A-Za-z0-9_.-]+)\Z")


def recall(client: Callable[[], Client], node: str, seen: Observation, wanted: Wanted, pve: str = "") -> Observation:
    """The observation, with what the backup has where the container is still to be restored.

    A container that exists needs no look: what it was restored from may be gone by then. ``pve`` is the folder of
    storage.cfg, empty on another machine than the node: there the ledger is not read.
    """
    volume = wanted.desired.restore_from
    to_be_made = not seen.exists or wanted.recreate or seen.creating == "failed"
    if not volume or not to_be_made or states.rank(wanted.target) < states.rank(states.CREATED):
        return seen
    try:
        answer = client().request("GET", f"/nodes/{node}/vzdump/extractconfig", {"volume": volume})
    except PveError as error:
        return replace(seen, backup_error=_words(error.errors) or error.reason or str(error))
    seen = replace(seen, backup=parse_conf(str(answer or "")))
    if not pve or (not wanted.features and wanted.application is None):
        return seen
    book, why = _ledger_in(volume, pve)
    return replace(seen, backup_ledger=book, backup_ledger_error=why)


def _ledger_in(volume: str, pve: str) -> tuple[dict[str, Any] | None, str]:
    """(the ledger in a backup, why it can't be read)."""
    named = _BACKUP.match(volume)
    storage = _storages(pve).get(named.group(1)) if named else None
    folder = storage.backup_folder if storage is not None else None
    if named is None or folder is None:
        return None, "its storage is no folder of the node"
    words = [
        "tar",
        "--extract",
        "--to-stdout",
        "--occurrence=1",
        "--force-local",
        "--file",
        f"{folder}/{named.group(2)}",
    ]
    try:
        done = bounded.run([*words, f".{ledger.PATH}"], TIMEOUT, limit=ledger.MAX_BYTES + 1)
        if not done.stdout and b"Not found in archive" in done.stderr:
            return ledger.empty(), ""
        return ledger.parse(done.stdout.decode("utf-8", "replace")), ""
    except (bounded.BoundError, ledger.LedgerError) as error:
        return None, " ".join(str(error).split())[:200]


def _storages(pve: str) -> dict[str, Storage]:
    try:
        with open(f"{pve}/storage.cfg", encoding="utf-8", errors="replace") as file:
            return parse_storages(file.read())
    except OSError:
        return {}


def _words(errors: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {text.strip()}" for name, text in errors.items())
