# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control plane asks of whatever really runs the guests.

LabPve decides (locks, permissions, pending changes, errors, the .conf file); a Backend only does. It never reads
or writes /etc/pve/lxc. Every failure is a fakepve TaskError with the words PVE would use.

A config is a dict of the container's current options as in the .conf file, already normalized: strings and integers,
plus "lxc": [[key, value], ...] for the raw lines. It never holds pending values or snapshots.
"""

from __future__ import annotations

import io
import itertools
import tarfile
from collections.abc import Mapping
from typing import Any, Protocol

from fakepve.model import TaskError

Config = Mapping[str, Any]


class Backend(Protocol):
    """The acts of a node. vmid is the CTID; sizes are bytes, times seconds. All raise TaskError."""

    # ------------------------------------------------------------- life cycle
    async def create(self, vmid: int, config: Config, template_path: str, options: Mapping[str, Any]) -> None:
        """Fill the (already allocated) volumes of config from the template archive at template_path.

        options: what is no part of the config: "password" and "ssh-public-keys", either may be absent.
        """

    async def destroy(self, vmid: int, config: Config) -> None:
        """Remove the guest; it is stopped. The volumes follow one by one through free_volume."""

    async def backup(self, vmid: int, config: Config, text: str, archive: str) -> None:
        """Write the files of a stopped guest, and the text of its config, into an archive."""

    async def clone(self, src: int, dst: int, src_config: Config, config: Config, snapshot: str | None) -> None:
        """Copy the volumes of src_config, or their snapshot, into those of config (same keys, allocated): guest dst."""

    async def to_template(self, vmid: int, old: Config, new: Config) -> None:
        """The volumes of the old config are called as in new from now on (vm-ID-disk-N became base-ID-disk-N)."""

    # ------------------------------------------------------------ power state
    async def start(self, vmid: int, config: Config) -> list[str] | None:
        """Start it as config says, hostname and network files of the guest included; returns when it runs.

        What it returns are warnings for the task log ("WARN: …"): the task then ends with WARNINGS: n.
        """

    async def stop(self, vmid: int) -> None:
        """Kill it; returns when it is gone. Fine when it was not running."""

    async def shutdown(self, vmid: int, timeout: float, force: bool) -> None:
        """Ask it to halt, wait up to timeout, then kill it if force, else raise TaskError('container did not stop').

        A reboot is shutdown(force=True) and start: that is how pending changes get applied.
        """

    async def is_running(self, vmid: int) -> bool:
        """Whether it runs now. Asked before every request, for every guest: must be cheap (no fork)."""

    async def pid(self, vmid: int) -> int | None:
        """The init process as the node sees it, None when stopped. As cheap as is_running."""

    # ---------------------------------------------------------- while it runs
    async def apply_hot(self, vmid: int, key: str, old: Any, new: Any) -> None:
        """Make a running guest take a changed option: memory, swap, cpulimit, cpuunits, cores, netN, mpN, devN.

        old or new is None when the option comes or goes.
        """

    async def interfaces(self, vmid: int) -> list[dict[str, Any]] | None:
        """The guest's interfaces as GET .../interfaces answers them; None when stopped."""

    async def usage(self, vmid: int) -> dict[str, Any]:
        """Fields for status/current where known: mem, swap, cpu, disk, maxdisk, uptime, netin, netout. May be {}."""

    # ---------------------------------------------------------------- volumes
    async def alloc_volume(self, vmid: int, volid: str, size: int) -> None:
        """Make an empty volume, such as local:100/vm-100-disk-0.raw; size 0 is unlimited."""

    async def free_volume(self, volid: str) -> None:
        """Delete it for good. Fine when it does not exist."""

    def volumes_of(self, storage: str, vmid: int) -> list[str]:
        """The volumes on a storage that belong to a guest by their names, whatever its config says."""
        return []

    async def resize(self, vmid: int, disk: str, volid: str, size: int) -> None:
        """Grow the volume behind rootfs or mpN to size."""

    # -------------------------------------------------------------- snapshots
    async def snapshot(self, vmid: int, name: str, volids: list[str]) -> None:
        """Keep the contents of the volumes under this name."""

    async def rollback(self, vmid: int, name: str, volids: list[str]) -> None:
        """Put the contents of the volumes back; the guest is stopped."""

    async def delete_snapshot(self, vmid: int, name: str, volids: list[str]) -> None:
        """Forget the kept contents."""

    # ------------------------------------------------------------------- node
    async def bridge_exists(self, name: str) -> bool:
        """Whether the node has this bridge."""

    async def bridges(self) -> list[dict[str, Any]]:
        """The node's bridges: dicts with iface and, where known, cidr and address."""


class NullBackend:
    """Runs nothing and remembers everything: for tests on any machine.

    calls holds every act as (name, vmid or volid, ...). failures maps (name, vmid or volid, next argument or None for
    any) to the message that the act fails with, until removed. A volume is its size.
    """

    def __init__(self, bridges: tuple[str, ...] = ('vmbr0',)) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.failures: dict[Any, str] = {}
        self.running: dict[int, int] = {}
        self.volumes: dict[str, int] = {}
        self.snapshots: set[tuple[int, str]] = set()
        self.known_bridges = set(bridges)
        self._pids = itertools.count(2000)

    def _did(self, name: str, subject: Any, *rest: Any) -> None:
        message = self.failures.get((name, subject, rest[0] if rest else None)) or self.failures.get(
            (name, subject, None)
        )
        if message:
            raise TaskError(message)
        self.calls.append((name, subject, *rest))

    async def create(self, vmid: int, config: Config, template_path: str, options: Mapping[str, Any]) -> None:
        self._did('create', vmid, template_path)

    async def destroy(self, vmid: int, config: Config) -> None:
        self._did('destroy', vmid)
        self.running.pop(vmid, None)

    async def backup(self, vmid: int, config: Config, text: str, archive: str) -> None:
        self._did('backup', vmid, archive)
        data = text.encode()
        with tarfile.open(archive, 'w') as file:
            entry = tarfile.TarInfo('./etc/vzdump/pct.conf')
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))

    async def clone(self, src: int, dst: int, src_config: Config, config: Config, snapshot: str | None) -> None:
        self._did('clone', src, dst)

    async def to_template(self, vmid: int, old: Config, new: Config) -> None:
        self._did('to_template', vmid)

    async def start(self, vmid: int, config: Config) -> list[str] | None:
        self._did('start', vmid)
        self.running[vmid] = next(self._pids)
        return None

    async def stop(self, vmid: int) -> None:
        self._did('stop', vmid)
        self.running.pop(vmid, None)

    async def shutdown(self, vmid: int, timeout: float, force: bool) -> None:
        self._did('shutdown', vmid, timeout, force)
        self.running.pop(vmid, None)

    async def is_running(self, vmid: int) -> bool:
        return vmid in self.running

    async def pid(self, vmid: int) -> int | None:
        return self.running.get(vmid)

    async def apply_hot(self, vmid: int, key: str, old: Any, new: Any) -> None:
        self._did('apply_hot', vmid, key, old, new)

    async def interfaces(self, vmid: int) -> list[dict[str, Any]] | None:
        return [] if vmid in self.running else None

    async def usage(self, vmid: int) -> dict[str, Any]:
        return {}

    async def alloc_volume(self, vmid: int, volid: str, size: int) -> None:
        self._did('alloc_volume', volid, size)
        self.volumes[volid] = size

    async def free_volume(self, volid: str) -> None:
        self._did('free_volume', volid)
        self.volumes.pop(volid, None)

    def volumes_of(self, storage: str, vmid: int) -> list[str]:
        return sorted(v for v in self.volumes if v.startswith(f'{storage}:') and f'-{vmid}-disk-' in v)

    async def resize(self, vmid: int, disk: str, volid: str, size: int) -> None:
        self._did('resize', vmid, disk, size)
        self.volumes[volid] = size

    async def snapshot(self, vmid: int, name: str, volids: list[str]) -> None:
        self._did('snapshot', vmid, name)
        self.snapshots.add((vmid, name))

    async def rollback(self, vmid: int, name: str, volids: list[str]) -> None:
        self._did('rollback', vmid, name)

    async def delete_snapshot(self, vmid: int, name: str, volids: list[str]) -> None:
        self._did('delete_snapshot', vmid, name)
        self.snapshots.discard((vmid, name))

    async def bridge_exists(self, name: str) -> bool:
        return name in self.known_bridges

    async def bridges(self) -> list[dict[str, Any]]:
        return [{'iface': name} for name in sorted(self.known_bridges)]
