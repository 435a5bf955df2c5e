# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that several containers of a node need: downloaded once, verified, kept on the node, put into a container."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Callable
from urllib.parse import unquote, urlsplit

from ..._core import guesttext
from ..failure import NodeError
from . import bounded, guest

FOLDER = "/var/cache/phoenix_hypervisor"
CHUNK = 1 << 20
MAX_CHECKSUM_FILE = 1 << 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}\Z")
_SUM = re.compile(r"^\\?([0-9a-fA-F]{64})(?:[ \t]+\*?(\S.*?))?\s*$", re.MULTILINE)
# The name comes as an argument and the content on standard input, so that neither is ever read as a command.
_PUT = 'umask 077; mkdir -p "${0%/*}" && cat > "$0.part" && mv -f "$0.part" "$0"'
_SUM_OF = 'if [ -f "$0" ]; then sha256sum < "$0"; fi'

Open = Callable[[str], IO[bytes]]


class FileError(NodeError):
    """The file can't be had, isn't what it should be, or can't be put into the container."""


def name_of(url: str) -> str:
    """The name under which an address's file is kept: its own. Raises FileError for one that is no plain name."""
    try:
        name = unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError as error:
        raise FileError(f"{url}: the address can't be read ({error})") from None
    if not _NAME.match(name):
        raise FileError(f"{url}: the address doesn't end in the name of a file")
    return name


def expected_sum(text: str, name: str) -> str:
    """The SHA-256 of a file out of a checksum file, which has one line for each, or the checksum alone."""
    found = _SUM.findall(text)
    for checksum, of in found:
        if of.rpartition("/")[2] == name or (not of and len(found) == 1):
            return str(checksum.lower())
    raise FileError(f"there is no SHA-256 of {name} in it")


def published_sum(url: str, name: str, opened: Open) -> str:
    """The SHA-256 that an address publishes for a file. Raises FileError."""
    try:
        with opened(url) as answer:
            text = answer.read(MAX_CHECKSUM_FILE).decode("utf-8", "replace")
        return expected_sum(text, name)
    except (OSError, ValueError, FileError) as error:
        raise FileError(f"the checksum {url} can't be had: {error}") from error


def sum_of(path: str) -> str | None:
    """The SHA-256 of a file of the node; None when there is none."""
    seen = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(CHUNK), b""):
                seen.update(chunk)
    except FileNotFoundError:
        return None
    return seen.hexdigest()


@contextmanager
def alone(path: str) -> Iterator[None]:
    """Only one process of the node has the file at a time: whoever waits finds it complete."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def fetch(url: str, checksum: str, path: str, opened: Open) -> bool:
    """Have the file at the path with that SHA-256. Returns whether it was downloaded. Raises FileError."""
    with alone(path):
        if sum_of(path) == checksum:
            return False
        part = f"{path}.part"
        try:
            got = _download(url, part, opened)
            if got != checksum:
                raise FileError(
                    f"{url} has the SHA-256 {got}, and {checksum} is expected; it is not kept. Correct the address or "
                    "the checksum, or find out who changed the file"
                )
            os.replace(part, path)
        except OSError as error:
            raise FileError(f"{url} can't be downloaded to {path}: {error}") from error
        finally:
            if os.path.exists(part):
                os.unlink(part)
    return True


def _download(url: str, part: str, opened: Open) -> str:
    seen = hashlib.sha256()
    with opened(url) as answer, open(part, "wb") as file:
        for chunk in iter(lambda: answer.read(CHUNK), b""):
            seen.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return seen.hexdigest()


def is_inside(ctid: int, target: str, checksum: str) -> bool:
    """Whether a container has the file already. Raises FileError when it doesn't answer."""
    done = _inside(ctid, _SUM_OF, target, subprocess.DEVNULL, 120.0)
    return done.startswith(checksum)


def put(ctid: int, path: str, target: str, timeout: float) -> None:
    """Copy a file of the node into a running container, whole or not at all, for root there. Raises FileError."""
    with open(path, "rb") as file:
        _inside(ctid, _PUT, target, file, timeout)


def _inside(ctid: int, script: str, target: str, stdin: IO[bytes] | int, timeout: float) -> str:
    command = [*guest.command(ctid), "/bin/sh", "-c", script, target]
    try:
        done = bounded.run(command, timeout, source=stdin, limit=MAX_CHECKSUM_FILE)
    except bounded.BoundError as error:
        raise FileError(f"container {ctid} did not take {target}: the command inside it {error.why}") from None
    if done.code:
        words = guesttext.line(done.stderr, 300)
        raise FileError(f"{target} can't be put into container {ctid}: {words or done.code}")
    return guesttext.decode(done.stdout)
