# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that limit a container's memory and processors."""

from __future__ import annotations

from . import codecs
from .option import AT_ONCE, HOTPLUG, Key, Option

ROWS = (
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
            ),
        ),
        codecs.integer("cpuunits"),
        applies=HOTPLUG,
        privilege="VM.Config.CPU",
    ),
)
