# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of a node that rolls back unless it is confirmed: the texts of what does it, and its phases.

The rollback must work without Ansible, without a network and after a reboot: a shell script that a timer of
systemd starts when the time is over, and a unit that runs the same script at boot, when timers are forgotten.

    armed -> applied -> confirmed
       \\________\\_______-> reverted
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

ARMED, APPLIED, CONFIRMED, REVERTED = "armed", "applied", "confirmed", "reverted"
PENDING = (ARMED, APPLIED)
ROOT = "/var/lib/phoenix_hypervisor/revert"
UNITS = "/etc/systemd/system"


@dataclass(frozen=True)
class Saved:
    """A file as it was: mode None where the file system has its own (/etc/pve), present False where there was none."""

    path: str
    present: bool
    mode: int | None = None


@dataclass(frozen=True)
class Kind:
    """One sort of change. ``reload`` are shell commands that put the restored files in force, not needed at boot."""

    name: str
    what: str
    remove: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()
    boot: tuple[str, ...] = ()


NETWORK = Kind(
    name="network",
    what="network",
    remove=("/etc/network/interfaces.new",),
    # The reload that is to be rolled back may still be waiting for a lease: ifupdown2 runs one at a time. The second
    # try is for what a first one met half-way.
    reload=(
        "flock --wait 60 /run/network/.lock true",
        "ifreload --all || { sleep 2; ifreload --all; }",
    ),
    boot=(
        "DefaultDependencies=no",
        "RequiresMountsFor=/var/lib/phoenix_hypervisor /etc/network",
        "After=local-fs.target zfs-mount.service",
        "Before=network-pre.target networking.service",
        "Wants=network-pre.target",
    ),
)
FIREWALL = Kind(
    name="firewall",
    what="firewall",
    boot=(
        "RequiresMountsFor=/var/lib/phoenix_hypervisor",
        "After=pve-cluster.service",
        "Before=pve-firewall.service proxmox-firewall.service pve-guests.service",
    ),
)
KINDS = {kind.name: kind for kind in (NETWORK, FIREWALL)}


def timer_unit(name: str) -> str:
    """The transient unit, without its ending, that counts the time down."""
    return f"phoenix-revert-{name}"


def boot_unit(name: str) -> str:
    """The unit that takes an unconfirmed change back at boot."""
    return f"phoenix-revert-{name}-boot.service"


def folder(name: str, root: str = ROOT) -> str:
    """Where everything about the latest change of this kind lies."""
    return f"{root}/{name}"


def script(kind: Kind, files: Sequence[Saved], root: str = ROOT) -> str:
    """The script. Its first argument is ``now`` or ``boot``; run twice, or after a confirmation, it does nothing."""
    lines = [
        "#!/bin/sh",
        f"# Written by phoenix.hypervisor: takes an unconfirmed change of the node's {kind.what} back.",
        "set -u",
        f"cd {shlex.quote(folder(kind.name, root))} || exit 1",
        "exec 9>>lock",
        "flock 9",
        'case "$(cat phase)" in',
        f"{'|'.join(PENDING)}) ;;",
        "*) exit 0 ;;",
        "esac",
        "mkdir -p -m 0700 rejected",
    ]
    for number, saved in enumerate(files):
        target, new = shlex.quote(saved.path), shlex.quote(f"{saved.path}.tmp.revert")
        lines.append(f"[ ! -e {target} ] || cp {target} rejected/{number}")
        if saved.present:
            lines.append(f"cp saved/{number} {new} || exit 1")
            if saved.mode is not None:
                lines.append(f"chmod {saved.mode:o} {new}")
            lines.append(f"mv -f {new} {target} || exit 1")
        else:
            lines.append(f"rm -f {target}")
    lines += [f"rm -f {shlex.quote(path)}" for path in kind.remove]
    lines += ["sync", 'if [ "$1" != boot ]; then', *kind.reload, ":", "fi"]
    lines += [f"echo {REVERTED} > phase.new", "sync phase.new", "mv -f phase.new phase"]
    lines += [f"systemctl --no-reload --quiet disable {boot_unit(kind.name)}", f"rm -f {UNITS}/{boot_unit(kind.name)}"]
    # Of a change that was rolled back before its time is over; at boot there is no timer, and no need to hurry systemd.
    lines += [
        'if [ "$1" != boot ]; then',
        f"systemctl stop {timer_unit(kind.name)}.timer",
        "systemctl daemon-reload",
        "fi",
    ]
    return "".join(f"{line}\n" for line in lines)


def unit(kind: Kind, root: str = ROOT) -> str:
    """The unit for the boot."""
    lines = [
        "[Unit]",
        f"Description=Take back an unconfirmed change of the node's {kind.what}",
        f"ConditionPathExists={folder(kind.name, root)}/revert.sh",
        *kind.boot,
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart=/bin/sh {folder(kind.name, root)}/revert.sh boot",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "".join(f"{line}\n" for line in lines)
