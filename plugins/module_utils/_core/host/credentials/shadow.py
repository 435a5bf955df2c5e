# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords of system accounts, compared by their hashes as shadow(5) has them: which are to be set, and why not."""

from __future__ import annotations

from collections.abc import Mapping

# What a field begins with that no password can match; shadow(5).
LOCKED = ("!", "*")


def parse(text: str) -> dict[str, str]:
    """Hashes by account, from the text of /etc/shadow."""
    rows = (line.split(":") for line in text.splitlines())
    return {row[0]: row[1] for row in rows if len(row) > 1}


def judge(has: str | None, wanted: str) -> str:
    """`same`, `set`, or `locked`: somebody has locked a password (`usermod --lock`), which a run doesn't undo.

    An account to come has None. A new account has `!`, which is not a password that could be locked.
    """
    if has == wanted:
        return "same"
    shut = (has or "").startswith(LOCKED)
    if wanted.startswith(LOCKED):
        return "same" if shut else "set"
    return "locked" if shut and (has or "").lstrip("!*") else "set"


def lines(wanted: Mapping[str, str]) -> str:
    """The input of `chpasswd --encrypted`."""
    return "".join(f"{name}:{text}\n" for name, text in wanted.items())
