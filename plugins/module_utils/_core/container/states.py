# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The states of a container, the words of the specification, and their order."""

from __future__ import annotations

DEFINED = "defined"
CREATED = "created"
CONFIGURED = "configured"
RUNNING = "running"
CUSTOMIZING = "customizing"
COMPLETED = "completed"
ABSENT = "absent"

STATES = (DEFINED, CREATED, CONFIGURED, RUNNING, CUSTOMIZING, COMPLETED)
TARGETS = (*STATES, ABSENT)


def rank(state: str | None) -> int:
    """Position of a state on the way to completed; -1 for an unknown word."""
    return STATES.index(state) if state in STATES else -1


def parse_word(text: str | None) -> str | None:
    """The state word of a state file's text, or None when the file is lost, empty, truncated or from the future."""
    lines = (text or "").split("\n")
    word = lines[0].strip()
    return word if word in STATES else None
