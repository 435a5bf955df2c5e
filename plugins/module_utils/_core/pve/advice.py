# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do next about a failure of the control plane, told from its words (PVE facts, 'HTTP answers', 'Locks')."""

from __future__ import annotations

import re

# Words of PVE or of the node's kernel -> what helps. The first match is reported; {ctid} is the container.
_WORDS: tuple[tuple[str, str], ...] = (
    (
        r"CT is locked \((create|clone)",
        "a creation has it: wait for its task (pvesh get /nodes/localhost/tasks --vmid {ctid} --source active)",
    ),
    (
        r"CT is locked|can't lock file",
        (
            "another task kept it locked for longer than lock_wait: wait for that task (pvesh get "
            "/nodes/localhost/tasks --vmid {ctid} --source active); when none runs, pct unlock {ctid}"
        ),
    ),
    (
        r"no quorum",
        "the cluster has lost its quorum, so /etc/pve is read-only: bring the other nodes back (pvecm status)",
    ),
    (
        r"Permission check failed|only allowed for root@pam|Only root ",
        "the credential lacks that privilege: run as root on the node, or grant it (pveum acl modify)",
    ),
    (
        r"No space left on device|out of space|not enough (?:free )?space|Disk quota exceeded",
        "that storage or file system is full: make room (pvesm status; df -h), or choose another storage_pool",
    ),
    (
        r"Read-only file system",
        "that file system takes no writes: look for its errors (dmesg), or for a lost quorum (pvecm status)",
    ),
    (
        r"used in HA resources|HA (?:manager|resource)|^task failed: .*\bha-",
        "the HA manager has it: look at ha-manager status, or take it out (ha-manager remove ct:{ctid})",
    ),
    (
        r"invalid PVE ticket|invalid csrf|authentication failure|no ticket",
        "the node refuses a ticket that was just made: compare the clocks and restart pvedaemon and pveproxy",
    ),
    (
        r"still runs after",
        "look at that task at the node; it is waited for again, and not repeated, by the next run",
    ),
    (
        r"detected modified configuration",
        "another client keeps changing this container: wait until it ends",
    ),
    (
        r"couldn't connect to the cluster|storage '[^']*' is not (?:online|active|available)",
        "its storage can't be reached: look at pvesm status",
    ),
)
_STATUS = {
    0: "the control plane did not answer, so what became of the call is not known; look at systemctl status pveproxy "
    "pvedaemon. The next run observes the container first",
    595: "the node could not be reached: look at pvecm status and at the network between the nodes",
    596: "the answer took longer than the 30 s that pveproxy waits, and the call may still end well; the next run "
    "observes the container first",
    403: "the credential lacks that privilege: run as root on the node, or grant it (pveum acl modify)",
}


def advice(ctid: int, words: str, status: int | None = None) -> str:
    """What the reader can do, '' when PVE's own words are all there is to say.

    ``words`` is the text of the failure, ``status`` its HTTP status, 0 without an answer, None when it had no call.
    """
    for pattern, text in _WORDS:
        if re.search(pattern, words):
            return text.format(ctid=ctid)
    if status == 0 and "no answer" not in words:
        return ""
    return _STATUS.get(-1 if status is None else status, "")
