# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The product's files on the node: state words, records, written so that a kill at any point leaves a whole file."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import Any

from .._core.container import states
from .._core.container.model import Record
from .failure import NodeError

ROOT = "/var/lib/phoenix_hypervisor"


class StoreError(NodeError):
    """A file of the state directory can't be read or written; the text says which and why."""


def private_directory(path: str) -> None:
    """Make a directory of ours (0750), refusing one of another user or a planted link."""
    try:
        os.makedirs(path, mode=0o750, exist_ok=True)
        found = os.lstat(path)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    if not os.path.isdir(path) or os.path.islink(path) or found.st_uid != os.geteuid():
        raise StoreError(f"{path} is not a directory of the user that runs this; move it away")
    if found.st_mode & 0o027:
        os.chmod(path, 0o750)


def write_atomic(path: str, text: str) -> None:
    """Write a 0600 file through a temporary one, fsync and rename."""
    private_directory(os.path.dirname(path))
    try:
        # One name for each file: what a killed run left of it is replaced, and never heaps up.
        temporary = _temporary(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        directory = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None


def _temporary(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")


def remove(path: str) -> None:
    """Remove a file of ours; one that is gone is fine. Raises StoreError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None


def read_private(path: str, limit: int = 1024 * 1024) -> str | None:
    """The text of a file of ours, or None when there is none. A link is not followed."""
    try:
        if os.path.islink(os.path.dirname(path)):
            raise StoreError(f"{os.path.dirname(path)} is a link; move it away")
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    # Not opened as a file before it is known to be one: for a directory that fails without its name.
    regular = stat.S_ISREG(os.fstat(handle).st_mode)
    if not regular:
        os.close(handle)
        raise StoreError(f"{path} is not a regular file; move it away")
    try:
        with os.fdopen(handle, "rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None


def lock_file(path: str, flags: int) -> int:
    """Open a file (0600) whose lock matters, made when it isn't there. A link is not followed. Raises StoreError."""
    try:
        return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None


class Store:
    """State words and records of one node."""

    def __init__(self, root: str = ROOT) -> None:
        self.root = root

    def state_path(self, ctid: int) -> str:
        """The state file that the specification names."""
        return os.path.join(self.root, "state", f"{ctid}.state")

    def record_path(self, ctid: int) -> str:
        """The record: ownership, last applied values, a creation under way, the ledger's cache."""
        return os.path.join(self.root, "records", f"{ctid}.json")

    def write_word(self, ctid: int, word: str) -> None:
        """Write the bare state word."""
        private_directory(self.root)
        write_atomic(self.state_path(ctid), f"{word}\n")

    def read_record(self, ctid: int) -> dict[str, Any]:
        """The record's JSON; {} when it is lost or broken, which makes the container foreign, never ours by mistake."""
        text = read_private(self.record_path(ctid))
        try:
            data = json.loads(text) if text else {}
        except (ValueError, RecursionError):
            data = {}
        return data if isinstance(data, dict) else {}

    def update_record(self, ctid: int, **values: Any) -> None:
        """Set keys of the record; None removes one. A record that says the same already is not written again."""
        before = self.read_record(ctid)
        after = {**before, **values}
        after = {key: value for key, value in after.items() if value is not None}
        if after != before:
            private_directory(self.root)
            write_atomic(self.record_path(ctid), json.dumps(after, indent=1, sort_keys=True) + "\n")

    def forget(self, ctid: int) -> None:
        """Remove what is remembered of a container."""
        for path in (self.state_path(ctid), self.record_path(ctid)):
            remove(path)
            remove(_temporary(path))  # of a killed run

    def load(self, ctid: int) -> Record:
        """Everything the planner wants to know."""
        data = self.read_record(ctid)
        word = states.parse_word(read_private(self.state_path(ctid), 4096))
        return Record.from_json(data, word, self._written(ctid) if data else None)

    def _written(self, ctid: int) -> int | None:
        """When the record was written, in seconds since the epoch."""
        try:
            return int(os.lstat(self.record_path(ctid)).st_mtime)
        except OSError:
            return None  # forgotten meanwhile

    def known(self) -> list[int]:
        """CTIDs that this node remembers."""
        try:
            names = os.listdir(os.path.join(self.root, "records"))
        except OSError:
            return []
        return sorted(int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdigit())
