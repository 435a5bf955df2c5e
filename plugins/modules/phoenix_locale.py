#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_locale
short_description: Generate locales, and set the one of the system, in one call
version_added: 0.1.0
description:
  - Enables the locales that the machine lacks in C(/etc/locale.gen) and runs C(locale-gen) once for them.
  - Sets one line of the file in which the system has its locale, and keeps all others.
  - Two modules would be two connections into the container.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  locales:
    description:
      - The locales to generate, such as V(en_US.UTF-8). Fails without a change where the machine does not know one.
      - In check mode C(/etc/locale.gen) may be missing, since an earlier task of a real run installs it.
    type: list
    elements: str
    default: []
  locale:
    description: The locale of the system. An empty text leaves it as it is.
    type: str
    default: ""
  path:
    description: The file that has it, in which a link is followed.
    type: path
    default: /etc/default/locale
  key:
    description: What stands before the equals sign of its line.
    type: str
    default: LANG
"""

EXAMPLES = r"""
- name: Set the locale
  phoenix.hypervisor.phoenix_locale:
    locales: [en_US.UTF-8, de_AT.UTF-8]
    locale: en_US.UTF-8
"""

RETURN = r"""
generated:
  description: The locales that were generated, or would be in check mode.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import locales
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import locale_setting


@failing(where="a file", remedy="expected a file that root can replace")
def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and change unless in check mode."""
    return locale_setting.ensure(module, module.params)


def main() -> None:
    """Module entry point."""
    run_module(
        {
            **locales.OPTIONS,
            "path": {"type": "path", "default": "/etc/default/locale"},
            "key": {"type": "str", "default": "LANG", "no_log": False},  # the name of a setting
        },
        work,
    )


if __name__ == "__main__":
    main()
