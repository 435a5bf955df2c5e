# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: what phoenix_lxc_info observed, as a table for people."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: status_table
short_description: Format observed containers as lines of a table
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Turns C(containers) of M(phoenix.hypervisor.phoenix_lxc_info) into aligned lines.
positional: _input, unobserved
options:
  _input:
    description: Observed containers by CTID.
    type: dict
    required: true
  unobserved:
    description: The containers that could not be observed, each with the reason. Their state is V(unknown).
    type: dict
"""

EXAMPLES = r"""
- name: Show the containers of a node
  ansible.builtin.debug:
    msg: "{{ observed.containers | phoenix.hypervisor.status_table }}"
"""

RETURN = r"""
_value:
  description: The table, one line an element, the head first.
  type: list
  elements: str
"""

HEAD = ("CTID", "NAME", "STATE", "ADDRESS", "FEATURES", "TO DO")


def _row(ctid: str, seen: dict[str, Any]) -> tuple[str, ...]:
    plan = seen.get("plan") or {}
    todo = plan.get("error") or ", ".join(f"{step['kind']} {step['name']}".strip() for step in plan.get("steps", []))
    state = seen.get("state") or seen.get("recorded_state") or ("absent" if not seen.get("exists") else "not ours")
    if plan.get("error") and seen.get("exists") and seen.get("ours") is False:
        state = "not ours"
    notes = [f"waits for a restart: {key}" for key in plan.get("waiting", [])] + list(plan.get("notes", []))
    return (
        str(ctid),
        str(seen.get("hostname") or seen.get("name") or "-"),
        str(state),
        str(seen.get("address") or "-"),
        ",".join(seen.get("features") or []) or "-",
        "; ".join([todo, *notes] if todo else notes) or "-",
    )


def status_table(containers: dict[str, Any], unobserved: dict[str, str] | None = None) -> list[str]:
    """Observed containers, and why others are not -> lines."""
    unknown = {
        ctid: {"state": "unknown", "plan": {"error": " ".join(why.split())}} for ctid, why in (unobserved or {}).items()
    }
    known = {ctid: seen for ctid, seen in containers.items() if ctid not in unknown}
    every = {**known, **unknown}
    rows = [HEAD, *(_row(ctid, every[ctid]) for ctid in sorted(every, key=int))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"status_table": status_table}
