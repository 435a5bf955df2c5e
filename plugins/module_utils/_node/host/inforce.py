# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a change of the node is in force, as the one who carries it out says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import Any

from ..._core.pve.words.faults import ended_well
from ..container.conf.observe import node_name
from ..pve.pvesh import open_client
from ..pve.tasks import log_tail, task_path
from . import session

# proxmox-firewall, the nftables service of PVE 8.2 and later, tells nobody when it has caught up; it looks every 5 s.
NFTABLES_PERIOD = 7.0


def look(name: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """('done' | 'waiting' | 'failed', why it failed)."""
    return _network(facts) if name == "network" else _firewall(facts)


def _network(facts: Mapping[str, Any]) -> tuple[str, str]:
    """The change is in force when PVE's reload task has ended and the interfaces are there: ifreload passes over some
    that it can't make, a bond without the kernel's module for one, and says that all is well."""
    upid = facts.get("upid")
    if not upid:
        return "waiting", ""  # whoever armed it has died, or not got that far
    client, node = open_client(), node_name()
    status = client.request("GET", f"{task_path(node, str(upid))}/status") or {}
    if status.get("status") != "stopped":
        return "waiting", ""
    outcome = str(status.get("exitstatus", "unexpected status"))
    log = log_tail(client, node, str(upid))[-5:]
    if not ended_well(outcome):
        return "failed", " | ".join([f"reloading the network failed: {outcome}", *log])
    missing = [name for name in facts.get("expected") or () if not os.path.exists(f"/sys/class/net/{name}")]
    if missing:
        return "failed", " | ".join([f"{', '.join(missing)} did not come up when the network was reloaded", *log])
    return "done", ""


def _firewall(facts: Mapping[str, Any]) -> tuple[str, str]:
    """The rules are in force when pve-firewall has no pending changes, and its nftables successor has had its time."""
    if not facts.get("called"):
        return "waiting", ""
    if facts.get("nftables") and session.boot_clock() < float(facts["called"]) + NFTABLES_PERIOD:
        return "waiting", ""
    done = subprocess.run(["pve-firewall", "status"], capture_output=True, text=True, timeout=30, check=False)
    return ("waiting" if done.returncode or "pending changes" in done.stdout else "done"), ""
