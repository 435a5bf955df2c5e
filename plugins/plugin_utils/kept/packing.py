# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection whose tasks take the packed modules of earlier runs, and keep what they pack.

Plays of users have no action plugin of this collection that would do it for them.
"""

from __future__ import annotations

from . import packed


class Packing:
    """What a connection plugin that moves modules has before Ansible's own class."""

    @property
    def module_implementation_preferences(self) -> tuple[str, ...]:
        """Return the endings of modules. Ansible asks for them when it is about to pack one."""
        packed.lay()
        return ("",)

    def keep_packed(self) -> None:
        """Keep what Ansible has packed for this task, if anything."""
        packed.keep_new()
