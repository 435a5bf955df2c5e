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
        root_words="flags other than `nesting`, and any flag of a privileged container",
        root_privileged="a feature flag of a privileged container",
        structured=True,
    ),
    Option(
        "ostype",
        "the distribution whose files PVE writes before each start",
        (
            Key(
                "ostype",
                {
                    "type": "string",
                    "description": "Distribution whose network, host name and time zone files PVE writes before each "
                    "start. Absent: PVE finds it out at the creation; `unmanaged`: PVE writes none.",
                    "enum": [
                        *("debian", "devuan", "ubuntu", "centos", "fedora", "opensuse", "archlinux", "alpine"),
                        *("gentoo", "nixos", "unmanaged"),
                    ],
                },
            ),
        ),
        codecs.text("ostype"),
        kept=True,
        at_creation=True,
    ),
    Option(
        "arch",
        "the architecture that the container's programs see",
        (
            Key(
                "arch",
                {
                    "type": "string",
                    "description": "Architecture that the container's programs see. Absent: PVE finds it out at the "
                    "creation. It does not change the files of the template.",
                    "enum": ["amd64", "i386", "arm64", "armhf", "riscv32", "riscv64"],
                },
                synonyms=("architecture",),
            ),
        ),
        codecs.text("arch"),
        kept=True,
        at_creation=True,
    ),
    Option(
        "timezone",
        "the time zone",
        (
            Key(
                "timezone",
                {
                    "type": "string",
                    "description": "Time zone that PVE sets in the container: a name such as Europe/Berlin, or `host` "
                    "for the node's. Absent: the template's.",
                    "pattern": "^(?:host|[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*)$",
                    "examples": ["Europe/Berlin"],
                    "x-phoenix-expected": "a time zone such as Europe/Berlin, or host",
                    "x-phoenix-remedy": "Write a name that timedatectl list-timezones shows.",
                },
                synonyms=("tz",),
            ),
        ),
        codecs.text("timezone"),
    ),
    Option(
        "console",
        "whether the container has a console device",
        (Key("console", {"type": "boolean", "description": "Whether the container has a console, /dev/console."}),),
        codecs.flag("console"),
    ),
    Option(
        "tty",
        "the number of terminals",
        (
            Key(
                "tty",
                {
                    "type": "integer",
                    "description": "Number of terminals in the container.",
                    "minimum": 0,
                    "maximum": 6,
                    "x-phoenix-expected": "an integer from 0 to 6",
                },
            ),
        ),
        codecs.integer("tty"),
    ),
    Option(
        "cmode",
        "where the web interface's console leads",
        (
            Key(
                "cmode",
                {
                    "type": "string",
                    "description": "Where the console of the web interface leads: to a terminal (`tty`), to "
                    "/dev/console (`console`) or to a shell without login (`shell`).",
                    "enum": ["shell", "console", "tty"],
                },
            ),
        ),
        codecs.text("cmode"),
    ),
    Option(
        "debug",
        "whether LXC logs each start in detail",
        (Key("debug", {"type": "boolean", "description": "Whether LXC logs each start in detail."}),),
        codecs.flag("debug"),
    ),
    Option(
        "entrypoint",
        "the command that runs as the container's first process",
        (
            Key(
                "entrypoint",
                {
                    "type": "string",
                    "description": "Command that runs as the first process of the container. Absent: /sbin/init.",
                    "pattern": r"^[^\u0000-\u001f\u007f]*[^\u0000-\u0020\u007f]$",
                    "examples": ["/sbin/init"],
                    "x-phoenix-expected": "a command on one line",
                    "x-phoenix-empty": "not set",
                },
                LINE,
            ),
        ),
        codecs.text("entrypoint"),
        since=(9, 1),
    ),
    Option(
        "env",
        "environment variables of the container's first process",
        (
            Key(
                "env",
                {
                    "type": "object",
                    "description": "Environment variables of the container's first process, as names with texts. PVE "
                    "shows them to everyone who may see the container: they are no place for secrets.",
                    "propertyNames": {
                        "pattern": "^[A-Za-z0-9_]+$",
                        "x-phoenix-expected": "the name of a variable: letters, digits and _",
                    },
                    "additionalProperties": {
                        "type": "string",
                        "pattern": r"^(?:[^\u0000-\u001f\u007f]*[^\u0000-\u0020\u007f])?$",
                        "x-phoenix-expected": "text on one line, without blanks at its end",
                    },
                    "examples": [{"LANG": "C.UTF-8"}],
                    "x-phoenix-expected": "an object of names with texts",
                    "x-phoenix-empty": "not set",
                },
                LINE,
                synonyms=("environment",),
            ),
        ),
        codecs.pairs("env"),
        since=(9, 1),
        same=codecs.same_pairs,
    ),
)
