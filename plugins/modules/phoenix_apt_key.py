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
  - The file is written only when each of its keys has one of the expected fingerprints. So it does not matter how the
    key came, and a server that was taken over can't bring a key of its own.
  - Needs neither gpg nor anything else beside Python.
  - C(ansible.builtin.deb822_repository) takes an address as O(ignore:signed_by) too, and trusts whatever it gets there.
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

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.credentials import openpgp
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import ending


def download(url: str, timeout: int) -> bytes:
    """Return what lies at an address, bounded. Raises OSError."""
    with open_url(url, timeout=timeout) as answer:
        return bytes(answer.read(openpgp.MAX_BYTES + 1))


def judged(data: bytes, expected: list[str] | None, where: str) -> tuple[bytes, list[str]]:
    """Return the packets of a key file and its fingerprints. Raises KeyFileError when any is not expected.

    None as `expected` takes any key.
    """
    try:
        packets = openpgp.binary(data)
        found = openpgp.primary_fingerprints(packets)
    except openpgp.KeyFileError as error:
        raise openpgp.KeyFileError(f"{where} is not a key for apt: {error}") from error
    foreign = [item for item in found if expected is not None and item not in expected]
    if expected is not None and foreign:
        raise openpgp.KeyFileError(
            f"{where} holds the key {', '.join(foreign)}; expected {' or '.join(expected) or 'none'}. Compare it with "
            "what the repository's owner publishes, and set the fingerprint if it is right. Nothing has been changed."
        )
    return packets, found


def same(path: str, data: bytes) -> bool:
    """Whether a file holds this."""
    try:
        with open(path, "rb") as file:
            return file.read(len(data) + 1) == data
    except FileNotFoundError:
        return False


def write(module: AnsibleModule, path: str, data: bytes) -> None:
    """Write the file, whole or not at all."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.chmod(temporary, 0o644)  # apt reads it as another user
    module.atomic_move(temporary, path)


@ending.in_words
def main() -> None:
    """Module entry point."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str"},
            "content": {"type": "str"},
            "fingerprints": {"type": "list", "elements": "str", "no_log": False},  # public
            "dest": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 30},
        },
        mutually_exclusive=[("url", "content")],
        required_one_of=[("url", "content")],
        required_by={"url": ["fingerprints"]},
        supports_check_mode=True,
    )
    params = module.params
    where = params["url"] or "content"
    try:
        named = params["fingerprints"]
        expected = None if named is None else [openpgp.normal(item) for item in named]
        given = params["content"].encode() if params["content"] else download(params["url"], params["timeout"])
        packets, found = judged(given, expected, where)
        changed = not same(params["dest"], packets)
        if changed and not module.check_mode:
            write(module, params["dest"], packets)
    except openpgp.KeyFileError as error:
        module.fail_json(msg=str(error), refused=True)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{where}: the key can't be had: {error}")
    module.exit_json(changed=changed, path=params["dest"], fingerprints=found)


if __name__ == "__main__":
    main()
