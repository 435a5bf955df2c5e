#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_runfile
short_description: Run the installer in a run file, and report why it failed
version_added: 0.1.0
description:
  - Runs a self-extracting installer. When it fails, the error has its words and the end of its log.
  - Runs it always. Use it only where something else is installed than wanted. In check mode nothing is run, and the
    file can be missing.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  path:
    description: The run file.
    type: path
    required: true
  arguments:
    description: Arguments of the installer.
    type: list
    elements: str
    default: []
  log:
    description: The log that the installer writes.
    type: path
    required: true
  installs:
    description: What it installs, for people.
    type: str
    required: true
  replaces:
    description: What it replaces, for people.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Install a driver
  phoenix.hypervisor.phoenix_runfile:
    path: /var/cache/driver.run
    arguments: [--silent]
    log: /var/log/driver-installer.log
    installs: driver 570.124.06
"""

RETURN = r"""
rc:
  description: The exit code of the installer.
  returned: when it was run
  type: int
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError

MOST_BYTES = 4000
LINES = 25


def end_of(path: str) -> str:
    """Return the last lines of a log; an installer that did not get as far has written none."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - MOST_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-LINES:])


def work(module: AnsibleModule) -> dict[str, Any]:
    """Run the installer unless in check mode. Raises NodeError where it fails."""
    params = module.params
    former = ", ".join(params["replaces"]) or "none"
    result: dict[str, Any] = {
        "changed": True,
        "diff": {"prepared": f"install {params['installs']} by its run file, instead of {former}\n"},
    }
    if module.check_mode:
        return result
    code, out, error = module.run_command(["/bin/sh", params["path"], *params["arguments"]])
    if code:
        words = (error.strip() or out.strip())[-MOST_BYTES:] or "it wrote nothing"
        log = end_of(params["log"])
        raise NodeError(
            f"The installer of {params['installs']} ended with {code}: {words}"
            + (f"\nIts log {params['log']} ends with:\n{log}" if log else ""),
            rc=code,
        )
    return {**result, "rc": code}


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "path": {"type": "path", "required": True},
            "arguments": {"type": "list", "elements": "str", "default": []},
            "log": {"type": "path", "required": True},
            "installs": {"type": "str", "required": True},
            "replaces": {"type": "list", "elements": "str", "default": []},
        },
        work,
    )


if __name__ == "__main__":
    main()
