# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the datacenter's and the node's firewall hold, of that which a configuration or the record names."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..._core.host.node_firewall import CLUSTER, Seen
from ..._core.pve import canonical
from ..container.conf.observe import PVE
from ..pve.client import Client


def seen(client: Client, node: str, wanted: Mapping[str, Any], record: Mapping[str, Any], pve: str = PVE) -> Seen:
    """Read it. Groups and sets that nobody names here are known by name only."""
    bases = {"datacenter": CLUSTER, "node": f"/nodes/{node}/firewall"}
    applied = record.get("applied") or {}
    rules: dict[str, dict[str, Any]] = {}
    for part, path, key in (("groups", "groups", "group"), ("ipsets", "ipset", "name")):
        named = {*map(canonical.name, (*(wanted.get(part) or ()), *(applied.get(part) or ())))}
        there = [str(row[key]) for row in client.request("GET", f"{CLUSTER}/{path}") or ()]
        rules[part] = {name: [] for name in there}
        for name in there:
            if canonical.name(name) in named:
                rules[part][name] = client.request("GET", f"{CLUSTER}/{path}/{quote(name, safe='')}")
    texts = []
    for path in sorted(glob.glob(os.path.join(pve, "firewall", "[0-9]*.fw"))):
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read())
    return Seen(
        options={level: client.request("GET", f"{base}/options") or {} for level, base in bases.items()},
        rules={level: client.request("GET", f"{base}/rules") or [] for level, base in bases.items()},
        groups=rules["groups"],
        ipsets=rules["ipsets"],
        aliases=client.request("GET", f"{CLUSTER}/aliases") or [],
        guests="\n".join(texts),
    )
