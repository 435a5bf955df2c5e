# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python modules of this collection from Python's own bytecode files.

Ansible's import of a collection's modules compiles each of them in every process. These are loaded as those of any
other Python package: from `__pycache__` beside the source, which Python checks and writes itself where it can.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import ModuleType

PREFIXES = (
    "ansible_collections.phoenix.hypervisor.plugins.plugin_utils.",
    "ansible_collections.phoenix.hypervisor.plugins.module_utils.",
)

_ANSIBLES = "_AnsibleCollectionFinder"


class CompiledFinder(MetaPathFinder):
    """Finds the modules of this collection that plugins import; everything else is left to the finders after it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a module, None for what isn't one of this collection's."""
        if path is None or not fullname.startswith(PREFIXES):
            return None
        name = fullname.rpartition(".")[2]
        for folder in path:
            package = os.path.join(folder, name)
            for file, places in ((os.path.join(package, "__init__.py"), [package]), (f"{package}.py", None)):
                if os.path.isfile(file):
                    loader = SourceFileLoader(fullname, file)
                    return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=places)
        return None


def install() -> None:
    """Put the finder directly before Ansible's, once in a process. Without Ansible's nothing is compiled each time."""
    names = [type(finder).__name__ for finder in sys.meta_path]
    if _ANSIBLES in names and CompiledFinder.__name__ not in names:
        sys.meta_path.insert(names.index(_ANSIBLES), CompiledFinder())
