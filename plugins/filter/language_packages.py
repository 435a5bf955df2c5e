# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the packages that hold the languages of locales."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import package_families

DOCUMENTATION = r"""
name: language_packages
short_description: Name the packages of the languages of locales
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - For distributions with a package for each language. The locales C and POSIX need none.
positional: _input, prefix
options:
  _input:
    description: The locales.
    type: list
    elements: str
    required: true
  prefix:
    description: What stands before the language in the name of a package.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the packages, here langpack-de alone
  ansible.builtin.debug:
    msg: "{{ ['de_AT.UTF-8', 'C.UTF-8'] | phoenix.hypervisor.language_packages('langpack-') }}"
"""

RETURN = r"""
_value:
  description: The packages, each once.
  type: list
  elements: str
"""


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"language_packages": package_families.language_packages}
