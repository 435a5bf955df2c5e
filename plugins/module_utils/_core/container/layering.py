# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a look at the node's layers says of one container: a value that the planner takes, whoever finds it.

A layer is an archive of a container's root disk after some of its features, in the form of a template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..pve.apicalls import Call, Kind


@dataclass(frozen=True)
class Layering:
    """The layer that a container starts from, and the one that it leaves.

    Attributes:
        volume: the archive to create it from in place of its template; empty for none.
        ledger: what is applied in that archive.
        after: the feature after which the container leaves a layer; empty for none.
        folder: where that one is archived.
        leader: the container of the same run that leaves ``volume``, where the archive is still to come; 0 for none.
        notes: for people.
    """

    volume: str = ""
    ledger: Mapping[str, Any] = field(default_factory=dict)
    after: str = ""
    folder: str = ""
    leader: int = 0
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What the archive is called in a reason."""
        return self.volume.partition("/")[2]


def archiving(node: str, ctid: int, folder: str) -> Call:
    """The call that archives a container in a folder of the node. It is stopped meanwhile, so that no file changes."""
    params = {"vmid": ctid, "dumpdir": folder, "mode": "stop", "compress": "zstd", "remove": 0}
    return Call("POST", f"/nodes/{node}/vzdump", params, kind=Kind.BACKUP, ctid=ctid)
