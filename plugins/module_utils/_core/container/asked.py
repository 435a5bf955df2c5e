# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container's configuration asks for besides the options of its config: read in one place, with the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_POOL = "local"
DEFAULT_ROOTFS_GB = 4  # PVE's own default (PVE facts, 'How PVE rewrites what you send')


@dataclass(frozen=True)
class Asked:
    """The keys that the planner acts on by itself; None for one that the file doesn't have.

    Attributes:
        name: its host name.
        template: what it is created from.
        clone_from: the CTID of its clone source.
        pool: the storage of its root disk.
        size_gb: the size of its root disk in GiB.
        unprivileged: whether it is unprivileged.
        protected: whether PVE protects it.
        is_template: whether it becomes a template once it is complete.
        snapshot: the snapshot that it gets then.
        restarts: whether a run may restart it for a change.
        guard: none, report or rollback.
    """

    name: str | None
    template: Any
    clone_from: int | None
    pool: Any
    size_gb: Any
    unprivileged: bool | None
    protected: bool | None
    is_template: bool
    snapshot: str | None
    restarts: bool
    guard: str

    def called(self, ctid: int) -> str:
        """The host name that it gets at its creation: its own, or PVE's for the CTID."""
        return self.name or f"CT{ctid}"

    @property
    def is_unprivileged(self) -> bool:
        """Whether it is created unprivileged."""
        return self.unprivileged is not False

    @property
    def rootfs_gb(self) -> Any:
        """The size of the root disk that it is created with."""
        return DEFAULT_ROOTFS_GB if self.size_gb is None else self.size_gb


def understand(config: Mapping[str, Any]) -> Asked:
    """The configuration as the inventory gives it -> what it asks for."""
    source, snapshot = config.get("clone_from_ctid"), config.get("template_snapshot_name")
    return Asked(
        name=str(config["name"]) if config.get("name") else None,
        template=config.get("template"),
        clone_from=None if source is None else int(source),
        pool=config.get("storage_pool"),
        size_gb=config.get("storage_size_gb"),
        unprivileged=_switch(config.get("unprivileged")),
        protected=_switch(config.get("protection")),
        is_template=bool(config.get("is_template")),
        snapshot=str(snapshot) if snapshot else None,
        restarts=config.get("restart_policy") == "if_needed",
        guard=str(config.get("guard") or "none"),
    )


def _switch(value: Any) -> bool | None:
    return None if value is None else bool(value)
