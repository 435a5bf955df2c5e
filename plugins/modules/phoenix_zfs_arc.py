#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_zfs_arc
short_description: Limit the memory of the ZFS cache, now and at boot
version_added: 0.1.0
description:
  - Keeps C(zfs_arc_max) in C(/etc/modprobe.d/zfs.conf), beside whatever else that file says, and sets the limit in
    force where the kernel module is loaded.
  - With the root on ZFS the module is loaded from the initramfs, which M(phoenix.hypervisor.phoenix_initramfs) updates.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  limit:
    description: The limit in bytes.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Limit the ARC to 16 GiB
  phoenix.hypervisor.phoenix_zfs_arc:
    limit: 17179869184
"""

RETURN = r"""
file:
  description: The file of the limit at boot.
  returned: success
  type: str
file_changed:
  description: Whether that file was changed, or would be in check mode.
  returned: success
  type: bool
in_force:
  description: The limit that was in force, empty where the kernel module is not loaded.
  returned: success
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import arc_limit
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import root_files

FILE = arc_limit.FILE
IN_FORCE = f"/sys/module/zfs/parameters/{arc_limit.PARAMETER}"


def limit_in_force() -> str:
    """Return the limit that counts now, empty where the kernel module is not loaded."""
    try:
        with open(IN_FORCE, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


@failing(where=FILE, remedy="expected a limit that the node accepts")
def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and set unless in check mode."""
    limit = module.params["limit"]
    before, now = root_files.read(FILE), limit_in_force()
    wanted = arc_limit.with_limit(before.content or "", limit)
    file_changed = wanted != before.content
    due = now not in ("", str(limit))
    diff = [root_files.diff(FILE, before, wanted, 0o644)] if file_changed else []
    if due:
        change = {"before_header": IN_FORCE, "after_header": IN_FORCE, "before": f"{now}\n", "after": f"{limit}\n"}
        diff.append(change)
    if file_changed and not module.check_mode:
        root_files.replace(module, FILE, wanted, 0o644)
    if due and not module.check_mode:
        with open(IN_FORCE, "w", encoding="ascii") as file:
            file.write(str(limit))
    return {"changed": file_changed or due, "file": FILE, "file_changed": file_changed, "in_force": now, "diff": diff}


def main() -> None:
    """Module entry point."""
    run_module({"limit": {"type": "int", "required": True}}, work)


if __name__ == "__main__":
    main()
