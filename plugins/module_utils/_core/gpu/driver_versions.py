# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a driver from names of files and from systemd: its versions, and the units that use it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_RUNFILE = re.compile(r"-([0-9]+(?:\.[0-9]+)+)[^/]*\.run\Z")
# What waits to be started again counts as running: it would start in the midst of a change.
_RUNNING = frozenset({"active", "activating", "reloading", "deactivating"})


def runfile_version(url: str) -> str:
    """Return the version in the name of a run file, empty where it has none."""
    found = _RUNFILE.search(url)
    return found[1] if found else ""


def versions_of_library(paths: Iterable[str], library: str) -> list[str]:
    """Return the versions of a library such as `libx.so` among the paths of files, in order.

    The number of an interface (`libx.so.1`) is no version.
    """
    pattern = re.compile(re.escape(library) + r"\.([0-9]{3,}(?:\.[0-9]+)+)\Z")
    found = (pattern.search(path) for path in paths)
    return sorted({match[1] for match in found if match})


def state(
    paths: Iterable[str], library: str, version: str, tool: str, traces: Mapping[str, str], way: str
) -> dict[str, Any]:
    """Return which driver files show: its `versions`, the `ways` that left a trace, and whether it is `current`.

    paths: the files that exist. traces: the way of each installation to the path that shows it. way: the wanted one.
    """
    found = set(paths)
    versions = versions_of_library(found, library)
    ways = [name for name, trace in traces.items() if trace in found]
    current = versions == [version] and tool in found and not set(ways) - {way}
    return {"versions": versions, "ways": ways, "current": current}


def running_units(units: Sequence[str], answers: Iterable[str]) -> list[str]:
    """Return the units that run, by the lines of `systemctl is-active` for these units in this order."""
    return [unit for unit, answer in zip(units, answers) if answer.strip() in _RUNNING]
