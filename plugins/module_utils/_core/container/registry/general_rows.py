# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a container's identity, notes, tags, limits, and start with the node."""

from __future__ import annotations

from ...pve import tags
from . import codecs
from .option import AT_ONCE, HOTPLUG, LINE, LINES, Key, Option

# A pebibyte. PVE has no bound, but bytes in the place of MiB are more than this, and no node has as much.
_MOST_MIB = 1073741824
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

ROWS = (
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
                    "x-phoenix-expected": "a host name: letters a to z, digits and hyphens, at most 63 a label, "
                    "no hyphen at either end",
                    "x-phoenix-remedy": "Write letters, digits and hyphens, 1 to 63 a label, with a letter or digit at "
                    "both ends.",
                },
                synonyms=("hostname", "host_name"),
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
                synonyms=("notes", "comment"),
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
                synonyms=("protected",),
            ),
        ),
        codecs.flag("protection"),
        applies=AT_ONCE,
    ),
    Option(
        "onboot",
        "whether the container starts with the node",
        (
            Key(
                "start_at_boot",
                {"type": "boolean", "description": "Start with the node."},
                synonyms=("autostart", "start_on_boot", "auto_start"),
            ),
        ),
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
                synonyms=("start_order", "startup_order"),
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
                synonyms=("start_delay", "startup_delay"),
            ),
            Key(
                "shutdown_timeout",
                {
                    "type": "integer",
                    "description": "Seconds that the container has to shut down when the node shuts down.",
                    "x-phoenix-effect": "down of startup",
                    "minimum": 0,
                    "maximum": 86400,
                    "examples": [60],
                    "x-phoenix-unit": "s",
                },
                synonyms=("stop_timeout",),
            ),
        ),
        codecs.STARTUP,
        applies=AT_ONCE,
        structured=True,
    ),
    Option(
        "hookscript",
        "a script of the node that PVE calls when the container starts and stops",
        (
            Key(
                "hookscript",
                {
                    "type": "string",
                    "description": "Script of the node that PVE calls when the container starts and stops: an "
                    "executable snippet, by its volume.",
                    "pattern": "^[A-Za-z][A-Za-z0-9._-]*:snippets/[A-Za-z0-9_.+=-]+$",
                    "examples": ["local:snippets/hook.sh"],
                    "x-phoenix-expected": "a snippet such as local:snippets/hook.sh",
                    "x-phoenix-remedy": "Put the script into the folder snippets of a storage with the content type "
                    "snippets, make it executable, and write STORAGE:snippets/FILE.",
                },
            ),
        ),
        codecs.text("hookscript"),
        applies=AT_ONCE,
        root_only=lambda value: f"the hook script {value}",
        root_words="every script",
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
                        "x-phoenix-expected": "a tag: letters a to z, digits, _ . + -, beginning with a letter, a "
                        "digit or _; not phoenix-hold",
                        "x-phoenix-remedy": "Write one tag an item. To stop a container on purpose use target_state; "
                        "phoenix-hold is for tags set by hand.",
                    },
                    "examples": [["llm", "gpu"]],
                    "x-phoenix-expected": "a list of tags",
                    "x-phoenix-remedy": 'Write a list such as ["llm", "gpu"].',
                },
                LINE,
                synonyms=("tag",),
            ),
        ),
        codecs.TAGS,
        applies=AT_ONCE,
    ),
    # These depend on the node and on the record as well: mounts.py and hostneeds.py work them out.
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
                    "maximum": _MOST_MIB,
                    "examples": [40960],
                    "x-phoenix-unit": "MiB",
                    "x-phoenix-expected": f"an integer number of MiB, at least 16 and at most {_MOST_MIB}",
                },
                synonyms=("ram", "ram_mb", "mem", "mem_mb", "memory_mib"),
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
                    "maximum": _MOST_MIB,
                    "examples": [512],
                    "x-phoenix-unit": "MiB",
                    "x-phoenix-expected": f"an integer number of MiB, 0 or more and at most {_MOST_MIB}",
                },
                synonyms=("swap_mib",),
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
                synonyms=("cpus", "cpu", "vcpus", "cpu_cores", "cpu_count"),
            ),
        ),
        codecs.integer("cores"),
        applies=AT_ONCE,
        privilege="VM.Config.CPU",
    ),
    Option(
        "cpulimit",
        "the processor time that the container gets at most",
        (
            Key(
                "cpulimit",
                {
                    "type": "number",
                    "description": "Processor time at most, in processors: 1.5 is one and a half of them; 0 is no "
                    "limit.",
                    "minimum": 0,
                    "maximum": 8192,
                    "examples": [1.5],
                    "x-phoenix-expected": "a number from 0 to 8192",
                },
                synonyms=("cpu_limit",),
            ),
        ),
        codecs.number("cpulimit"),
        applies=HOTPLUG,
        privilege="VM.Config.CPU",
        same=codecs.same_number,
    ),
    Option(
        "cpuunits",
        "the container's weight where guests compete for processor time",
        (
            Key(
                "cpuunits",
                {
                    "type": "integer",
                    "description": "Weight of the container where guests compete for processor time; PVE's default "
                    "is 100.",
                    "minimum": 0,
                    "maximum": 500000,
                    "examples": [200],
                    "x-phoenix-expected": "an integer from 0 to 500000",
                },
                synonyms=("cpu_units", "cpu_shares"),
            ),
        ),
        codecs.integer("cpuunits"),
        applies=HOTPLUG,
        privilege="VM.Config.CPU",
    ),
)
