#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_samba_users
short_description: Manage the passwords of Samba accounts
version_added: 0.1.0
description:
  - Sets a password only when it differs from the one that Samba has, by a comparison of NT hashes on the node.
  - No password is in the arguments of a command, in a result or in a diff; smbpasswd reads it from its input. All go
    in one task, so that no loop shows them.
  - An account that was set from here and is no longer named is reported in RV(notes) and left.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  users:
    description: Names of the accounts. Each must be an account of the system.
    type: list
    elements: str
    default: []
  inventory:
    description: The id of the inventory that sets them.
    type: str
    default: default
  passwords:
    description: Passwords by name. An account without one keeps what it has.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Keep the passwords of two accounts
  phoenix.hypervisor.phoenix_samba_users:
    users: [alice, models]
    passwords: "{{ vault_samba_passwords }}"
"""

RETURN = r"""
set:
  description: The accounts whose password was set, or would be in check mode.
  returned: success
  type: list
  elements: str
notes:
  description: Accounts without a password, and such that are no longer named.
  returned: success
  type: list
  elements: str
record_due:
  description: Whether the node's record of whose passwords are set was another one.
  returned: success
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.credentials.nthash import nt_hash
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.ownership import UNKNOWN
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import claimed, samba


def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and set unless in check mode."""
    users, passwords = module.params["users"], module.params["passwords"]
    for name in users:
        text = passwords.get(name) or ""
        if not isinstance(text, str) or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
            raise NodeError(f"the Samba password of {name} must be text on one line; nothing has been changed")
    inventory = claimed.who(module)
    known, records = samba.hashes(), samba.remembered()
    before = [*(records.get(inventory) or ()), *(records.get(UNKNOWN) or ())]
    wrong = [name for name in users if passwords.get(name) and known.get(name) != nt_hash(passwords[name])]
    for name in wrong:
        owners = [one for one, names in sorted(records.items()) if name in names and one not in (inventory, UNKNOWN)]
        if owners and name in known:
            raise NodeError(
                f"samba: the password of {name} is set differently by the inventory {owners[0]} and by this one, "
                f"{inventory}. Give the account the same password in both, or remove it from one of them. "
                "Nothing has been changed."
            )
    bare = [name for name in users if not passwords.get(name) and name not in known]
    notes = [f"{name} has no Samba password, and none is given: it can't use a share" for name in bare]
    gone = [name for name in before if name not in users and name in known]
    notes += [
        f"{name} is no longer in the file and still has a Samba password; to remove it: smbpasswd -x {name}"
        for name in gone
    ]
    for note in notes:
        module.warn(note)
    mine = sorted({*gone, *(name for name in users if passwords.get(name))})
    kept = {one: names for one, names in {**records, UNKNOWN: [], inventory: mine}.items() if names}
    if not module.check_mode:
        # First what is about to be set: a run that is killed in between knows its accounts again.
        samba.remember(kept)
        for name in wrong:
            samba.set_password(name, passwords[name])
    lines = [f"{'change' if name in known else 'set'} the Samba password of {name}" for name in wrong]
    return {
        "changed": bool(wrong),
        "set": wrong,
        "notes": notes,
        "record_due": kept != records,
        "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
    }


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "users": {"type": "list", "elements": "str", "default": []},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "inventory": {"type": "str", "default": "default"},
        },
        work,
    )


if __name__ == "__main__":
    main()
