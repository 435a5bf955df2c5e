#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_system_passwords
short_description: Manage the passwords of system accounts
version_added: 0.1.0
description:
  - Sets the password of an account, given as a hash, only when it differs from the one in C(/etc/shadow).
  - M(ansible.builtin.user) passes a hash to useradd and usermod as an argument, which every user on the node can
    read. Here chpasswd reads it from its input, and no result, diff or log has it. One task sets all passwords, so
    that no loop shows them.
  - A password that somebody has locked on the node (C(usermod --lock)) stays locked, and is reported in RV(notes).
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  hashes:
    description:
      - Hashes by account, as crypt(3) makes them. One that begins with C(!) or C(*) locks the password.
      - An account that is not named keeps what it has.
    type: dict
    required: true
  accounts_to_come:
    description: Accounts that a run of the tasks before this one makes. In check mode they may be missing.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Keep the password of an account
  phoenix.hypervisor.phoenix_system_passwords:
    hashes:
      admin: "{{ vault_admin_password_hash }}"
"""

RETURN = r"""
set:
  description: The accounts whose password was set, or would be in check mode.
  returned: success
  type: list
  elements: str
notes:
  description: Accounts whose password is locked on the node, and was left so.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.credentials import shadow
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing

FILE = "/etc/shadow"


@failing("the passwords of system accounts can't be compared")
def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and set unless in check mode."""
    hashes = {name: str(text) for name, text in module.params["hashes"].items()}
    for name, text in hashes.items():
        if not text or any(letter in ":\n\r\0" for letter in name + text):
            raise NodeError(f"the password hash of {name!r} is not what crypt(3) makes; nothing has been changed")
    with open(FILE, encoding="utf-8", errors="replace") as source:
        known = shadow.parse(source.read())
    to_come = module.params["accounts_to_come"] if module.check_mode else []
    missing = [name for name in hashes if name not in known and name not in to_come]
    if missing:
        raise NodeError(
            f"{FILE} has no account {', '.join(missing)}: it is somewhere else (LDAP?), and so has its password to "
            "be set there. Take password_hash out of the file. Nothing has been changed"
        )
    verdicts = {name: shadow.judge(known.get(name), text) for name, text in hashes.items()}
    due = [name for name, verdict in verdicts.items() if verdict == "set"]
    notes = [
        f"the password of {name} is locked on the node, and left so; to set it again: usermod --unlock {name}"
        for name, verdict in verdicts.items()
        if verdict == "locked"
    ]
    for note in notes:
        module.warn(note)
    if due and not module.check_mode:
        command = [module.get_bin_path("chpasswd", required=True, opt_dirs=["/usr/sbin"]), "--encrypted"]
        given = shadow.lines({name: hashes[name] for name in due})
        # As binary data, so that no second end of line follows the last: chpasswd refuses an empty line.
        code, _out, error = module.run_command(command, data=given.encode(), binary_data=True)
        if code:  # its own words name accounts and lines of its input, never what stands in them
            raise NodeError(f"chpasswd: {error.strip()[-500:] or f'exit code {code}'}")
    return {
        "changed": bool(due),
        "set": due,
        "notes": notes,
        "diff": {"prepared": "".join(f"set the password of {name}\n" for name in due)},
    }


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "hashes": {"type": "dict", "required": True, "no_log": True},
            "accounts_to_come": {"type": "list", "elements": "str", "default": []},
        },
        work,
    )


if __name__ == "__main__":
    main()
