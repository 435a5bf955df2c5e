# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""System accounts of a node: what is made, what waits for what a dry run does not make, who loses the right to sudo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SUDO = "sudo"


def plan(
    accounts: Sequence[Mapping[str, Any]],
    passwd: Mapping[str, Any],
    group: Mapping[str, Sequence[str]],
    dry: bool = False,
) -> dict[str, list[Any]]:
    """Return what the role does with the accounts of the file.

    accounts: as `host_config` gives them. passwd, group: what the node has, as ansible.builtin.getent gives it.
    dry: whether this is a dry run, in which a missing group or account stays missing.

    `groups`: those to make; `accounts`: those to make or change, each with `all_groups`; `keys`: those whose SSH keys
    are set; `later`: what a dry run can only announce; `leave`: those that leave the group sudo; `powerless`: notes.
    """
    rows = [{**account, "all_groups": _groups(account)} for account in accounts]
    lacking = {row["username"]: [name for name in row["all_groups"] if name not in group] for row in rows}
    # The module for accounts refuses a group that does not exist.
    postponed = {row["username"] for row in rows if dry and row["username"] in passwd and lacking[row["username"]]}
    with_keys = [row for row in rows if row["keys"]]
    ready = [row for row in with_keys if not dry or row["username"] in passwd]
    return {
        "groups": list(dict.fromkeys(name for names in lacking.values() for name in names)),
        "accounts": [row for row in rows if row["username"] not in postponed],
        "keys": ready,
        "later": [
            *(f"{name} would join {', '.join(lacking[name])}" for name in lacking if name in postponed),
            *(
                f"{row['username']} would have {len(row['keys'])} of the file's keys in its authorized_keys"
                for row in with_keys
                if row not in ready
            ),
        ],
        "leave": [row["username"] for row in rows if _leaves_sudo(row, group)],
        "powerless": _powerless(rows),
    }


def _groups(account: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*account["groups"], *([SUDO] if account["sudo"] else [])]))


def _leaves_sudo(row: Mapping[str, Any], group: Mapping[str, Sequence[str]]) -> bool:
    """Whether the file takes the right from an account that is still a member of the group."""
    fields = group.get(SUDO) or ()
    members = fields[2].split(",") if len(fields) > 2 else []
    return row["sudo"] is not None and not row["sudo"] and SUDO not in row["groups"] and row["username"] in members


def _powerless(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        f"{row['username']} may use sudo, which asks for a password, and the file gives the account none: set "
        "password_hash, or sudo_nopasswd."
        for row in rows
        if row["sudo"] and not row["sudo_nopasswd"] and not row["has_password"]
    ]
