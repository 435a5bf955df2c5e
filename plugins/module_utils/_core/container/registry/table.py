# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry: one row for each option of a container that a key of the JSON file asks for.

A new option is a row here; ``make docs`` writes its keys into the schema file and into the tables of the documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import device_rows, general_rows, netcards, network_rows, system_rows
from .option import LINE, VALUE, Option

TABLE = (
    *general_rows.ROWS,
    *system_rows.ROWS,
    *network_rows.ROWS,
    *device_rows.ROWS,
)
_BY_NAME = {option.name: option for option in TABLE}
_OTHER = Option("", "an option that no key asks for")
# Keys whose texts become values of a container's config, and whose options depend on more than the file.
_ELSEWHERE = ("storage_pool", "volumes", "mount_points", "template", "restore_from")


def row(option: str) -> Option:
    """What is known of an option, with its number or without."""
    return _BY_NAME.get(option) or _BY_NAME.get(option.rstrip("0123456789"), _OTHER)


def keys() -> dict[str, dict[str, Any]]:
    """Every key with its piece of the schema, in the order of the table. A key of several rows belongs to the first."""
    found: dict[str, dict[str, Any]] = {}
    for option in TABLE:
        for key in option.keys:
            found.setdefault(key.name, option.schema(key))
    return found


def unfit_texts() -> dict[str, re.Pattern[str]]:
    """Key -> the pattern of what none of its texts may have, for every key whose texts become values of the config."""
    own = {key.name: key.unfit for option in TABLE for key in option.keys}
    return {**own, **dict.fromkeys(_ELSEWHERE, VALUE), "ssh_public_keys": LINE}


def from_pve(config: Mapping[str, str]) -> dict[str, Any]:
    """The piece of the JSON file that asks for what a container's config has; what no key can say is left out."""
    found: dict[str, Any] = {}
    for option, codec in ((option, option.codec) for option in TABLE if option.codec is not None):
        for name in option.names_in(config):
            for key, value in codec.from_pve(config[name]).items():
                if key in found and isinstance(value, dict):
                    value = {**found[key], **value}
                found[key] = [*found[key], *value] if key in found and isinstance(value, list) else value
    networks = [netcards.read(config[f"net{number}"]) for number in range(1, 32) if f"net{number}" in config]
    return {**found, "networks": networks} if networks else found
