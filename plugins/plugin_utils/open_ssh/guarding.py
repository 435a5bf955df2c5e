# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the connection plugin for containers does differently from the one for ssh, and its way to a guard."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import threading
import typing as t

from ansible import constants
from ansible.errors import AnsibleConnectionFailure

from ..pct.pct_verdict import Ending, Verdict
from ..pct.pct_wrapper import NodeAnswer, NodeCall
from . import guards
from .pct_input import NoInput, write_all
from .sessions import socket_of
from .sharing import Sharing

Told = tuple[NodeAnswer, bytes]


class Guarding(Sharing):
    """What the plugin for containers has before Ansible's own class."""

    if t.TYPE_CHECKING:
        by_command: t.Callable[[NodeCall, bytes], Told]

    def by_guard(self, call: NodeCall, in_data: bytes, way: t.Sequence[object]) -> Told | None:
        """Run a module by the guard that an earlier task has found on the node. Returns None when nothing has run.

        ``way``: what tells the connection to this node from others.
        """
        note = self._note(call, way)
        place = note.read() if note else None
        if not note or not place:
            return None
        bounds = guards.Bounds(call.output_limit, call.error_limit, call.seconds)
        try:
            told = guards.run(place, in_data, bounds, constants.DEFAULT_LOCAL_TMP, self.get_option("timeout"))
        except guards.LostError:
            raise AnsibleConnectionFailure(
                f"the connection to the node ended while a module ran in container {call.ctid}"
            ) from None
        if told is None:
            note.forget()
            return None
        answer = NodeAnswer(told.rc, b"".join(told.errors), Verdict(Ending(told.ending)))
        if told.rc and answer.verdict.ending is Ending.RAN:
            # Only the node knows whether the container still runs.
            judged, _nothing = self.by_command(call.look(told.rc), NoInput())
            answer = dataclasses.replace(answer, verdict=judged.verdict)
        return answer, b"".join(told.output)

    def note_guard(self, call: NodeCall, answer: NodeAnswer, argv: list[bytes], way: t.Sequence[object]) -> None:
        """Let the next module go to the guard that a command has told of."""
        note, place = self._note(call, way), guards.Place(socket_of(argv), call.guard(answer))
        if note and place.connection and place.socket:
            note.write(place)

    def _note(self, call: NodeCall, way: t.Sequence[object]) -> guards.Note | None:
        """Return what notes a guard for this call, None when it must come as a command."""
        if not call.warm or not way or not self.is_plain(b"ssh"):
            return None
        options = [self.get_option(name) for name in ("port", "ssh_executable", "control_path", "control_path_dir")]
        return guards.Note(constants.DEFAULT_LOCAL_TMP, call.state_file(), *way, *options)

    def _send_initial_data(self, fh: t.Any, in_data: bytes, ssh_process: subprocess.Popen[bytes]) -> None:
        """Write standard input in a thread: the parent reads no output until all is written, so that megabytes in
        both directions at once would block each other."""
        descriptor = os.dup(fh.fileno())
        fh.close()
        threading.Thread(target=write_all, args=(descriptor, bytes(in_data)), daemon=True).start()

    def _is_tty_requested(self) -> bool:
        return False
