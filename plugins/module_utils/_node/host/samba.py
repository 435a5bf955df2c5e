# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Samba's passwords: read as hashes with pdbedit, set with smbpasswd. None is ever an argument of a command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from ..._core.host.ownership import UNKNOWN
from .. import store
from ..failure import NodeError
from .section_records import INVENTORIES

# Whose passwords were set from here, so that a user removed from the file is reported while Samba has it.
RECORD = os.path.join(store.ROOT, "host", "samba_users.json")


class SambaError(NodeError):
    """A tool of Samba failed; the text is its own, which holds no password."""


def _run(argv: list[str], given: str | None = None) -> str:
    env = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv, input=given, capture_output=True, text=True, env=env, timeout=60, check=False, errors="replace"
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SambaError(f"{argv[0]}: {type(error).__name__}") from None
    if done.returncode:
        raise SambaError(f"{argv[0]}: {done.stderr.strip()[-500:] or f'exit code {done.returncode}'}")
    return done.stdout


def hashes() -> dict[str, str]:
    """The NT hash of every account that Samba knows, by name; nothing where Samba is not installed."""
    if not shutil.which("pdbedit"):
        return {}
    rows = (line.split(":") for line in _run(["pdbedit", "--list", "--smbpasswd-style"]).splitlines())
    return {row[0]: row[3] for row in rows if len(row) > 4}


def set_password(name: str, password: str) -> None:
    """Add the account to Samba's, or change its password. Raises SambaError."""
    _run(["smbpasswd", "-s", "-a", name], f"{password}\n{password}\n")


def remembered() -> dict[str, list[str]]:
    """Return the accounts that were set from here, by the inventory that set them; '' for an earlier version's."""
    text = store.read_private(RECORD)
    try:
        data = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        data = {}
    by_inventory = data.get(INVENTORIES) if isinstance(data, dict) else {UNKNOWN: data}
    if not isinstance(by_inventory, dict):
        return {}
    return {
        str(one): [name for name in names if isinstance(name, str)]
        for one, names in by_inventory.items()
        if isinstance(names, list)
    }


def remember(by_inventory: dict[str, list[str]]) -> None:
    """Keep them, for the next run."""
    kept = {one: names for one, names in by_inventory.items() if names}
    if kept != remembered():
        store.write_atomic(RECORD, json.dumps({INVENTORIES: kept}, sort_keys=True) + "\n")
