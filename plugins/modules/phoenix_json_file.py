#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_json_file
short_description: Merge keys into a JSON object in a file
version_added: 0.1.0
description:
  - Objects are merged key by key, V(null) removes a key, any other value replaces the one of the file. Other keys stay,
    since another program or role may have set them.
  - A file that says the same already is not rewritten, whatever its layout. One that holds no JSON object is refused.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  path:
    description: The file. Its folder is made where it is missing.
    type: path
    required: true
  merge:
    description: The keys.
    type: dict
    required: true
  validate:
    description: How the new file is checked first, as O(phoenix.hypervisor.phoenix_files#module:files[].validate).
    type: str
  reference:
    description: A file that the program which reads O(path) writes at its start, such as C(/run/example.pid).
    type: path
"""

EXAMPLES = r"""
- name: Let the daemon keep small logs
  phoenix.hypervisor.phoenix_json_file:
    path: /etc/example/daemon.json
    merge:
      log-opts:
        max-size: 10m
      log-driver: null
"""

RETURN = r"""
exists:
  description: Whether there was a file.
  returned: success
  type: bool
differs:
  description: Whether the file said something else.
  returned: success
  type: bool
restart_due:
  description:
    - Whether the program that wrote O(reference) at its start has not read the file as it is now. Compared by times of
      change, so that a restart that a killed run owed is made up for.
  returned: success
  type: bool
before:
  description: The whole text of the file before, to restore it from. Empty without one.
  returned: success
  type: str
value:
  description: The object that the file holds now, or would in check mode.
  returned: success
  type: dict
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import json_merge
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import root_files


def changed_at(path: str) -> int:
    """Return the time of the last change of a file in nanoseconds; 0 without one."""
    return os.stat(path).st_mtime_ns if os.path.exists(path) else 0


def work(module: AnsibleModule) -> dict[str, Any]:
    """Merge, and write unless in check mode."""
    path = module.params["path"]
    with failing(where=path, remedy="expected a file that root can replace"):
        return keep(module, path)


def keep(module: AnsibleModule, path: str) -> dict[str, Any]:
    """Merge, and write unless in check mode. Raises OSError."""
    seen = root_files.read(path)
    before = seen.content or ""
    try:
        present = json_merge.parse(before)
    except json_merge.NoObjectError as error:
        raise NodeError(
            f"{path} holds no JSON object ({error}): expected one, to merge keys into. Correct or remove the file. "
            "It is not changed."
        ) from None
    value = json_merge.merged(present, module.params["merge"])
    # An empty object needs no file.
    changed = value != present
    if changed and not module.check_mode:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        root_files.replace(module, path, json_merge.text(value), 0o644, module.params["validate"])
    started = changed_at(module.params["reference"]) if module.params["reference"] else 0
    due = bool(started) and (changed or changed_at(path) > started)
    return {
        "changed": changed,
        "exists": seen.mode is not None,
        "differs": changed,
        "restart_due": due,
        "before": before,
        "value": value,
        "diff": [root_files.diff(path, seen, json_merge.text(value), 0o644)] if changed else [],
    }


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "path": {"type": "path", "required": True},
            "merge": {"type": "dict", "required": True},
            "validate": {"type": "str"},
            "reference": {"type": "path"},
        },
        work,
    )


if __name__ == "__main__":
    main()
