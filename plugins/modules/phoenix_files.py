#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_files
short_description: Manage small files of root, and folders, all of them in one call
version_added: 0.1.0
description:
  - Writes the files that differ, and removes those that are not wanted. Each is replaced as a whole; root owns it.
  - M(ansible.builtin.copy) takes five calls for a file that is right already, this one call for all of them.
  - Makes folders for other users. It follows a link on their way only where root alone can have set it, because a guest
    sets links in a folder that is its mount. A folder with content keeps owner and mode.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  files:
    description: The files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - Where it lies. In check mode the folder may be missing, since an earlier task of a real run makes it.
        type: path
        required: true
      content:
        description: The whole text.
        type: str
        required: true
      mode:
        description: Its mode, as an octal number.
        type: str
        default: "0644"
      validate:
        description:
          - A command that ends with 0 when the new file is fine, with C(%s) in the place of its path. The file is
            written only then. Not run in check mode.
        type: str
  folders:
    description: The folders. Those above that are missing are made in the same way.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it is.
        type: path
        required: true
      owner:
        description: The number of its user.
        type: int
        required: true
      group:
        description: The number of its group.
        type: int
        required: true
      mode:
        description: The mode of a folder that it makes or finds empty, as an octal number.
        type: str
        required: true
  absent:
    description: The paths of the files to remove.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Write the drop-in of an account
  phoenix.hypervisor.phoenix_files:
    files:
      - path: /etc/sudoers.d/phoenix_admin
        content: "admin ALL=(ALL:ALL) ALL\n"
        mode: "0440"
        validate: /usr/sbin/visudo -cf %s
    absent: [/etc/sudoers.d/phoenix_former]
"""

RETURN = r"""
written:
  description: The files that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
made:
  description: The folders that were made, or got another owner or mode. Empty in check mode.
  returned: success
  type: list
  elements: str
removed:
  description: The files that were removed, or would be in check mode.
  returned: success
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import madefolders
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import root_files

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0644"},
    "validate": {"type": "str"},
}

FOLDER = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "int", "required": True},
    "group": {"type": "int", "required": True},
    "mode": {"type": "str", "required": True},
}


def modes(module: AnsibleModule) -> dict[str, int]:
    """Return the mode of each file and folder. Raises NodeError where one is no octal number."""
    found = {}
    for one in (*module.params["files"], *module.params["folders"]):
        try:
            found[one["path"]] = int(one["mode"], 8)
        except ValueError:
            raise NodeError(
                f'mode of "{one["path"]}": got "{one["mode"]}", expected an octal number such as "0644"'
            ) from None
    return found


@failing(where="a file", remedy="expected a file that root can replace")
def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and write unless in check mode."""
    octal = modes(module)
    written, removed, diff = [], [], []
    made = [] if module.check_mode else [one["path"] for one in module.params["folders"] if _settle(one, octal)]
    for one in module.params["files"]:
        path, content = one["path"], one["content"]
        before = root_files.read(path)
        if before.content == content and before.is_of_root(octal[path]):
            continue
        written.append(path)
        diff.append(root_files.diff(path, before, content, octal[path]))
        if not module.check_mode:
            root_files.replace(module, path, content, octal[path], one["validate"])
    for path in module.params["absent"]:
        before = root_files.read(path)
        if before.mode is None:
            continue
        removed.append(path)
        diff.append(root_files.diff(path, before, None, None))
        if not module.check_mode:
            os.unlink(path)
    changed = bool(made or written or removed)
    return {"changed": changed, "made": made, "written": written, "removed": removed, "diff": diff}


def _settle(folder: dict[str, Any], octal: dict[str, int]) -> bool:
    return madefolders.settle(folder["path"], folder["owner"], folder["group"], octal[folder["path"]])


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "files": {"type": "list", "elements": "dict", "options": FILE, "default": []},
            "folders": {"type": "list", "elements": "dict", "options": FOLDER, "default": []},
            "absent": {"type": "list", "elements": "path", "default": []},
        },
        work,
    )


if __name__ == "__main__":
    main()
