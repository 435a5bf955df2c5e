# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who this run of Ansible is: the same answer in the main process, in every worker and in every plugin.

The identity is derived, never stored: from the main process of the run (its PID and the moment it started), so no
environment variable can go stale and a nested ``ansible-playbook`` is a run of its own. A lease names the run that
holds it by these fields, and another run on the same controller can tell from them whether it still lives.
"""

from __future__ import annotations

import functools
import getpass
import hashlib
import hmac
import multiprocessing
import os
import pathlib
import platform
import subprocess
import time
import typing as t
import uuid

_PURPOSE = b"phoenix.hypervisor run identity"


class RunIdentity(t.TypedDict):
    """``id``: sortable and unique, ``YYYYMMDDTHHMMSS-<8 hex>`` (UTC of the start). ``controller``: its host name.

    ``machine``: hash of machine and PID namespace; equal means that ``pid`` can be looked up here. ``pid`` and
    ``pid_start``: the main process, and an opaque word that differs when the PID is reused. ``boot``: hash of the
    controller's boot. ``user``: the local user name. ``started``: ISO 8601 in UTC.
    """

    id: str
    controller: str
    machine: str
    pid: int
    pid_start: str
    boot: str
    user: str
    started: str


def run_identity() -> RunIdentity:
    """Return the identity of this run; a new dict each time, safe to pass on to a module."""
    return t.cast(RunIdentity, dict(_identity(main_pid())))


def run_is_alive(identity: t.Mapping[str, t.Any]) -> bool | None:
    """Return whether a run lives: True or False when it ran on this machine, None when that can't be known here."""
    mine = run_identity()
    if identity.get("machine") != mine["machine"]:
        return None
    if identity.get("boot") != mine["boot"]:
        return False
    pid = identity.get("pid")
    if isinstance(pid, bool) or not isinstance(pid, int) or pid <= 0:
        return None
    return _pid_start(pid) == identity.get("pid_start")


def main_pid() -> int:
    """Return the PID of the run's main process, also when called in a forked worker.

    Ansible's workers are children of the main process made by multiprocessing, which remembers the parent even after
    that has died. A main process is never a WorkerProcess, whoever started it.
    """
    # Imported late: modules_utils of ansible's executor pull in much that the unit tests of this file don't need.
    from ansible.executor.process.worker import WorkerProcess

    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None and isinstance(multiprocessing.current_process(), WorkerProcess):
        return parent.pid
    return os.getpid()


@functools.cache
def _identity(pid: int) -> RunIdentity:
    boot = _hash(_boot_id())
    start = _pid_start(pid) or "0"
    started = time.gmtime(_started_seconds(start))
    machine = _hash(_machine_id(), _pid_namespace())
    return RunIdentity(
        id=f"{time.strftime('%Y%m%dT%H%M%S', started)}-{_hash(machine, boot, str(pid), start)[:8]}",
        controller=platform.node() or "unknown",
        machine=machine,
        pid=pid,
        pid_start=start,
        boot=boot,
        user=_user(),
        started=time.strftime("%Y-%m-%dT%H:%M:%S+00:00", started),
    )


def _hash(*parts: str) -> str:
    # machine-id(5): it should not be exposed as it is, but hashed with an application's own key.
    return hmac.new(_PURPOSE, "\0".join(parts).encode(), hashlib.sha256).hexdigest()[:32]


def _read(path: str) -> str:
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _machine_id() -> str:
    return _read("/etc/machine-id") or _read("/var/lib/dbus/machine-id") or f"node-{uuid.getnode():x}"


def _boot_id() -> str:
    # Elsewhere than on Linux: proc(5) is missing, macOS names its boot in a sysctl.
    return _read("/proc/sys/kernel/random/boot_id") or _output("sysctl", "-n", "kern.bootsessionuuid") or "unknown"


def _pid_namespace() -> str:
    # Two execution environments in containers of one host may share machine-id and boot, but not their PIDs.
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "none"


def _pid_start(pid: int) -> str:
    """Return an opaque word for the moment at which a process started, '' when there is no such process."""
    stat = _read(f"/proc/{pid}/stat")
    if stat:
        # proc(5): field 22, counted after the command name, which may itself hold blanks and brackets.
        fields = stat.rpartition(")")[2].split()
        # A zombie holds nothing any more.
        return "" if fields[0] in ("Z", "X") else fields[19]
    return "" if os.path.exists("/proc/self/stat") else _output("ps", "-o", "lstart=", "-p", str(pid))


def _started_seconds(start: str) -> float:
    """Return the start in seconds since the epoch, from a word of _pid_start."""
    if start.isdigit() and start != "0":
        for line in _read("/proc/stat").splitlines():
            if line.startswith("btime "):
                return int(line.split()[1]) + int(start) / os.sysconf("SC_CLK_TCK")
    try:
        return time.mktime(time.strptime(start, "%a %b %d %H:%M:%S %Y"))
    except ValueError:
        return time.time()


def _output(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=5, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return str(os.getuid())
