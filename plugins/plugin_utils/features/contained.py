# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are delivered into containers lie where they were found: a link leads no way out of that folder."""

from __future__ import annotations

import os
from collections.abc import Iterator


def is_below(path: str, folder: str) -> bool:
    """Return whether a path, with all links resolved, lies below a folder, with all links resolved."""
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), ""))


def folder_of(path: str, name: str) -> str:
    """Return the folder in which the relative `name` was found as `path`."""
    found = path.removesuffix(os.path.join("", *name.split("/"))) if name else ""
    return os.path.normpath(found) if found and found != path else os.path.dirname(path)


def links_out(folder: str) -> Iterator[tuple[str, str]]:
    """Yield each link below a folder that leads out of it, and what it leads to, in order."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted([*folders, *names]):
            path = os.path.join(place, name)
            if os.path.islink(path) and not is_below(path, folder):
                yield path, os.path.realpath(path)
