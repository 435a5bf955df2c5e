#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_packages
short_description: Install the packages of Debian or Ubuntu that are missing
version_added: 0.1.0
description:
  - Reads the installed packages from dpkg, and calls apt only for missing ones. So a settled machine takes one short
    call, and check mode reports the missing packages also where apt knows no source of them yet.
  - Fails without apt, before it changes anything.
  - An action plugin of the same name runs M(ansible.builtin.apt) for the missing packages, with its retries.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  name:
    description:
      - The packages, as V(name), V(name:architecture) or either with V(=version), in which C(*) stands for any text.
      - An empty list only makes sure that this is Debian or Ubuntu.
    type: list
    elements: str
    default: []
  fetch_lists:
    description: Whether the package lists are fetched where nothing is missing too. This is no change.
    type: bool
    default: false
  refresh:
    description: Whether the package lists are fetched however fresh they are, such as after a change of sources.
    type: bool
    default: false
  cache_valid_time:
    description: Seconds for which package lists count as fresh.
    type: int
    default: 3600
  lock_timeout:
    description: Seconds to wait for the lock of apt and dpkg.
    type: int
    default: 300
  retries:
    description: How often a failed installation is tried again, after O(delay) seconds.
    type: int
    default: 3
  delay:
    description: Seconds between two attempts.
    type: int
    default: 5
  install_recommends:
    description: Whether recommended packages are installed too. By default apt's configuration decides.
    type: bool
  allow_downgrade:
    description: Whether a version may be older than the installed one.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Install packages
  phoenix.hypervisor.phoenix_packages:
    name: [curl, "tzdata=2025*"]
    install_recommends: false
"""

RETURN = r"""
missing:
  description: The packages that were missing. A run installs them.
  returned: success
  type: list
  elements: str
has_lists:
  description: Whether apt had any package list.
  returned: success
  type: bool
attempts:
  description: How often apt was run.
  returned: success, when apt was run
  type: int
"""

import glob
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_packages
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError

LISTS = "/var/lib/apt/lists/*_Packages*"
OTHER_FAMILY = (
    "This machine has no apt-get or no dpkg-query: got a system of another family, expected Debian or Ubuntu. Nothing "
    "has been changed. Use a template or a host of these."
)


def work(module: AnsibleModule) -> dict[str, Any]:
    """Ask dpkg."""
    query = module.get_bin_path("dpkg-query")
    if query is None or module.get_bin_path("apt-get") is None:
        raise NodeError(OTHER_FAMILY)
    text = ""
    if module.params["name"]:
        code, text, error = module.run_command([query, "--show", f"--showformat={apt_packages.FORMAT}"])
        if code:
            raise NodeError(f"dpkg-query failed: {error.strip()[-500:] or f'exit code {code}'}")
    lacking = apt_packages.missing(module.params["name"], apt_packages.installed(text))
    return {"changed": False, "missing": lacking, "has_lists": bool(glob.glob(LISTS))}


def main() -> None:
    """Module entry point."""
    run_module(apt_packages.OPTIONS, work)


if __name__ == "__main__":
    main()
