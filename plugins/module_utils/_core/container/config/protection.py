# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PVE's protection of a container: it refuses to destroy it and to change its drives until the protection is off.

PVE looks at the protection that is in force, not at the one that the same call sets. So a write that removes it goes
first and alone, and a write that sets it may change drives as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...pve import forms
from ..model import NOTHING, Record, Wanted
from . import options
from .changes import Changes

KEY = "protection"
OFF = {KEY: "0"}


def is_on(config: Mapping[str, str]) -> bool:
    """Whether a config protects its container."""
    return forms.flag(config.get(KEY, "0")) == "1"


def is_given_up(wanted: Wanted) -> bool:
    """Whether the configuration says in so many words that the container is not protected."""
    return wanted.desired.protected is False


def is_inherited(record: Record) -> bool:
    """Whether what protects the container is what its origin has: nothing was configured since it was made."""
    return bool({"clone_from_ctid", "restore_from"} & set(record.origin or {})) and not record.applied


def drives(changes: Changes) -> list[str]:
    """The drives that a write changes."""
    return sorted(key for key in (*changes.set, *changes.delete) if options.is_drive(key))


def in_order(changes: Changes, actual: Mapping[str, str], record: Record) -> tuple[Changes, ...]:
    """The same changes in as many writes as PVE needs to accept them; none when it accepts them in no order."""
    moved = drives(changes)
    if not is_on(actual) or not moved:
        return (changes,)
    if not is_on(changes.onto(actual)):
        rest = [key for key in changes.reasons if key != KEY]
        return (changes.only([KEY], NOTHING), changes.only(rest, changes.disrupts))
    if is_inherited(record):
        off = Changes(set=OFF, reasons={KEY: f"{KEY}: off while the new clone gets its drives ({', '.join(moved)})"})
        again = {**changes.reasons, KEY: f"{KEY}: 0 -> 1 ({KEY})"}
        return (off, replace(changes, set={**changes.set, KEY: "1"}, reasons=again))
    return ()
