# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The containers of a node as the keys that ask for what they have, however the node is reached."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Callable, Optional

from ...._core.container.importing.read_container import Complete, read_container
from ...._core.container.model import Record
from ...failure import NodeError
from .observe import Observer, failure

_FEATURE = re.compile(r"[a-z0-9_.]{1,80}\Z")


def containers(
    observer: Observer,
    ctids: Iterable[int],
    version: str,
    complete: Complete,
    remembered: Callable[[int], Optional[Record]],
) -> dict[str, Any]:
    """Return each container with its keys (``config``) and ``notes``. What is wrong with one is its note.

    Args:
        observer: looks at a container.
        ctids: the containers that are imported.
        version: the node's Proxmox VE.
        complete: adds what only the node knows of a wanted container.
        remembered: what runs remember of a container that has been looked at.
    """
    asked = sorted(ctids)
    found: dict[str, Any] = {}
    for ctid in asked:
        try:
            seen = observer.observe(ctid, None, Record())
            read = read_container(seen, observer.node, version, frozenset(asked), complete)
            notes = [*read.notes, *_features(remembered(ctid))]
            found[str(ctid)] = {"config": dict(read.config), "notes": notes}
        except (OSError, NodeError, ValueError) as error:
            found[str(ctid)] = {"config": {}, "notes": [f"it can't be read: {failure(error)}"]}
    return found


def _features(record: Record | None) -> list[str]:
    """The features that a ledger names, in a note: it comes from the guest, so none of them is a key."""
    features = ((record.ledger if record else None) or {}).get("features") or {}
    names = sorted(name for name in features if _FEATURE.match(name))
    return [f"features: its ledger names {', '.join(names)}; add those that you want to manage"] if names else []
