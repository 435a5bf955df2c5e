# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of hosts, put together and templated once.

Ansible puts a host's variables together for each look at them, and templates a value with all that is in it each
time that it is read. What plans for a fleet reads the same values many times, and those of a clone source for each
clone. Only for the length of one task: nothing changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class ReadOnce(Mapping[str, Any]):
    """Another mapping, each value of it read once."""

    def __init__(self, real: Mapping[str, Any]) -> None:
        self._real = real
        self._read: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self._read:
            self._read[key] = self._real[key]
        return self._read[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or the default; without an error in between, unlike the inherited one."""
        return self[key] if key in self._read or key in self._real else default

    def __contains__(self, key: object) -> bool:
        return key in self._read or key in self._real

    def __iter__(self) -> Iterator[str]:
        return iter(self._real)

    def __len__(self) -> int:
        return len(self._real)


class HostsReadOnce(ReadOnce):
    """Ansible's ``hostvars``: each host's variables once, and each value of them."""

    def __getitem__(self, host: str) -> Any:
        if host not in self._read:
            self._read[host] = ReadOnce(self._real[host])
        return self._read[host]
