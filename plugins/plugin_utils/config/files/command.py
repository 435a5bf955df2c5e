# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that reads the inventory: who shows its errors, and whether they end it."""

from __future__ import annotations

from ansible import constants, context


def runs_plays() -> bool:
    """Return whether the command runs plays, whose first one fails with the errors; others show them at once."""
    arguments = context.CLIARGS
    shows = ("listhosts", "listtasks", "listtags", "syntax")
    return "start_at_task" in arguments and not any(arguments.get(name) for name in shows)


def ends_on_errors() -> bool:
    """Return whether ansible-inventory ends on an inventory that can't be read, as its settings say.

    Without them Ansible goes on without hosts. Programs that read an inventory by themselves find the errors in it.
    """
    if "export" not in context.CLIARGS:
        return False
    settings = ("INVENTORY_UNPARSED_IS_FAILED", "INVENTORY_ANY_UNPARSED_IS_FAILED")
    return any(bool(getattr(constants, name)) for name in settings)
