# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node has to say about a container's past: its audit trail, PVE's tasks, and the application's log inside.

Each part is bounded. What comes from inside the container is untrusted text: it names no file and no command.
"""

from __future__ import annotations

import time
from typing import Any, Callable

from ..._core import guesttext
from ..._core.auditline import of_container
from .. import audit
from ..failure import NodeError
from ..guest import guest
from ..pve.client import Client, PveError
from ..pve.tasks import log_tail
from .past import creations

MOST = 256 * 1024
"""Characters of each part."""
TASKS = 20
TASK_LINES = 40
_LOG = "/var/log/phoenix_hypervisor/application.log"
_NONE = 44
# tail reads a file's end only where it is one: of a FIFO or a device it would wait for what comes.
_READ = f'f={_LOG}; [ -e "$f" ] || exit {_NONE}; [ -f "$f" ] || exit 45; tail -c {MOST} "$f"'


def collect(
    ctid: int,
    node: str,
    connect: Callable[[], Client],
    enters: bool,
    directory: str = audit.DIRECTORY,
) -> dict[str, Any]:
    """The parts as text, and notes on what is missing. ``enters``: whether to look into the container."""
    notes: list[str] = []
    trail = of_container(audit.latest_lines(directory), ctid, MOST)
    try:
        tasks = _tasks(ctid, node, connect)
    except PveError as error:
        tasks = []
        notes.append(f"tasks of PVE: {guesttext.clean(str(error))}")
    application = ""
    if enters:
        application, note = _application(ctid)
        notes += [note] if note else []
    else:
        notes.append("application log: the container does not run, or is not managed by this collection")
    return {"audit": _text(trail), "tasks": _text(tasks), "application": application, "notes": notes}


def collect_by_api(ctid: int, node: str, client: Client) -> dict[str, Any]:
    """The same of a node whose files are out of reach: the tasks alone, and notes on the rest. Raises PveError."""
    missing = ("audit trail of the node", "application log")
    notes = [f"{name}: it needs root on the node over SSH, and the node is reached by an API token" for name in missing]
    return {"audit": "", "tasks": _text(_tasks(ctid, node, lambda: client)), "application": "", "notes": notes}


def _tasks(ctid: int, node: str, connect: Callable[[], Client]) -> list[str]:
    """The latest tasks of PVE on the container, oldest first, each with the end of its log."""
    client = connect()
    lines: list[str] = []
    for task in reversed(creations.tasks(client, node, {"vmid": ctid, "source": "all", "limit": TASKS})):
        upid = str(task.get("upid"))
        begun = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(int(task.get("starttime") or 0)))
        outcome = str(task.get("status") or "running")
        lines.append(guesttext.clean(f"{begun} {task.get('type')} by {task.get('user')}: {outcome}  {upid}"))
        lines += [f"    {guesttext.clean(line)}" for line in log_tail(client, node, upid, TASK_LINES)]
    return lines


def _application(ctid: int) -> tuple[str, str]:
    """The end of the application's log, and a note where there is none."""
    try:
        done = guest.attach(ctid, _READ, limit=MOST + 4096)
    except NodeError as error:
        return "", f"application log: {guesttext.clean(str(error))}"
    if done.code == 0:
        return guesttext.decode(done.stdout)[-MOST:], ""
    if done.code == _NONE:
        return "", ""
    return "", f"application log: not a regular file, or it can't be read (exit code {done.code})"


def _text(lines: list[str]) -> str:
    """Lines as text: of too many the last ones."""
    return "".join(f"{line}\n" for line in lines)[-MOST:]
