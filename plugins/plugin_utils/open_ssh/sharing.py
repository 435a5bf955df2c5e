# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection plugin whose commands need no process of ssh while a connection to their host is open."""

from __future__ import annotations

import typing as t

from ansible.utils.display import Display

from . import sessions

display = Display()

DEBUGGED = 3
"""From this verbosity on Ansible shows the command line of each ssh."""

Result = tuple[int, bytes, bytes]


class Sharing:
    """What such a plugin has before Ansible's own class."""

    if t.TYPE_CHECKING:
        become: object
        get_option: t.Callable[..., t.Any]
        _play_context: t.Any

    def _bare_run(self, cmd: list[bytes], in_data: bytes | None, sudoable: bool = True, checkrc: bool = True) -> Result:
        """Run a command as the ssh plugin does."""
        # Without input, Ansible gives a command a terminal; only ssh can.
        path = sessions.socket_of(cmd) if in_data and self.is_plain(cmd[0]) else ""
        result = sessions.run(path, cmd[-1], in_data, self.get_option("timeout")) if path and in_data else None
        if result is not None:
            return result
        # Ansible's class, which stands behind this one, has it; mypy sees none here.
        told: Result = super()._bare_run(cmd, in_data, sudoable, checkrc)  # type: ignore[misc]
        return told

    def is_plain(self, program: bytes) -> bool:
        """Return whether ssh would do nothing but hand the command on: ask no password, say no debugging words."""
        if program != b"ssh" or self.become or display.verbosity >= DEBUGGED or self.get_option("verbosity"):
            return False
        return not (self.get_option("password") or self._play_context.password)
