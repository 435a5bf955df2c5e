# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what the collection's roles for a node declare, meta/phoenix_host.yml of each."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import declared_roles

# Tags of a run that select all roles.
ALL = frozenset(("all", "tagged", "always", "hypervisor"))
COLLECTION = "ansible_collections.phoenix.hypervisor"
DECLARATION = os.path.join("meta", "phoenix_host.yml")


def declared(folder: str) -> tuple[declared_roles.HostRole, ...]:
    """Return the roles of a folder that declare keys, by name. Raises AnsibleError for a faulty declaration."""
    loader = DataLoader()
    found = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name, DECLARATION)
        if os.path.isfile(path):
            try:
                found.append(declared_roles.parse(name, loader.load_from_file(path, cache="none")))
            except declared_roles.HostRoleError as error:
                raise AnsibleError(f"{path}: {error}") from None
    return tuple(found)


@functools.cache
def host_roles() -> tuple[declared_roles.HostRole, ...]:
    """Return the collection's own roles for a node. Read once per process."""
    package = importlib.import_module(COLLECTION)
    return declared(os.path.join(next(iter(package.__path__)), "roles"))


def of_tags(roles: Iterable[str], variables: Mapping[str, Any]) -> list[str]:
    """Return the roles that a run with the tags of these variables enters. The tag of a role is its name."""
    run, skipped = (variables.get(name) or () for name in ("ansible_run_tags", "ansible_skip_tags"))
    return [name for name in roles if is_selected(name, run, skipped)]


def is_selected(role: str | None, run: Collection[str], skipped: Collection[str]) -> bool:
    """Return whether a run with these tags, and without those, enters a role."""
    wanted, left = set(run), set(skipped)
    return (not wanted or bool(wanted & ALL) or role in wanted) and role not in left and "hypervisor" not in left
