#!/usr/bin/python
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_apt_source
short_description: Manage a package repository of apt together with its verified key
version_added: 0.1.0
description:
  - Keeps the key of the repository, verified by its fingerprint as M(phoenix.hypervisor.phoenix_apt_key) does, and then
    the source in C(/etc/apt/sources.list.d), which names that key.
  - M(ansible.builtin.deb822_repository) needs the package python3-debian, which a dry run can't install.
  - Package lists are not fetched. M(phoenix.hypervisor.phoenix_packages) does that.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.repeated
options:
  name:
    description: The name of the source, and of its file.
    type: str
    required: true
  state:
    description: Whether the source is to be there. Its key stays.
    type: str
    choices: [present, absent]
    default: present
  uri:
    description: The address of the repository. Required for V(present).
    type: str
  suites:
    description: Its suites. Required for V(present).
    type: list
    elements: str
  components:
    description: Its components. A suite that ends with a slash has none.
    type: list
    elements: str
    default: []
  key_url:
    description: The address of the key. Required for V(present).
    type: str
  key_fingerprints:
    description: The fingerprints that the key may have. Required for V(present).
    type: list
    elements: str
  keyring:
    description: The file of the key. By default it is C(/etc/apt/keyrings) with the name of the source.
    type: path
  retries:
    description: How often an attempt to fetch the key is repeated, after O(delay) seconds.
    type: int
    default: 3
"""

EXAMPLES = r"""
- name: Add the repository of an example
  phoenix.hypervisor.phoenix_apt_source:
    name: example
    uri: https://apt.example.org/debian
    suites: [stable]
    components: [main]
    key_url: https://apt.example.org/key.asc
    key_fingerprints: [0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567]
"""

RETURN = r"""
path:
  description: The file of the source.
  returned: success
  type: str
refused:
  description: The key was read and is not the expected one.
  returned: failure
  type: bool
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.credentials import openpgp
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_sources_text
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import apt_keys, root_files

PRESENT = ["uri", "suites", "key_url", "key_fingerprints"]


def key_changes(module: AnsibleModule, keyring: str) -> bool:
    """Keep the key, and return whether it differed.

    A dry run may lack what the download needs, such as the certificates that a real run installs first.
    """
    params = module.params
    retries = 0 if module.check_mode else params["retries"]
    fingerprints = params["key_fingerprints"]
    try:
        key = apt_keys.keep_persistently(module, keyring, params["key_url"], fingerprints, retries, params["delay"])
    except openpgp.KeyFileError:
        raise
    except (OSError, ValueError) as error:
        if not module.check_mode:
            raise
        module.warn(f"{params['key_url']}: the key is not compared, since it can't be fetched now: {error}")
        return not os.path.exists(keyring)
    return key.changed


def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and write unless in check mode."""
    with failing(f"the source {module.params['name']} can't be kept", kinds=(OSError, ValueError)):
        return keep(module)


def keep(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and write unless in check mode. Raises OSError, ValueError and KeyFileError."""
    params = module.params
    path = apt_sources_text.path(params["name"])
    before = root_files.read(path)
    if params["state"] == "absent":
        found = before.mode is not None
        if found and not module.check_mode:
            os.unlink(path)
        return {"changed": found, "path": path, "diff": [root_files.diff(path, before, None, None)] if found else []}
    keyring = params["keyring"] or f"/etc/apt/keyrings/{params['name']}.gpg"
    key_changed = key_changes(module, keyring)
    source = {key: params[key] for key in ("uri", "suites", "components")}
    content = apt_sources_text.text(params["name"], {**source, "signed_by": keyring}, "Written by phoenix.hypervisor")
    differs = before.content != content or not before.is_of_root(0o644)
    if differs and not module.check_mode:
        root_files.replace(module, path, content, 0o644)
    diff: list[dict[str, str]] = [{"prepared": f"write the key {keyring}\n"}] if key_changed else []
    diff += [root_files.diff(path, before, content, 0o644)] if differs else []
    return {"changed": key_changed or differs, "path": path, "diff": diff}


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "uri": {"type": "str"},
            "suites": {"type": "list", "elements": "str"},
            "components": {"type": "list", "elements": "str", "default": []},
            "key_url": {"type": "str", "no_log": False},  # public
            "key_fingerprints": {"type": "list", "elements": "str", "no_log": False},  # public
            "keyring": {"type": "path"},
            "retries": {"type": "int", "default": 3},
            "delay": {"type": "int", "default": 5},
        },
        work,
        required_if=[("state", "present", PRESENT)],
    )


if __name__ == "__main__":
    main()
