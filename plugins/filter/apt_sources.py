# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the repositories of a node as files for apt."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_sources_text

DOCUMENTATION = r"""
name: apt_sources
short_description: Make the files of apt for the repositories of a node
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Turns C(repositories) of the filter P(phoenix.hypervisor.host_config#filter) into files for
    M(phoenix.hypervisor.phoenix_files).
positional: _input, release, present, keyring, old_keyring
options:
  _input:
    description: The repositories.
    type: list
    elements: dict
    required: true
  release:
    description: The code name of the node's Debian, for a repository that names no suite.
    type: str
    required: true
  present:
    description: Files that the node has.
    type: list
    elements: str
    required: true
  keyring:
    description: The key of Proxmox's own repositories where it is one of O(present).
    type: str
    required: true
  old_keyring:
    description: Their key elsewhere.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write the sources
  phoenix.hypervisor.phoenix_files:
    files: "{{ shape.repositories | phoenix.hypervisor.apt_sources('trixie', found, keyring, old_keyring) }}"
"""

RETURN = r"""
_value:
  description: The files, each with C(path) and C(content).
  type: list
  elements: dict
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"apt_sources": apt_sources_text.files}
