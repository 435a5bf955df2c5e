# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: which of the observed containers would be destroyed, where, and what goes with them."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: destroy_list
short_description: Containers to destroy, by node, with their volumes
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Turns the results of a loop of M(phoenix.hypervisor.phoenix_lxc_info) over nodes into a list of containers.
  - A container counts on the node that has it, or that remembers it although it is gone.
positional: _input
options:
  _input:
    description: The results of the loop, whose loop variable is C(phoenix_one_node).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: What would be lost
  ansible.builtin.debug:
    msg: "{{ phoenix_found.results | phoenix.hypervisor.destroy_list | map(attribute='text') }}"
"""

RETURN = r"""
_value:
  description: One element for each container, with C(node), C(ctid) and C(text).
  type: list
  elements: dict
"""


def destroy_list(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results of the loop -> containers."""
    found = []
    for result in results:
        node = result["phoenix_one_node"]
        for ctid, seen in sorted(result.get("containers", {}).items(), key=lambda item: int(item[0])):
            if not (seen["exists"] or seen["ours"] or seen["recorded_state"]):
                continue
            what = f"{seen.get('hostname') or 'no name'}, {'running' if seen['running'] else 'stopped'}"
            volumes = ", ".join(seen.get("volumes") or []) or "none"
            text = (
                f"{ctid} on {node}: {what}, volumes {volumes}"
                if seen["exists"]
                else f"{ctid} on {node}: only remembered"
            )
            found.append({"node": node, "ctid": int(ctid), "text": text})
    return found


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"destroy_list": destroy_list}
