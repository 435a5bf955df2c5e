#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_pve_access
short_description: Manage users, groups, roles, permissions and a token of Proxmox VE
version_added: 0.1.0
description:
  - Adds and corrects the given objects in one call. It leaves other objects unchanged and removes nothing.
  - PVE shows the secret of a token once. It goes from the control plane into O(token.file) on the node without
    passing through Ansible.
  - C(proxmox_user) of community.proxmox and its neighbors need proxmoxer and a password or token, have none
    for tokens, and lack the one for roles before version 2; this module needs nothing on the node.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  groups:
    description: Groups, each with C(groupid) and perhaps C(comment).
    type: list
    elements: dict
    default: []
  roles:
    description: Roles, each with C(roleid) and its complete C(privs). The built-in roles can't be changed.
    type: list
    elements: dict
    default: []
  users:
    description:
      - Users, each with C(userid) (with its realm) and perhaps C(comment), C(email), C(firstname), C(lastname),
        C(enable), and C(groups), which is then complete.
    type: list
    elements: dict
    default: []
  passwords:
    description:
      - Passwords of users of the realm C(pve), by C(userid).
      - One is set when its user is made, and never compared.
    type: dict
    default: {}
  acls:
    description:
      - Permissions, each with C(path), C(role), one of C(user), C(group) and C(token), and perhaps C(propagate).
    type: list
    elements: dict
    default: []
  token:
    description: A token with separated privileges, which has only what O(acls) give to both it and its user.
    type: dict
    suboptions:
      userid:
        description: The user with its realm.
        type: str
        required: true
      tokenid:
        description: The token's name.
        type: str
        required: true
      comment:
        description: A comment.
        type: str
      file:
        description: The file on the node that keeps C(user@realm!name=secret), mode 0600, in a directory of mode 0700.
        type: path
        required: true
      renew:
        description: Whether an existing token is replaced by a new one. The old one ends.
        type: bool
        default: false
"""

EXAMPLES = r"""
- name: Keep an account for provisioning, with a token
  phoenix.hypervisor.phoenix_pve_access:
    users:
      - userid: phoenix@pve
    acls:
      - {path: /vms, role: PVEVMAdmin, user: phoenix@pve}
      - {path: /vms, role: PVEVMAdmin, token: phoenix@pve!provisioning}
    token:
      userid: phoenix@pve
      tokenid: provisioning
      file: /root/.phoenix_hypervisor/token
"""

RETURN = r"""
calls:
  description: The calls that were made, or would be in check mode, without secrets.
  returned: success
  type: list
  elements: str
notes:
  description: What differs and can't be changed.
  returned: success
  type: list
  elements: str
"""

import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import pve_access
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.apicalls import Kind
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.direct import client_for, make


def is_stored(token: dict[str, Any]) -> bool:
    """Whether the file holds the secret of this very token."""
    try:
        with open(token["file"], encoding="utf-8") as file:
            return file.read().startswith(f"{token['userid']}!{token['tokenid']}=")
    except OSError:
        return False


def prepare(path: str) -> None:
    """The folder, before the token is made: a secret that can't be kept is lost."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path)):
        pass


def store(path: str, text: str) -> None:
    """Write the file again, readable for root alone from its first byte."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".token-")  # mkstemp makes it 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)


@failing("the token's secret can't be kept")
def work(module: AnsibleModule) -> dict[str, Any]:
    """Compare, and call unless in check mode."""
    desired = {key: module.params[key] for key in ("groups", "roles", "users", "acls", "token")}
    for entry in desired["acls"]:
        if not entry.get("path") or not entry.get("role") or sum(bool(entry.get(k)) for k in pve_access.ACL_KINDS) != 1:
            raise NodeError(f"a permission needs path, role and one of user, group and token: {entry}")
    passwords = module.params["passwords"]
    desired["users"] = [{**user, "password": passwords.get(user.get("userid"))} for user in desired["users"]]
    token = desired["token"]
    if token:
        token["stored"] = is_stored(token)
    client = client_for(bool(passwords))
    actual = {
        "groups": client.request("GET", "/access/groups"),
        "roles": client.request("GET", "/access/roles"),
        "users": client.request("GET", "/access/users", {"full": 1}),
        "acls": client.request("GET", "/access/acl"),
    }
    plan = pve_access.plan(desired, actual)
    for note in plan.notes:
        module.warn(note)
    if not module.check_mode:
        for call in plan.calls:
            makes_token = call.kind is Kind.TOKEN
            if makes_token:
                prepare(token["file"])
            (answer,) = make(client, [call])
            if makes_token:
                module.no_log_values.add(str(answer["value"]))
                store(token["file"], f"{answer['full-tokenid']}={answer['value']}\n")
    return {
        "changed": bool(plan.calls),
        "calls": [call.text() for call in plan.calls],
        "notes": plan.notes,
        "diff": plan.diff(),
    }


def main() -> None:
    """Module entry point."""
    rows: dict[str, Any] = {"type": "list", "elements": "dict", "default": []}
    run_module(
        {
            "groups": rows,
            "roles": rows,
            "users": rows,
            "acls": rows,
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "token": {
                "type": "dict",
                "no_log": False,  # it holds names and a path; the secret never is a parameter
                "options": {
                    "userid": {"type": "str", "required": True},
                    "tokenid": {"type": "str", "required": True, "no_log": False},  # a name
                    "comment": {"type": "str"},
                    "file": {"type": "path", "required": True},
                    "renew": {"type": "bool", "default": False},
                },
            },
        },
        work,
    )


if __name__ == "__main__":
    main()
