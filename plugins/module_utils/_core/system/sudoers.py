# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The right to sudo: one drop-in file for each account that the file gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

FOLDER = "/etc/sudoers.d"
VALIDATE = "/usr/sbin/visudo -cf %s"


def path(username: str) -> str:
    """Return the drop-in file of an account."""
    return f"{FOLDER}/phoenix_{username}"


def files(accounts: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the drop-ins of the accounts that may use sudo, for phoenix_files.

    accounts: as `host_config` gives them; `sudo` is None where the file does not say.
    """
    return [
        {
            "path": path(account["username"]),
            "content": f"# Written by phoenix.hypervisor\n{_line(account)}\n",
            "mode": "0440",
            "validate": VALIDATE,
        }
        for account in accounts
        if account["sudo"]
    ]


def revoked(accounts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the drop-ins of the accounts from which the file takes the right."""
    return [path(account["username"]) for account in accounts if account["sudo"] is not None and not account["sudo"]]


def _line(account: Mapping[str, Any]) -> str:
    rights = "NOPASSWD: ALL" if account["sudo_nopasswd"] else "ALL"
    return f"{account['username']} ALL=(ALL:ALL) {rights}"
