# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents that an earlier run found to be valid, so that neither jsonschema nor the checks need be loaded for them.

Only the fact is kept, under a hash of all that decided it: the document, the schema, the code that judges, the release
of this collection, of jsonschema and of Python.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import sys

from ..config.schema.known import Known
from . import files, unchanged

KIND = "valid"
_news: list[str] = []
_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
_CODE = ("plugins/plugin_utils/config", "plugins/plugin_utils/features", "plugins/module_utils/_core")
_RELEASE = ("MANIFEST.json", "galaxy.yml")


class KeptKnown(Known):
    """Keeps it on the controller's disk."""

    def has(self, key: str) -> bool:
        """Return whether a document of this key was valid."""
        return bool(stamp()) and files.read(KIND, self._name(key)) is not None

    def add(self, key: str) -> None:
        """Remember that it was."""
        _news.append(key)
        if stamp():
            files.write(KIND, self._name(key), b"")

    @staticmethod
    def _name(key: str) -> str:
        return hashlib.sha256(f"{stamp()} {key}".encode()).hexdigest()


def are_new() -> bool:
    """Return whether a document of this run is one that no earlier run has judged, so that there will be work."""
    return bool(_news)


@functools.cache
def stamp() -> str:
    """Return a hash of what judges; an empty text when that is not known, and then nothing is kept."""
    try:
        code = unchanged.seen(os.path.join(_HOME, folder) for folder in _CODE)
        found = hashlib.sha256(f"{importlib.metadata.version('jsonschema')} {sys.version} {code}".encode())
        for path in filter(os.path.exists, (os.path.join(_HOME, name) for name in _RELEASE)):
            with open(path, "rb") as file:
                found.update(hashlib.sha256(file.read()).digest())
    except (importlib.metadata.PackageNotFoundError, OSError):
        return ""
    return found.hexdigest() if code else ""
