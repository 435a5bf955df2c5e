# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do next about a failure of the control plane: one sentence for each fault and HTTP status."""

from __future__ import annotations

from collections.abc import Mapping

from .faults import Fault

_DENIED = "the credential lacks that privilege: run as root on the node, or grant it (pveum acl modify)"

# Fault -> what helps; {ctid} is the container. A fault that is missing here needs nothing but PVE's own words.
_ADVICE: Mapping[Fault, str] = {
    Fault.CREATION_HOLDS_LOCK: (
        "a creation has it: wait for its task (pvesh get /nodes/localhost/tasks --vmid {ctid} --source active)"
    ),
    Fault.LOCKED: (
        "another task kept it locked for longer than lock_wait: wait for that task (pvesh get "
        "/nodes/localhost/tasks --vmid {ctid} --source active); when none runs, pct unlock {ctid}"
    ),
    Fault.NO_QUORUM: (
        "the cluster has lost its quorum, so /etc/pve is read-only: bring the other nodes back (pvecm status)"
    ),
    Fault.DENIED: _DENIED,
    Fault.FULL: (
        "that storage or file system is full: make room (pvesm status; df -h), or choose another storage_pool"
    ),
    Fault.READ_ONLY: (
        "that file system takes no writes: look for its errors (dmesg), or for a lost quorum (pvecm status)"
    ),
    Fault.HA: "the HA manager has it: look at ha-manager status, or take it out (ha-manager remove ct:{ctid})",
    Fault.TICKET: (
        "the node refuses a ticket that was just made: compare the clocks and restart pvedaemon and pveproxy"
    ),
    Fault.STILL_RUNS: "look at that task at the node; it is waited for again, and not repeated, by the next run",
    Fault.STALE_CONFIG: "another client keeps changing this container: wait until it ends",
    Fault.STORAGE_AWAY: "its storage can't be reached: look at pvesm status",
}
_STATUS = {
    0: "the control plane did not answer, so what became of the call is not known; look at systemctl status pveproxy "
    "pvedaemon. The next run observes the container first",
    595: "the node could not be reached: look at pvecm status and at the network between the nodes",
    596: "the answer took longer than the 30 s that pveproxy waits, and the call may still end well; the next run "
    "observes the container first",
    403: _DENIED,
}


def advice(ctid: int, fault: Fault | None, status: int | None = None) -> str:
    """What the reader can do, '' when PVE's own words are all there is to say.

    ``status`` is the failure's HTTP status, 0 without an answer, None when it had no call.
    """
    text = None if fault is None else _ADVICE.get(fault)
    if text is not None:
        return text.format(ctid=ctid)
    if status is None or (status == 0 and fault is not Fault.NO_ANSWER):
        return ""
    return _STATUS.get(status, "")
