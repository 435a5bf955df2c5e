#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_initramfs
short_description: Update the initramfs where it is older than the files that it copies
version_added: 0.1.0
description:
  - Compares by times of change rather than by what this run has changed. So the next run makes up for an update that a
    killed run left undone.
  - Does nothing on a machine without update-initramfs.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  files:
    description: The files that the initramfs copies.
    type: list
    elements: path
    required: true
  due:
    description: Whether this run has changed them, or would have in check mode.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Update the initramfs
  phoenix.hypervisor.phoenix_initramfs:
    files: [/etc/modprobe.d/zfs.conf]
"""

RETURN = r"""
image:
  description: The image that was compared, that of the running kernel or else the latest one. Empty without any.
  returned: success
  type: str
"""

import glob
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError

TOOL = "/usr/sbin/update-initramfs"
IMAGES = "/boot/initrd.img-"


def changed_at(path: str) -> int | None:
    """Return the time of the last change of a file in nanoseconds, None for one that is missing."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def judged_image() -> str:
    """Return the image of the running kernel, else the one that was written last, else an empty text."""
    own = IMAGES + os.uname().release
    if os.path.exists(own):
        return own
    return max(glob.glob(f"{IMAGES}*"), key=lambda path: changed_at(path) or 0, default="")


def is_older(image: str, files: list[str]) -> bool:
    """Return whether an image is older than any of the files."""
    made = changed_at(image) if image else None
    times = [changed for changed in map(changed_at, files) if changed is not None]
    return made is not None and bool(times) and made < max(times)


def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and update unless in check mode."""
    image = judged_image()
    due = os.path.exists(TOOL) and (module.params["due"] or is_older(image, module.params["files"]))
    if due and not module.check_mode:
        code, out, error = module.run_command([TOOL, "-u", "-k", "all"])
        if code:
            raise NodeError(
                f"{TOOL} ended with {code}: {(error.strip() or out.strip())[-2000:]}. Correct what it names, "
                "then run again: the initramfs is updated then."
            )
    diff = {"prepared": "update-initramfs -u -k all\n"} if due else {}
    return {"changed": due, "image": image, **({"diff": diff} if due else {})}


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "files": {"type": "list", "elements": "path", "required": True},
            "due": {"type": "bool", "default": False},
        },
        work,
    )


if __name__ == "__main__":
    main()
