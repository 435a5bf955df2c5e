# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of how a container's system is set up and started."""

from __future__ import annotations

from ...pve import properties
from . import codecs
from .option import LINE, Key, Option


def _flags_of_root(value: str) -> str | None:
    names = sorted(set(properties.parse(value)) - {"nesting"})
    return f"the feature flags {', '.join(names)}" if names else None


ROWS = (
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
)
