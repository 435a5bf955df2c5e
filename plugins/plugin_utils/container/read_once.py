# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of hosts, put together and templated once.

Ansible puts a host's variables together for each look at them, and templates a value with all that is in it each
time that it is read. What plans for a fleet reads the same values many times, and those of a clone source for each
clone. Only for the length of one task: nothing changes meanwhile. What has no template in it is taken as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.vars import clean


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
            raw_get = getattr(self._real, "raw_get", None)
            if raw_get is None or host not in self._real:
                self._read[host] = ReadOnce(self._real[host])
            else:
                self._read[host] = _Variables(raw_get(host), lambda: self._real[host])
        return self._read[host]


class _Variables(ReadOnce):
    """The variables of one host: Ansible's view of them is made for the first value that may be a template."""

    def __init__(self, raw: Mapping[str, Any], view: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__(raw)
        self._view = view
        self._templated: Mapping[str, Any] | None = None

    def __getitem__(self, key: str) -> Any:
        if key not in self._read:
            value = self._real[key]
            if not is_plain(value):
                if self._templated is None:
                    self._templated = self._view()
                value = self._templated[key]
            self._read[key] = value
        return self._read[key]


def is_plain(value: Any) -> bool:
    """Return whether a value is what templating it would give: data without anything that begins a template."""
    if isinstance(value, str):
        return "{" not in value and not value.startswith("#jinja2:")
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float))


class _Listed:
    """Ansible's loader of connection plugins, with the list of their files made once."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._paths: list[str] | None = None

    def all(self, **options: Any) -> Iterator[Any]:
        """Return what the loader returns."""
        if options != {"path_only": True}:
            return iter(self._loader.all(**options))
        if self._paths is None:
            self._paths = list(self._loader.all(**options))
        return iter(self._paths)


@contextmanager
def many_hosts() -> Iterator[None]:
    """Read the variables of many hosts within.

    For each host, Ansible lists the files of all connection plugins, to keep the variables of these out of its facts.
    That is half of what it takes to put the variables of a host together, and the files do not change meanwhile.
    """
    loader = getattr(clean, "connection_loader", None)
    if loader is None:  # another release, which does it in another way
        yield
        return
    clean.connection_loader = _Listed(loader)
    try:
        yield
    finally:
        clean.connection_loader = loader


def each_raw(hosts: Iterable[str], hostvars: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each host with its variables as they are, without templating them."""
    read = getattr(hostvars, "raw_get", hostvars.__getitem__)
    with many_hosts():
        for host in map(str, hosts):
            yield host, read(host)
