# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the names of the options among words of a command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DOCUMENTATION = r"""
name: option_names
short_description: List the names of the options among words of a command line
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - An option is a word that begins with C(--). Its name is what follows, up to an equals sign, with hyphens rather than
    underscores.
  - The names of settings are options too.
positional: _input, settings
options:
  _input:
    description: The words.
    type: list
    elements: str
    required: true
  settings:
    description: Settings that become options, by their name.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the names, here max-len and port
  ansible.builtin.debug:
    msg: "{{ ['--max_len=10', '--port', '8000'] | phoenix.hypervisor.option_names }}"
"""

RETURN = r"""
_value:
  description: The names in their order.
  type: list
  elements: str
"""


def option_names(words: Iterable[str], settings: Mapping[str, Any] | None = None) -> list[str]:
    """Words and settings -> names of options."""
    options = [str(word).partition("=")[0] for word in words]
    options += [f"--{name}" for name in settings or ()]
    return [option.lstrip("-").replace("_", "-") for option in options if option.startswith("--")]


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"option_names": option_names}
