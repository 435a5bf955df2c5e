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

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import locales
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import root_files

LIST = "/etc/locale.gen"
SUPPORTED = "/usr/share/i18n/SUPPORTED"
MODE = 0o644


def present(module: AnsibleModule) -> str:
    """Return what `locale -a` prints. Raises NodeError where it fails."""
    code, text, error = module.run_command(["locale", "-a"])
    if code:
        raise NodeError(f"locale -a failed: {error.strip()[-500:] or f'exit code {code}'}")
    return str(text)


def generate(module: AnsibleModule, diff: list[dict[str, str]]) -> list[str]:
    """Generate the locales that are missing. Returns their names. Raises NodeError for one that is unknown."""
    wanted = module.params["locales"]
    if not wanted:
        return []
    before = root_files.read(LIST)
    if before.content is None:
        if not module.check_mode:
            raise NodeError(f"{LIST} is missing", remedy="install the package locales")
        return list(wanted)
    missing = locales.missing(wanted, present(module))
    content, unknown = locales.enabled(before.content, missing, root_files.read(SUPPORTED).content or "")
    if unknown:
        raise NodeError(
            f"locale {', '.join(unknown)} is unknown here, expected one of {SUPPORTED}, such as en_US.UTF-8"
        )
    if not missing or module.check_mode:
        return missing
    if content != before.content:
        diff.append(root_files.diff(LIST, before, content, MODE))
        root_files.replace(module, LIST, content, MODE)
    code, out, error = module.run_command(["locale-gen"])
    left = [] if code else locales.missing(missing, present(module))
    if code or left:
        words = (error.strip() or out.strip())[-1000:]
        raise NodeError(f"locale-gen has not generated {', '.join(left or missing)}: {words or f'exit code {code}'}")
    return missing


def choose(module: AnsibleModule, diff: list[dict[str, str]]) -> None:
    """Set the line of the system's locale."""
    path, locale = module.params["path"], module.params["locale"]
    if not locale:
        return
    before = root_files.read(path)
    content = locales.with_line(before.content or "", module.params["key"], locale)
    if before.content == content and before.is_of_root(MODE):
        return
    diff.append(root_files.diff(path, before, content, MODE))
    if not module.check_mode:
        root_files.replace(module, path, content, MODE)


@failing(where="a file", remedy="expected a file that root can replace")
def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and change unless in check mode."""
    diff: list[dict[str, str]] = []
    generated = generate(module, diff)
    choose(module, diff)
    result: dict[str, Any] = {"changed": bool(generated or diff), "generated": generated, "diff": diff}
    if generated and module.check_mode and not os.path.exists(LIST):
        result["msg"] = f"Would be generated, once the package locales is there: {' '.join(generated)}"
    return result


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "locales": {"type": "list", "elements": "str", "default": []},
            "locale": {"type": "str", "default": ""},
            "path": {"type": "path", "default": "/etc/default/locale"},
            "key": {"type": "str", "default": "LANG", "no_log": False},  # the name of a setting
        },
        work,
    )


if __name__ == "__main__":
    main()
