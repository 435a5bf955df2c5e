#!/usr/bin/python
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_apt_key
short_description: Install the signing key of a package repository, verified by its fingerprint
version_added: 0.1.0
description:
  - Downloads the key of a repository, or takes it as text, and writes it to a file for C(Signed-By) of apt's sources.
  - Writes the file only when each of its keys has one of the expected fingerprints. So a compromised server cannot
    supply a key of its own.
  - Needs neither gpg nor anything else beside Python.
  - C(ansible.builtin.deb822_repository) also accepts an address as O(ignore:signed_by), and trusts any key from
    there.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
attributes:
  diff_mode:
    support: none
    description: The file is binary.
options:
  url:
    description: Address of the key, C(https), C(http) or C(file), in ASCII armor or binary.
    type: str
  content:
    description: The key itself, in ASCII armor.
    type: str
  fingerprints:
    description:
      - The fingerprints of the primary keys that the file may hold, 40 or 64 hexadecimal digits each.
      - The file must hold at least one of them, and no other key.
      - Required with O(url). With O(content) alone, whoever wrote the task has chosen the key.
    type: list
    elements: str
  dest:
    description: The file to write, binary, readable for everybody. Its folder is made when it is missing.
    type: path
    required: true
  timeout:
    description: Seconds that the server may be silent.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Keep the key of a repository
  phoenix.hypervisor.phoenix_apt_key:
    url: https://apt.example.org/key.asc
    fingerprints: [0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567]
    dest: /etc/apt/keyrings/example.gpg
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
fingerprints:
  description: The fingerprints of its keys.
  returned: success
  type: list
  elements: str
refused:
  description: The key was read and is not the expected one, so that another try is useless.
  returned: failure
  type: bool
"""


from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import apt_keys


def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and write unless in check mode."""
    params = module.params
    with failing("the key can't be had", where=params["url"] or "content", kinds=(OSError, ValueError)):
        key = apt_keys.keep(
            module, params["dest"], params["url"], params["content"], params["fingerprints"], params["timeout"]
        )
    return {"changed": key.changed, "path": params["dest"], "fingerprints": key.fingerprints}


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "url": {"type": "str"},
            "content": {"type": "str"},
            "fingerprints": {"type": "list", "elements": "str", "no_log": False},  # public
            "dest": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 30},
        },
        work,
        mutually_exclusive=[("url", "content")],
        required_one_of=[("url", "content")],
        required_by={"url": ["fingerprints"]},
    )


if __name__ == "__main__":
    main()
