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

from ...pve import forms, properties, tags
from . import codecs, network_keys
from .option import AT_ONCE, HOTPLUG, LINE, LINES, NEW_ONLY, VALUE, Key, Option

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


def _flags_of_root(value: str) -> str | None:
    names = sorted(set(properties.parse(value)) - {"nesting"})
    return f"the feature flags {', '.join(names)}" if names else None


def _bind_of_root(value: str) -> str | None:
    return f"the bind mount {value.partition(',')[0]}" if value.startswith("/") else None


TABLE = (
    Option(
        "hostname",
        "the name of the container",
        (
            Key(
                "name",
                {
                    "type": "string",
                    "description": "Hostname of the container.",
                    "pattern": rf"^(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*$",
                    "examples": ["codeServer"],
                    "x-phoenix-expected": "a host name: letters, digits and hyphens, at most 63 a label, no hyphen at "
                    "either end",
                    "x-phoenix-remedy": "Use letters, digits and hyphens only; put a hyphen where an underscore or "
                    "blank is.",
                },
            ),
        ),
        codecs.text("name"),
        applies=AT_ONCE,
        privilege="VM.Config.Network",
        kept=True,
    ),
    Option(
        "description",
        "the notes on the container in the web interface",
        (
            Key(
                "description",
                {
                    "type": "string",
                    "description": "Notes on the container in PVE's web interface, which reads Markdown.",
                    "maxLength": 8192,
                    "pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f]*[^\u0000-\u0020\u007f]"
                    r"[^\u0000-\u0008\u000b-\u001f\u007f]*$",
                    "examples": ["Serves the model for the editors.\nOwner: ops"],
                    "x-phoenix-expected": "text of one or more lines, at most 8192 characters",
                    "x-phoenix-remedy": "Write plain text or Markdown, with \\n between the lines.",
                    "x-phoenix-empty": "not set",
                },
                LINES,
            ),
        ),
        codecs.lines("description"),
        applies=AT_ONCE,
        same=lambda left, right: codecs.closed(left) == codecs.closed(right),
    ),
    Option(
        "protection",
        "whether PVE refuses to destroy the container and to change its disks",
        (
            Key(
                "protection",
                {
                    "type": "boolean",
                    "description": "Whether PVE protects the container: it then refuses to destroy it and to change "
                    "its disks.",
                },
            ),
        ),
        codecs.flag("protection"),
        applies=AT_ONCE,
    ),
    Option(
        "memory",
        "memory in MiB",
        (
            Key(
                "memory_mb",
                {
                    "type": "integer",
                    "description": "Memory in MiB.",
                    "minimum": 16,
                    "examples": [40960],
                    "x-phoenix-unit": "MiB",
                    "x-phoenix-expected": "an integer number of MiB, at least 16",
                },
            ),
        ),
        codecs.integer("memory_mb"),
        applies=HOTPLUG,
        privilege="VM.Config.Memory",
        reset="512",
    ),
    Option(
        "swap",
        "swap in MiB",
        (
            Key(
                "swap_mb",
                {
                    "type": "integer",
                    "description": "Swap in MiB; 0 for none.",
                    "minimum": 0,
                    "examples": [512],
                    "x-phoenix-unit": "MiB",
                    "x-phoenix-expected": "an integer number of MiB, 0 or more",
                },
            ),
        ),
        codecs.integer("swap_mb"),
        applies=HOTPLUG,
        privilege="VM.Config.Memory",
    ),
    Option(
        "cores",
        "CPU cores",
        (
            Key(
                "cores",
                {
                    "type": "integer",
                    "description": "CPU cores the container may use.",
                    "minimum": 1,
                    "maximum": 8192,
                    "examples": [8],
                    "x-phoenix-expected": "an integer from 1 to 8192",
                },
            ),
        ),
        codecs.integer("cores"),
        applies=AT_ONCE,
        privilege="VM.Config.CPU",
    ),
    Option(
        "features",
        "what the kernel allows the container",
        (
            Key(
                "pct_options",
                {
                    "type": "array",
                    "description": "Flags of the container as `key=value`: PVE's features such as `nesting=1` and "
                    "`keyctl=1`; `tags=a;b` is read as `tags`.",
                    "x-phoenix-effect": "features of the container's PVE config",
                    "uniqueItems": True,
                    "items": {
                        "type": "string",
                        "description": "One option as key=value.",
                        "pattern": "^(?:(?:force_rw_sys|fuse|keyctl|mknod|nesting)=[01]|mount=[a-z0-9;]+|"
                        "tags=[A-Za-z0-9_][A-Za-z0-9_.+;-]*)$",
                        "x-phoenix-expected": "key=value, such as nesting=1; keys are force_rw_sys, fuse, keyctl, "
                        "mknod, mount, nesting, tags",
                        "x-phoenix-remedy": "Write one option an item, with an equals sign and without blanks: "
                        '"nesting=1". Memory, cores and the like have keys of their own.',
                    },
                    "x-phoenix-expected": "a list of key=value texts",
                    "x-phoenix-remedy": 'Write a list such as ["nesting=1", "keyctl=1"].',
                },
                LINE,
            ),
        ),
        codecs.FEATURES,
        root_only=_flags_of_root,
        root_words="flags other than `nesting`",
        structured=True,
    ),
    Option(
        "net",
        "a network interface",
        (
            Key("network_config", network_keys.NETWORK_CONFIG),
            Key("mac_address", network_keys.MAC_ADDRESS),
            Key("static_ip", network_keys.STATIC_IP),
        ),
        codecs.NETWORK,
        number="0",
        applies=HOTPLUG,
        privilege="VM.Config.Network",
        structured=True,
        whole=True,
    ),
    Option(
        "nameserver",
        "name servers",
        (Key("network_config", network_keys.NETWORK_CONFIG),),
        codecs.NAME_SERVERS,
        privilege="VM.Config.Network",
        same=lambda left, right: forms.addresses(left) == forms.addresses(right),
    ),
    Option(
        "onboot",
        "whether the container starts with the node",
        (Key("start_at_boot", {"type": "boolean", "description": "Start with the node."}),),
        codecs.flag("start_at_boot"),
        applies=AT_ONCE,
    ),
    Option(
        "startup",
        "the place in the order in which the node starts its guests",
        (
            Key(
                "boot_order",
                {
                    "type": "integer",
                    "description": "Place in the node's start order; lower starts first.",
                    "x-phoenix-effect": "order of startup",
                    "minimum": 0,
                    "maximum": 1000000,
                },
            ),
            Key(
                "boot_delay",
                {
                    "type": "integer",
                    "description": "Seconds to wait before the next container starts.",
                    "x-phoenix-effect": "up of startup",
                    "minimum": 0,
                    "maximum": 86400,
                    "x-phoenix-unit": "s",
                },
            ),
        ),
        codecs.STARTUP,
        applies=AT_ONCE,
        structured=True,
    ),
    Option(
        tags.KEY,
        "tags; those of others are kept",
        (
            Key(
                "tags",
                {
                    "type": "array",
                    "description": "PVE tags. Tags that were not set from here are kept.",
                    "uniqueItems": True,
                    "items": {
                        "type": "string",
                        "description": "One tag.",
                        "pattern": "^(?![Pp][Hh][Oo][Ee][Nn][Ii][Xx]-[Hh][Oo][Ll][Dd]$)[A-Za-z0-9_][A-Za-z0-9_.+-]*$",
                        "x-phoenix-expected": "a tag: letters, digits, _ . + -, beginning with a letter, a digit or "
                        "_; not phoenix-hold",
                        "x-phoenix-remedy": "Write one tag an item. To stop a container on purpose use target_state; "
                        "phoenix-hold is for tags set by hand.",
                    },
                    "examples": [["llm", "gpu"]],
                    "x-phoenix-expected": "a list of tags",
                    "x-phoenix-remedy": 'Write a list such as ["llm", "gpu"].',
                },
                LINE,
            ),
        ),
        codecs.TAGS,
        applies=AT_ONCE,
    ),
    # These depend on the node and on the record as well: mounts.py and hostneeds.py work them out.
    Option("rootfs", "the root disk", privilege="VM.Config.Disk", structured=True, kept=True),
    Option(
        "mp",
        "a bind mount (`mount_points`) or a disk (`volumes`)",
        asked_by="mount_points",
        applies=NEW_ONLY,
        privilege="VM.Config.Disk",
        root_only=_bind_of_root,
        root_words="bind mounts",
        structured=True,
        whole=True,
    ),
    Option("unused", "a disk that is not mounted", applies=HOTPLUG, privilege="VM.Config.Disk", kept=True),
    Option(
        "dev",
        "a device that a feature needs (`gpu_assignment`)",
        applies=NEW_ONLY,
        root_only=lambda value: f"the device {value.partition(',')[0]}",
        root_words="every device",
        since=(8, 2),
        structured=True,
        whole=True,
    ),
)
_BY_NAME = {option.name: option for option in TABLE}
_OTHER = Option("", "an option that no key asks for")
# Keys whose texts become values of a container's config, and whose options depend on more than the file.
_ELSEWHERE = ("storage_pool", "volumes", "mount_points", "template")


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
    return {**own, **dict.fromkeys(_ELSEWHERE, VALUE)}


def from_pve(config: Mapping[str, str]) -> dict[str, Any]:
    """The piece of the JSON file that asks for what a container's config has; what no key can say is left out."""
    found: dict[str, Any] = {}
    for option in TABLE:
        if option.codec is not None and option.option in config:
            for key, value in option.codec.from_pve(config[option.option]).items():
                found[key] = {**found[key], **value} if isinstance(value, dict) and key in found else value
    return found
