# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of a fleet: the notes of containers that need no work, and the table of states."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.filter.settled_notes import settled_notes
from ansible_collections.phoenix.hypervisor.plugins.filter.status_table import status_table


def test_every_note_of_a_container_without_work_is_a_line():
    facts = {
        "phoenix_due": ["951"],
        "phoenix_observed": {
            "1000": {"hostname": "late", "plan": {"notes": ["held"], "waiting": []}},
            "950": {
                "hostname": "web",
                "plan": {"notes": ["feature x is no longer listed: left behind"], "waiting": ["cores"]},
            },
            "951": {"hostname": "busy", "plan": {"notes": ["printed by its own task"]}},
            "952": {"error": "not observed"},
        },
    }
    assert settled_notes([facts, {}]) == [
        "950 (web): feature x is no longer listed: left behind",
        "950 (web): waits for a restart: cores",
        "1000 (late): held",
    ]


def test_a_container_of_a_lost_node_is_a_row():
    head, known, unknown = status_table(
        {"950": {"exists": True, "hostname": "web", "state": "completed"}, "951": {"error": "x"}},
        {"951": "Container 951 is not touched: node pve is unreachable:\nrefused"},
    )
    assert head.startswith("CTID")
    assert known.split()[:3] == ["950", "web", "completed"]
    assert unknown.split()[:3] == ["951", "-", "unknown"]
    assert unknown.endswith("node pve is unreachable: refused")
