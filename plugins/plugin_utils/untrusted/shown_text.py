# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text that a container's root has written, before a person reads it."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.guesttext import CONTROLS, REPLACEMENT


def printable(text: str, limit: int = 65536) -> str:
    """Return a text that no terminal takes for a command: control characters replaced, at most `limit` characters."""
    return CONTROLS.sub(REPLACEMENT, shortened(text, limit))


def one_line(text: str, limit: int = 200) -> str:
    """Return the same as one line, for a list of names or a reason."""
    return " ".join(printable(text, limit).split())


def shortened(text: str, limit: int) -> str:
    """Return a text cut to a length, with a mark where it was cut."""
    return text if len(text) <= limit else text[: limit - 3] + "..."
