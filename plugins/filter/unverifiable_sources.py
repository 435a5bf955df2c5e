# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the addresses that nothing verifies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

DOCUMENTATION = r"""
name: unverifiable_sources
short_description: Select the addresses whose content nothing verifies
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - What comes over http anybody on the way can change. The machine itself and trusted hosts are exempt.
positional: _input, trusted
options:
  _input:
    description: The addresses. Paths and blank ones are no addresses.
    type: list
    elements: str
    required: true
  trusted:
    description: Names of hosts, separated by blanks, that somebody vouches for.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the addresses, here the first one
  ansible.builtin.debug:
    msg: "{{ ['http://a.example/simple', 'https://b.example/simple'] | phoenix.hypervisor.unverifiable_sources }}"
"""

RETURN = r"""
_value:
  description: The addresses.
  type: list
  elements: str
"""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def unverifiable_sources(addresses: Iterable[str], trusted: str = "") -> list[str]:
    """Addresses -> those over http from another machine that nobody vouches for."""
    exempt = {*LOOPBACK, *(host.lower() for host in trusted.split())}
    return [address for address in addresses if _scheme(address) == "http" and _host(address) not in exempt]


def _scheme(address: str) -> str:
    return str(address).partition("://")[0].strip().lower()


def _host(address: str) -> str:
    try:
        return urlsplit(str(address).strip()).hostname or ""
    except ValueError:
        return ""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"unverifiable_sources": unverifiable_sources}
