# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container is created from, what that leaves, and what it can't change once it exists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from ...pve import properties
from ..config import mounts
from ..config.compare import Comparison
from ..config.growth import recreation
from ..model import Wanted
from ..refusal import Code, Refusal
from ..wanted_places import DEFAULT_POOL

# What a clone or a restored container does not take over from the config that it is made from.
NOT_COPIED = re.compile(r"(lock|template|parent|snaptime|snapstate|unused\d+)\Z")


def fixed_error(wanted: Wanted, actual: Mapping[str, str]) -> Refusal | None:
    """What a container can't change once it exists."""
    asked = wanted.desired.unprivileged
    if asked is None:
        return None
    there = actual.get("unprivileged", "0") == "1"
    if asked == there:
        return None
    kind = "unprivileged" if there else "privileged"
    return Refusal(
        Code.PRIVILEGE_FIXED,
        f"{str(asked).lower()} is configured, but container {wanted.ctid} was created {kind}, which PVE can't change "
        "(impossible without recreating it)",
        f"put the value back, or {recreation(wanted, actual)}",
        "unprivileged",
    )


def origin(wanted: Wanted) -> dict[str, str]:
    """What a container is made from, as its record keeps it: nothing in its config says so later."""
    asked = wanted.desired
    keys = (("clone_from_ctid", asked.clone_from), ("restore_from", asked.restore_from), ("template", asked.template))
    made = next(({key: str(value)} for key, value in keys if value is not None), {})
    if "template" not in made:
        return made
    told = {"ssh_public_keys": _digest(asked.ssh_keys)} if asked.ssh_keys else {}
    return {**made, **told, **({"root_password": "set"} if asked.has_password else {})}


def _digest(keys: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:16]


def fixed_notes(compared: Comparison) -> list[str]:
    """What was decided when the container was made, and is other in the file by now. It runs on as it is."""
    wanted, conf, record = compared.wanted, compared.conf, compared.record
    notes = []
    made, asked = dict(record.origin or {}), origin(wanted)
    for key in ("ssh_public_keys", "root_password"):
        earlier, given = made.pop(key, None), asked.pop(key, None)
        if made and given and earlier != given:
            notes.append((key, "a container gets it at its creation, which had another or none"))
    if made and asked and made != asked:
        was, now = ((f"{key} {value}" for key, value in each.items()) for each in (made, asked))
        notes.append((next(iter(asked)), f"it was made from {', '.join(was)}, and {', '.join(now)} is configured"))
    pool = wanted.desired.pool
    there = properties.parse(conf.head.get("rootfs", ""), "volume").get("volume", "").partition(":")[0]
    if pool and there and pool != there:
        notes.append(("storage_pool", f"its root disk is on {there}, and {pool} is configured"))
    notes += mounts.other_pools(compared.places, conf)
    ending = f"that takes effect only when it is recreated (phoenix_recreate_ctids: [{wanted.ctid}])"
    return [f"{key}: {what}; {ending}" for key, what in notes]


def new_rootfs(wanted: Wanted) -> str:
    """The root disk as a creation asks for it."""
    asked = wanted.desired
    disk = {"volume": f"{asked.pool or DEFAULT_POOL}:{asked.rootfs_gb}", **asked.rootfs_options}
    return properties.compose(disk, "volume")


def created_config(wanted: Wanted, source: Mapping[str, str] | None) -> dict[str, str]:
    """The config that a create or a clone leaves, as far as it matters to what comes next.

    Recorded from a real node: a create without them writes memory and swap of 512 MiB; a clone copies everything
    but the MACs, the lock, the unused volumes, the place in the snapshots' row and the template mark.
    """
    name = wanted.desired.called(wanted.ctid)
    pool = wanted.desired.pool
    if source is not None:
        copied = {key: _copied(key, value, pool) for key, value in source.items() if not NOT_COPIED.match(key)}
        return {**copied, "hostname": name}
    disk = {"volume": f"{pool or DEFAULT_POOL}:new", "size": f"{wanted.desired.rootfs_gb}G"}
    return {
        **wanted.desired.created_with,
        "hostname": name,
        "memory": "512",
        "swap": "512",
        "rootfs": properties.compose({**disk, **wanted.desired.rootfs_options}, "volume"),
        "unprivileged": str(int(wanted.desired.is_unprivileged)),
    }


def with_another_mac(key: str, value: str) -> str:
    """One option of a copy: PVE draws the MAC address of a card."""
    if key.rstrip("0123456789") != "net":
        return value
    return properties.compose({**properties.parse(value), "hwaddr": "MAC"})


def create_params(wanted: Wanted, layer: str = "") -> dict[str, Any]:
    """The parameters of a creation from a template, or from the archive of a layer of it."""
    asked = wanted.desired
    params: dict[str, Any] = {
        "vmid": wanted.ctid,
        "ostemplate": layer or asked.template,
        "hostname": asked.called(wanted.ctid),
        "unprivileged": int(asked.is_unprivileged),
        **asked.created_with,
        **asked.access,
        **({"pool": asked.resource_pool} if asked.resource_pool else {}),
    }
    if asked.pool or asked.size_gb or asked.rootfs_options:
        params["rootfs"] = new_rootfs(wanted)
    return params


def _copied(key: str, value: str, pool: Any) -> str:
    """One option of a clone: a card with another MAC, a disk that has another name and may lie elsewhere."""
    kind = key.rstrip("0123456789")
    if kind == "net":
        return with_another_mac(key, value)
    parts = properties.parse(value, "volume")
    if kind not in ("rootfs", "mp") or parts.get("volume", "/").startswith("/"):
        return value
    storage, _separator, name = parts["volume"].partition(":")
    if name.isdigit():  # asked for by this run, and made by the time of the clone
        parts.setdefault("size", f"{name}G")
    return properties.compose({**parts, "volume": f"{pool or storage}:new"}, "volume")
