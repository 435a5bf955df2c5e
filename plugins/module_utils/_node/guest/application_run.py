# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a container's application script, inside the container.

A supervisor, forked off into a session of its own, starts the script, watches its time and writes down how it ended. It
outlives the module: when the connection or the whole run is killed, the script goes on, and the next run waits for it
and takes over its result instead of starting it a second time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Any, NamedTuple, Optional

from ..failure import NodeError
from ..waiting import Deadline, looks, try_lock, until

TAIL_BYTES = 65536
LOG_BYTES = 16 * 1024 * 1024
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""


class ApplicationError(NodeError):
    """The application could not be run; the text says why."""


class Paths(NamedTuple):
    """Where things lie in the container."""

    folder: str = "/var/lib/phoenix_hypervisor/application"
    log: str = "/var/log/phoenix_hypervisor/application.log"
    lock: str = "/run/phoenix_hypervisor-application.lock"

    @property
    def result(self) -> str:
        """How the last script ended, or that it runs."""
        return os.path.join(self.folder, "result.json")

    @property
    def config(self) -> str:
        """The container's configuration, for the script."""
        return os.path.join(self.folder, "config.json")


class Job(NamedTuple):
    """One run of a script. `digest` and `ctid` find out whether an earlier result is this job's."""

    script: str
    digest: str
    ctid: int
    attempt: str
    environment: Mapping[str, str]
    timeout: float
    """Seconds."""
    token: str
    """Unique to this start of the script, to know its result from an older one."""


def make_folder(path: str) -> None:
    """Make a folder and those above it, none of them open to everybody."""
    before = os.umask(0o027)
    try:
        os.makedirs(path, exist_ok=True)
    finally:
        os.umask(before)


def write_atomically(path: str, data: bytes, mode: int) -> None:
    """Write a file so that it is there as a whole or not at all, also after a power cut."""
    make_folder(os.path.dirname(path))
    temporary = f"{path}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    os.replace(temporary, path)


def install_script(paths: Paths, source: str, name: str) -> str:
    """Put the delivered script into its place, remove earlier ones, and return its path."""
    with open(source, "rb") as file:
        data = file.read()
    target = os.path.join(paths.folder, name)
    write_atomically(target, data, 0o700)
    for other in os.listdir(paths.folder):
        if other not in (name, os.path.basename(paths.result), os.path.basename(paths.config)):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(paths.folder, other))
    return target


def read_result(paths: Paths) -> dict[str, Any]:
    """Return how the last script ended; {} when none ran, or its record is not readable."""
    try:
        with open(paths.result, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write_result(paths: Paths, result: Mapping[str, Any]) -> None:
    """Record how a script ended."""
    write_atomically(paths.result, json.dumps(result, sort_keys=True).encode(), 0o600)


def run(paths: Paths, job: Job) -> dict[str, Any]:
    """Run the script, or adopt the result that nobody has acknowledged. Returns the result with `adopted`.

    Raises ApplicationError when another run's script does not end in time, or the supervisor was killed.
    """
    deadline = Deadline(job.timeout)
    with _locked(paths, deadline) as (lock, waited):
        found = read_result(paths)
        if _is_ours(found, job, waited):
            return {**found, "adopted": True}
        _await_orphan(found, deadline)
        _supervise(paths, job, lock)
        found = read_result(paths)
    if found.get("state") != "finished" or found.get("token") != job.token:
        raise ApplicationError("the supervisor of the application script was killed; its log is " + paths.log)
    return {**found, "adopted": False}


def _is_ours(found: Mapping[str, Any], job: Job, waited: bool) -> bool:
    """Return whether a recorded result answers this job: the same work, its end seen by us or not yet acknowledged.

    A caller that keeps attempts acknowledges a result by ending the attempt: until then a success is adopted, however
    often it was reported. Without an attempt the report itself counts.
    A failure is adopted only from a script that still ran when we came: an older one is what we are here to retry.
    """
    if found.get("state") != "finished" or found.get("digest") != job.digest or found.get("ctid") != job.ctid:
        return False
    if waited:
        return True
    if found.get("rc") != 0 or found.get("unhealthy"):
        return False
    known = str(found.get("attempt") or "")
    return known == job.attempt if job.attempt and known else not found.get("told")


def acknowledge(paths: Paths, token: str) -> None:
    """Note that the result with this token was reported, to a caller that keeps no attempts."""
    _annotate(paths, token, told=True)


def reject(paths: Paths, token: str) -> None:
    """Note that the application was not healthy after this result: its success is never adopted."""
    _annotate(paths, token, unhealthy=True)


def _annotate(paths: Paths, token: str, **notes: bool) -> None:
    """Add notes to the result with this token. A script that runs by now has a result of its own: nothing to note."""
    with contextlib.suppress(BlockingIOError), _lock_file(paths) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = read_result(paths)
        if found.get("token") == token:
            write_result(paths, {**found, **notes})


@contextlib.contextmanager
def _locked(paths: Paths, deadline: Deadline) -> Iterator[Any]:
    """Hold the lock that says 'a script runs'. Yields its descriptor, and whether another process held it before."""
    with _lock_file(paths) as descriptor:
        waited = not try_lock(descriptor)
        if waited:
            _flock_until(descriptor, deadline)
        yield descriptor, waited


@contextlib.contextmanager
def _lock_file(paths: Paths) -> Iterator[int]:
    descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _flock_until(descriptor: int, deadline: Deadline) -> None:
    """Wait for the lock without polling: a timer's signal ends the wait."""

    def expired(_signal: int, _frame: Any) -> None:
        raise ApplicationError("an earlier run's application script still runs in this container after the time-out")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, max(0.01, deadline.left()))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _await_orphan(found: Mapping[str, Any], deadline: Deadline) -> None:
    """Wait for a script that lost its supervisor (out of memory, say): how it ends is lost, so it will run again."""
    pid = found.get("pid")
    if found.get("state") != "running" or not isinstance(pid, int) or start_time(pid) != found.get("pid_start"):
        return
    if not until(lambda: start_time(pid) != found.get("pid_start"), deadline, repeat(0.2)):
        raise ApplicationError(f"an earlier run's application script still runs in this container (process {pid})")


def start_time(pid: int) -> Optional[str]:
    """Return when a process started, in ticks since the machine's boot; None when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _supervise(paths: Paths, job: Job, lock: int) -> None:
    """Fork the supervisor and wait for it. It inherits the lock, so that there is no moment without a holder.
    It descends from init alone, so the end of an interrupted run's commands and their descendants does not reach it.
    """
    ended, alive = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.fork() == 0:
                os.setsid()
                # Handlers rather than SIG_IGN, which the script would inherit.
                for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, lambda _signal, _frame: None)
                _detach(lock, alive)
                _script(paths, job)
            status = 0
        finally:
            os._exit(status)
    os.close(alive)
    os.waitpid(child, 0)
    with os.fdopen(ended, "rb") as channel:
        channel.read()  # nothing ever comes: it ends with the supervisor, the only one that has the other end


def _detach(*kept: int) -> None:
    """Let go of everything inherited but these descriptors: an open pipe would keep the connection waiting."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _script(paths: Paths, job: Job) -> None:
    """Run the script and record how it ended. In the supervisor, so nothing may raise on unrecorded."""
    log = open_log(paths)
    result: dict[str, Any] = {
        "state": "running", "digest": job.digest, "ctid": job.ctid, "attempt": job.attempt, "token": job.token,
        "told": False, "rc": None, "timed_out": False, "started": time.time(),
        "log_offset": os.lseek(log, 0, os.SEEK_END),
    }  # fmt: skip  # laid out to be read
    write_result(paths, result)
    begun = time.monotonic()
    try:
        process = subprocess.Popen(
            argv(job.script),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=job.environment.get("HOME", "/"),
            env=dict(job.environment), start_new_session=True,
        )  # fmt: skip  # laid out to be read
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        result.update(rc=127 if isinstance(error, FileNotFoundError) else 126)
        os.write(log, f"can't start {job.script}: {error}\n".encode(errors="replace"))
    else:
        # The container shuts down: let the script go. It will be run again, as it has failed.
        signal.signal(signal.SIGTERM, lambda _signal, _frame: signal_group(process.pid, signal.SIGTERM))
        result.update(pid=process.pid, pid_start=start_time(process.pid))
        write_result(paths, result)
        result.update(timed_out=not wait_for(process, job.timeout), rc=process.returncode)
    result.update(state="finished", seconds=round(time.monotonic() - begun, 3), log_end=os.lseek(log, 0, os.SEEK_END))
    write_result(paths, result)


def argv(script: str) -> list[str]:
    """Return how to start a file: by its own first line, or as a program, else by /bin/sh."""
    with open(script, "rb") as file:
        head = file.read(4)
    return [script] if head[:2] == b"#!" or head == b"\x7fELF" else ["/bin/sh", script]


def wait_for(process: subprocess.Popen[bytes], timeout: float, grace: Optional[float] = None) -> bool:
    """Wait for a process that leads its own group; after `timeout` seconds end the group. False in that case."""
    try:
        process.wait(timeout)
        return True
    except subprocess.TimeoutExpired:
        signal_group(process.pid, signal.SIGTERM)
    grace = GRACE if grace is None else grace
    deadline = Deadline(grace)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    # The leader is gone; others of its group may be ignoring SIGTERM.
    until(lambda: not group_exists(process.pid), deadline, repeat(0.05))
    signal_group(process.pid, signal.SIGKILL)
    process.wait()
    return False


def signal_group(group: int, number: int) -> None:
    """Send a signal to a process group; one that is gone is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def group_exists(group: int) -> bool:
    """Return whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def open_log(paths: Paths) -> int:
    """Open the log for appending. A full one becomes application.log.1."""
    make_folder(os.path.dirname(paths.log))
    with contextlib.suppress(FileNotFoundError):
        if os.stat(paths.log).st_size > LOG_BYTES:
            os.replace(paths.log, paths.log + ".1")
    return os.open(paths.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def read_tail(path: str, start: int, end: int) -> bytes:
    """Return the end of what lies between two offsets of a file, at most TAIL_BYTES, from the start of a line on."""
    try:
        with open(path, "rb") as file:
            begin = max(start, end - TAIL_BYTES)
            file.seek(begin)
            data = file.read(end - begin)
    except OSError:
        return b""
    if begin > start and b"\n" in data[:-1]:
        data = data.partition(b"\n")[2]
    return data


def printable(data: bytes) -> str:
    """Return output as text of at most TAIL_BYTES, safe in a log: no control characters but line ends and tabs."""
    text = data.decode("utf-8", "replace")
    text = "".join(char if char in "\n\t" or (char >= " " and not "\x7f" <= char <= "\x9f") else "�" for char in text)
    while len(text.encode()) > TAIL_BYTES:
        text = text[max(1, (len(text.encode()) - TAIL_BYTES + 2) // 3) :]
    return text


class Health(NamedTuple):
    """A health check. Times are in seconds; `retries` come on top of the first attempt."""

    command: str
    retries: int = 3
    interval: float = 10.0
    timeout: float = 30.0


def check_health(health: Health, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run the command until it ends with 0 or the retries are used up. Returns rc, attempts, output and seconds."""
    begun = time.monotonic()
    result: dict[str, Any] = {}
    tries = looks(Deadline(), repeat(health.interval, health.retries))
    for attempt, _look in enumerate(tries, 1):
        result = {**_check_once(health, environment), "attempts": attempt}
        result["seconds"] = round(time.monotonic() - begun, 3)
        if result["rc"] == 0:
            break
    return result


def _check_once(health: Health, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run the command once. Its output goes to a file: a pipe would stay open for what it leaves in the background."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", health.command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=environment.get("HOME", "/"),
            env=dict(environment), start_new_session=True,
        )  # fmt: skip  # laid out to be read
        timed_out = not wait_for(process, health.timeout, grace=1.0)
        output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL_BYTES))
        return {"rc": process.returncode, "timed_out": timed_out, "output": printable(output.read(TAIL_BYTES))}
