# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every address in the two files that something is downloaded from, found by what its key is called.

A new key that ends in `_url` is found without a word here; the schemas' tests compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_ONE_LINE = re.compile(r"deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)")
_KEYS = ("endpoint", "uri")


@dataclass(frozen=True)
class Address:
    """One address: where it stands, and the SHA-256 that the file has for what lies there ('' for none)."""

    path: Pointer
    url: str
    sha256: str = ""


def of_containers(top: Mapping[str, Any]) -> Iterator[Address]:
    """The addresses of the containers' file, which are for all of its containers."""
    yield from _of(top, ())


def of_host(host: Mapping[str, Any]) -> Iterator[Address]:
    """The addresses of the host's file."""
    for section, value in host.items():
        if isinstance(value, Mapping):
            yield from _of(value, (section,))
    repositories = host.get("repositories")
    for index, item in enumerate(repositories if isinstance(repositories, list) else ()):
        path: Pointer = ("repositories", index)
        if isinstance(item, Mapping):
            yield from _of(item, path)
        elif isinstance(item, str):
            found = _ONE_LINE.match(item.strip())
            yield Address(path, found.group(1) if found else item)


def _of(holder: Mapping[str, Any], path: Pointer) -> Iterator[Address]:
    for key, value in holder.items():
        if isinstance(value, str) and (key in _KEYS or key.endswith("_url")) and _ADDRESS.match(value):
            checksum = holder.get(key[: -len("url")] + "sha256") if key.endswith("_url") else None
            yield Address((*path, key), value, checksum if isinstance(checksum, str) else "")
