# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`firewall` of `hypervisor_config.json` in one form: what phoenix_pve_firewall is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OPTIONS = {
    "enabled": "enable",
    "default_input_policy": "policy_in",
    "default_output_policy": "policy_out",
    "default_forward_policy": "policy_forward",
}
_NODE_OPTIONS = {"enabled": "enable", "nftables": "nftables"}


def firewall(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` and `rules` by level, `groups`, `ipsets`, `aliases`, `management`; {} without a firewall.

    `entry_comments` has the comments of a set's entries, by the set's name.

    An empty firewall is {} too: it undoes what was set, the rules that keep the ways in open included.
    """
    given = config.get("firewall")
    if not given:
        return {}
    node = given.get("node") or {}
    return {
        "options": {
            "datacenter": {pve: given[key] for key, pve in _OPTIONS.items() if key in given},
            "node": {pve: node[key] for key, pve in _NODE_OPTIONS.items() if key in node},
        },
        "rules": {"datacenter": list(given.get("rules", ())), "node": list(node.get("rules", ()))},
        "groups": {name: list(rules) for name, rules in (given.get("groups") or {}).items()},
        "ipsets": {
            name: [set_entry_text(one) for one in entries] for name, entries in (given.get("ipsets") or {}).items()
        },
        "entry_comments": {
            name: {
                set_entry_text(one): one["comment"] for one in entries if isinstance(one, Mapping) and "comment" in one
            }
            for name, entries in (given.get("ipsets") or {}).items()
        },
        "aliases": {
            name: {"cidr": value} if isinstance(value, str) else dict(value)
            for name, value in (given.get("aliases") or {}).items()
        },
        "management": list(given.get("management", ())),
    }


def set_entry_text(one: Any) -> str:
    """An entry of an IP set as text: its address, with a `!` in front where it is not in the set."""
    if not isinstance(one, Mapping):
        return str(one)
    cidr = str(one.get("cidr"))
    return f"!{cidr}" if one.get("nomatch") and not cidr.startswith("!") else cidr
