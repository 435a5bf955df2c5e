# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's word on a command in a container: how it ended, and what follows from that. Pure."""

from __future__ import annotations

import dataclasses
import enum

from .pct_relay import FLOOD, LATE


class Ending(enum.Enum):
    """How a command in a container ended; each value is the word that the script on the node prints."""

    RAN = "ran"
    BUSY = "busy"
    """Another run works on the container and did not finish in time."""
    UNLOCKABLE = "unlockable"
    DISPLACED = "displaced"
    """Another run has taken the container over; the detail is its id."""
    STATE = "state"
    """The container does not run; the detail is its state in the words of LXC."""
    MISSING = "missing"
    ELSEWHERE = "elsewhere"
    """The container is on another node of the cluster; the detail is that node's name."""
    NO_LXC = "no-lxc"
    LATE = LATE
    FLOOD = FLOOD


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a command ended, and the detail that some endings have."""

    ending: Ending
    detail: str = ""

    def trouble(self, ctid: int, node: str, stderr: str) -> str | None:
        """Return why the container could not be reached, None when the command ran in it.

        stderr: what the node wrote to standard error, as text that may be shown.
        """
        container = f"container {ctid} on node {node}"
        if self.ending is Ending.STATE:
            return f"{container} is {self.detail.lower()}" + (
                f" (pct start {ctid})" if self.detail == "STOPPED" else ""
            )
        return {
            Ending.MISSING: f"container {ctid} does not exist on node {node}",
            Ending.ELSEWHERE: f"container {ctid} is on node {self.detail}, not on node {node}",
            Ending.DISPLACED: (
                f"run {self.detail} has taken {container} over, because this run was stopped; this run changes "
                f"nothing there any more; start it again when run {self.detail} has ended"
            ),
            Ending.BUSY: f"{container} is being worked on by another run, which did not finish in time",
            Ending.UNLOCKABLE: f"node {node} could not mark container {ctid} as busy: {stderr}",
            Ending.NO_LXC: f"node {node} has no LXC tools (lxc-info), is it a Proxmox VE node? {stderr}",
        }.get(self.ending)


#: The two words of a verdict in the trailer; a dash stands for no detail.
PATTERN = "(" + "|".join(ending.value for ending in Ending) + ") ([!-~]+)"


def parsed(word: str, detail: str) -> Verdict:
    """Return the verdict of the trailer's two words. Raises ValueError for a word that is no ending."""
    return Verdict(Ending(word), "" if detail == "-" else detail)
