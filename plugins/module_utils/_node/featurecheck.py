# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command by which a feature's manifest says how to see that it works, run inside the container from its node."""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import time

from . import guest

TIMEOUT = 30.0
"""Seconds that a check may take, where the manifest says nothing."""
TAIL = 2000
"""Bytes of a failed check's output that are told."""
_GRACE = 10.0


def check(ctid: int, script: str, seconds: float = TIMEOUT) -> str:
    """Run a feature's check inside a container. Returns why it failed, with its output's end; empty when it didn't.

    It is ended after so many seconds, with all that it started. Its output is read to the end and never kept whole.
    Raises GuestError when it can't be started.
    """
    limited = f"exec timeout -k 5 {seconds:g} /bin/sh -c {shlex.quote(script)}"
    words = [*guest.command(ctid), "/bin/sh", "-c", limited]
    started = time.monotonic()
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        raise guest.GuestError(f"lxc-attach: {error.strerror}") from None
    with process:
        output = _tail(process, started + seconds + _GRACE)
        code = process.wait()
    # timeout's own code, or that of what it had to kill.
    if code in (124, 137, -9) and time.monotonic() - started >= seconds:
        how = f"did not end within {seconds:g} s and was ended"
    elif code:
        how = f"ended with exit code {code}"
    else:
        return ""
    text = "".join(char if char.isprintable() or char == "\n" else "?" for char in output.decode("utf-8", "replace"))
    return f"{how}. " + (f"Its last output:\n{text.strip()}" if text.strip() else "It wrote nothing.")


def _tail(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """The end of what a process writes until it ends, or until the deadline, when it is killed.

    Not until its output is closed: something that it left in the background may hold it open.
    """
    if process.stdout is None:
        return b""
    handle, output = process.stdout.fileno(), b""
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        ready = select.select([handle], [], [], 0 if ended else 0.1)[0]
        chunk = os.read(handle, 65536) if ready else b""
        output = (output + chunk)[-TAIL:]
        if ended and not chunk:
            return output
        if ready and not chunk:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                break
    process.kill()
    return output
