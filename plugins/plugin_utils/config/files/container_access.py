# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How containers are reached: through their node, or over SSH by its entry `guest_ssh`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from ansible.template import trust_as_template

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents import guest_entry

_ADDRESS = trust_as_template(
    "{{ hostvars[phoenix_node]['ansible_host'] | default(phoenix_nodes[phoenix_node]['ansible_host']) "
    "| default(phoenix_node) }}"
)
_FROM_NODE = {
    key: trust_as_template(
        f"{{{{ hostvars[phoenix_node]['{key}'] | default(phoenix_nodes[phoenix_node]['{key}']) | default('') }}}}"
    )
    for key in (
        "ansible_port",
        "ansible_user",
        "ansible_ssh_private_key_file",
        "ansible_ssh_common_args",
        "ansible_ssh_extra_args",
        "ansible_password",
    )
}
"""How the node is reached is how its containers are: only for what the node's entry says. A run may lack the node."""

MOST = 16384
"""Bytes of a file with a public key."""


def entry(given: Mapping[str, Any], node: str, source: str) -> tuple[dict[str, Any], str]:
    """Return the entry with absolute paths and the public key, and why that is not known; '' where it is.

    Args:
        given: the entry, which has no fault of its own.
        node: the node's name.
        source: the path of the inventory source.
    """
    found: dict[str, Any] = {"port": guest_entry.PORT}
    found.update((key, value) for key, value in given.items() if key in guest_entry.KEYS and value is not None)
    ident = hashlib.sha256(os.path.abspath(source).encode()).hexdigest()[:8]
    found["ident"] = f"{node}-{ident}"
    private = str(found.get("private_key_file") or "")
    if private and "{{" not in private:
        private = os.path.join(os.path.dirname(os.path.abspath(source)), os.path.expanduser(private))
        found["private_key_file"] = private
    problem = ""
    if not found.get("public_key"):
        try:
            with open(f"{private}.pub", encoding="utf-8") as file:
                found["public_key"] = file.read(MOST)
        except (OSError, ValueError) as error:
            problem = f"{private}.pub can't be read: {getattr(error, 'strerror', None) or error}"
    words = str(found.get("public_key") or "").split()
    found["public_key"] = " ".join(words[:2])
    if not problem and any(guest_entry.faults({"public_key": found["public_key"]}, (), True)):
        problem = f"{private}.pub has no public SSH key"
    return found, problem


def with_key(config: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a container, which gets the key of its node where it is created from a template."""
    key = (node.get(guest_entry.VARIABLE) or {}).get("public_key")
    known = list(config.get("ssh_public_keys") or ())
    copied = config.get("clone_from_ctid") is not None or config.get("restore_from") is not None
    if not key or copied or any(str(one).split()[:2] == key.split() for one in known):
        return dict(config)
    return {**config, "ssh_public_keys": [*known, key]}


def variables_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables by which a container of a node is reached."""
    inside = node.get(guest_entry.VARIABLE)
    if not inside:
        local = node.get("ansible_connection") in ("local", "ansible.builtin.local")
        own = {key: value for key, value in _FROM_NODE.items() if key in node}
        return {"ansible_host": _ADDRESS, **own, **({"phoenix_pct_transport": "local"} if local else {})}
    found = {
        "phoenix_pct_transport": "guest",
        "phoenix_guest_ssh": dict(inside),
        "ansible_user": "root",
        "ansible_port": inside["port"],
        "ansible_ssh_private_key_file": inside.get("private_key_file"),
        "ansible_ssh_common_args": inside.get("common_args"),
    }
    return {key: value for key, value in found.items() if value is not None}
