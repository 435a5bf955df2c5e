# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a project that lies elsewhere now: AWX reads an inventory in one checkout and runs its jobs in another."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any


def elsewhere(named: str, variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield the last parts of a path, longest first, below the folders of the playbook and of the inventory."""
    parts = named.strip("/").split("/")
    playbook = str(variables.get("playbook_dir") or "")
    folders = [playbook, os.path.dirname(playbook), str(variables.get("inventory_dir") or "")]
    seen = {named}
    for length in range(min(len(parts), 4), 0, -1):
        for folder in filter(None, folders):
            path = os.path.normpath(os.path.join(folder, *parts[-length:]))
            if path not in seen:
                seen.add(path)
                yield path


def moved(path: str, variables: Mapping[str, Any]) -> str:
    """Return a file's path, or where it lies in the project of this run when there is no such file any more.

    A path that is found nowhere is returned as it is.
    """
    if not path or os.path.exists(path):
        return path
    return next((found for found in elsewhere(path, variables) if os.path.isfile(found)), path)


def config_folder(variables: Mapping[str, Any]) -> str:
    """Return the folder of the containers' file, in the project of this run when it has moved; empty without one."""
    folder = str(variables.get("phoenix_config_dir") or "")
    file = str(variables.get("phoenix_config_file") or "")
    if not file or not folder or os.path.isdir(folder):
        return folder
    found = moved(file, variables)
    return folder if found == file else os.path.dirname(found)
