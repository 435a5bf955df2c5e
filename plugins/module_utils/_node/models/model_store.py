# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of models on the node: ORGANIZATION/NAME below one folder, plain files that everybody may read.

Containers mount the folder read-only, unprivileged ones with other user ids: hence the modes. A model becomes visible
as a whole, by a rename, once all of its files have been checked. What a cut-off run has fetched lies beside it, and
the next run goes on from there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

from ..._core.host.storage.model_files import Model, ModelError, ModelFile, chosen, due, human, manifest, recorded
from ..store import StoreError, read_private, write_atomic
from ..waiting import Deadline, retry, try_lock, until
from .download import Download
from .hub import Folder, Hub, Source, TransferError

PRIVATE = ".phoenix"
FOLDER_MODE, FILE_MODE = 0o755, 0o644
MANIFEST_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True)
class Fetch:
    """What is to be fetched of a model: all of its files, and those that are not here in any form."""

    model: Model
    reason: str
    commit: str
    files: tuple[ModelFile, ...]
    missing: tuple[ModelFile, ...]
    bytes: int

    def line(self) -> str:
        """For people."""
        where = self.model.source or f"revision {self.model.revision}, commit {self.commit[:12]}"
        count = len(self.missing)
        what = f"{count} of {len(self.files)} files, {human(self.bytes)}" if count else "nothing to transfer"
        return f"{self.model.name}: {self.reason}; {what}, from {where}"


class Store:
    """One folder of the node. ``private`` holds what belongs to no model: manifests, and what is under way."""

    def __init__(self, path: str, endpoint: str, token: str = "", timeout: float = 60) -> None:
        self.path = path
        self.private = os.path.join(path, PRIVATE)
        self._endpoint, self._token, self._timeout = endpoint, token, timeout

    def prepare(self) -> None:
        """Make the store's folders. One with content keeps its mode: nobody here knows whose content it is."""
        self.check()
        fresh = not os.path.isdir(self.path) or not os.listdir(self.path)
        for folder, mode in ((self.path, FOLDER_MODE), (self.private, 0o700)):
            os.makedirs(folder, mode=FOLDER_MODE, exist_ok=True)
            if os.path.islink(folder) or os.lstat(folder).st_uid != os.geteuid():
                raise ModelError(f"{folder} is not a folder of the user that runs this; move it away")
            if stat.S_IMODE(os.lstat(folder).st_mode) != mode and (fresh or folder == self.private):
                os.chmod(folder, mode)

    def check(self) -> None:
        """Raise ModelError for a folder with content that others can't enter, as unprivileged containers must."""
        try:
            found = os.lstat(self.path)
            if not stat.S_ISDIR(found.st_mode) or not os.listdir(self.path):
                return
        except OSError:
            return  # not made yet, or what comes next says what is wrong with it
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o005 != 0o005:
            raise ModelError(
                f"{self.path} is not empty, and its mode {mode:04o} keeps unprivileged containers out. The mode is not "
                "changed, since the content may be foreign. Name an empty folder as model_store.path, or allow "
                f"it: chmod o+rx {shlex.quote(self.path)}"
            )

    @contextlib.contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """One run at a time; what another one fetches is waited for."""
        handle = os.open(os.path.join(self.private, "lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if not until(lambda: try_lock(handle), Deadline(timeout), repeat(1.0)):
                raise ModelError(f"{self.path}: another run has been fetching for {timeout:.0f} s")
            yield
        finally:
            os.close(handle)

    # -- current content -----------------------------------------------------------------------------------------------

    def folder(self, model: Model) -> str:
        """Where a model's files are."""
        return os.path.join(self.path, model.name)

    def record(self, model: Model) -> dict[str, Any] | None:
        """A model's manifest, None when there is none that can be read."""
        try:
            text = read_private(self._record_path(model), MANIFEST_LIMIT)
            value = json.loads(text) if text is not None else None
        except (StoreError, ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) and value.get("name") == model.name else None

    def known(self) -> list[str]:
        """The names of all models that have a manifest."""
        try:
            entries = sorted(entry for entry in os.listdir(self.private) if entry.endswith(".json"))
        except OSError:
            return []
        names = (Model(entry[:-5].replace("--", "/"), "") for entry in entries if not entry.startswith("."))
        return [model.name for model in names if self.record(model) is not None]

    def due(self, model: Model, verify: bool = False) -> str:
        """Why a model must be fetched, empty when it is whole. ``verify`` reads every byte again."""
        record, folder = self.record(model), self.folder(model)
        reason = due(model, record, sizes(folder))
        for name, file in sorted(recorded(record).items()) if verify and not reason else ():
            if _sha256(os.path.join(folder, name)) != file.sha256:
                return f"{name} is not what was fetched"
        return reason

    def _record_path(self, model: Model) -> str:
        return os.path.join(self.private, f"{model.slug}.json")

    # -- fetching ----------------------------------------------------------------------------------------------------

    def plan(self, model: Model, update: bool = False, verify: bool = False) -> Fetch | None:
        """What is to be fetched, None when the model is whole. Asks the source only when something is due."""
        reason = self.due(model, verify)
        if not reason and not update:
            return None
        commit, files = self._listing(model)
        record = self.record(model) or {}
        if not reason and record.get("commit") == commit:
            return None
        missing = [file for file in files if not self._here(model, commit, file, {} if verify else record)]
        size = sum((file.size or 0) - _size(self._incoming(model, commit, file) + ".part") for file in missing)
        why = reason or f"{model.revision} is another commit than {str(record.get('commit'))[:12]}"
        return Fetch(model, why, commit, files, tuple(missing), max(size, 0))

    def check_room(self, plans: list[Fetch]) -> None:
        """All of it must fit, before the first byte is fetched."""
        folder = self.path
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        found = os.statvfs(folder)
        free, needed = found.f_bavail * found.f_frsize, sum(fetch.bytes for fetch in plans)
        if needed > free:
            names = ", ".join(f"{fetch.model.name} {human(fetch.bytes)}" for fetch in plans if fetch.bytes)
            raise ModelError(
                f"{self.path} has {human(free)} free, and {human(needed)} are to be fetched ({names}); make room, "
                "or take models out of model_store"
            )

    def fetch(self, plan: Fetch) -> None:
        """Fetch what is missing, then put the model in its place. Raises ModelError; the next call goes on."""
        model, target = plan.model, self._incoming(plan.model, plan.commit)
        os.makedirs(target, mode=FOLDER_MODE, exist_ok=True)
        record = self.record(model) or {}
        download = Download(self._source(model), model, plan.commit, target)
        done = []
        for file in plan.files:
            here = "" if file in plan.missing else self._here(model, plan.commit, file, record)
            done.append(self._take(here, os.path.join(target, file.name), file) if here else download.fetch(file))
        self._publish(model, target, manifest(model, plan.commit, done), recorded(record))

    def _source(self, model: Model) -> Source:
        return Folder() if model.source else Hub(self._endpoint, self._token, self._timeout)

    def _listing(self, model: Model) -> tuple[str, tuple[ModelFile, ...]]:
        """The commit and the files that are wanted of it; a hub that is busy is asked again."""
        try:
            commit, files = retry(
                lambda: self._source(model).listing(model),
                lambda error: isinstance(error, TransferError),
                Deadline(),
                (1.0, 4.0),
            )
        except TransferError as error:
            raise ModelError(str(error)) from None
        wanted = chosen(files, model.include, model.exclude)
        if not wanted:
            raise ModelError(
                f"{model.name}: none of the {len(files)} files of {model.source or self._endpoint} is wanted; see "
                "include and exclude"
            )
        return commit, wanted

    def _incoming(self, model: Model, commit: str, file: ModelFile | None = None) -> str:
        folder = os.path.join(self.private, "incoming", model.slug, commit)
        return os.path.join(folder, file.name) if file else folder

    def _here(self, model: Model, commit: str, file: ModelFile, record: dict[str, Any]) -> str:
        """Where the very file is already: fetched by an earlier run, of another revision, or put there by hand.

        What the record doesn't vouch for is hashed.
        """
        fetched = self._incoming(model, commit, file)
        if os.path.isfile(fetched) and file.size in (None, _size(fetched)):
            return fetched  # it lost its ending .part only once it had been checked
        present = os.path.join(self.folder(model), file.name)
        if not file.sha256 or not os.path.isfile(present) or os.path.islink(present) or _size(present) != file.size:
            return ""
        known = recorded(record).get(file.name)
        same = known.sha256 == file.sha256 if known else _sha256(present) == file.sha256
        return present if same else ""

    def _take(self, here: str, target: str, file: ModelFile) -> ModelFile:
        if here != target:
            os.makedirs(os.path.dirname(target), mode=FOLDER_MODE, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target)
            os.link(here, target)
            os.chmod(target, FILE_MODE)
        return replace(file, size=_size(target), sha256=file.sha256 or _sha256(target))

    def _publish(self, model: Model, incoming: str, record: dict[str, Any], before: dict[str, ModelFile]) -> None:
        """Replace the old folder by the new one. A kill in between leaves all files for the next run to put there."""
        folder, gone = self.folder(model), os.path.join(self.private, "gone")
        strange = sorted(set(sizes(folder)) - set(before) - set(record["files"]))
        if strange:
            raise ModelError(
                f"{folder} has files that don't belong to {model.name} ({', '.join(strange[:5])}); move them away"
            )
        # umask and an earlier hand may have made folders that others can't enter.
        for path, _folders, _names in os.walk(incoming):
            os.chmod(path, FOLDER_MODE)
        _make_readable(os.path.dirname(folder))
        shutil.rmtree(gone, ignore_errors=True)  # there only after a killed run
        if os.path.lexists(folder):
            os.rename(folder, gone)
        os.rename(incoming, folder)
        write_atomic(self._record_path(model), json.dumps(record, indent=1, sort_keys=True) + "\n")
        shutil.rmtree(gone, ignore_errors=True)  # what a service still reads of it stays on disk until it is done
        shutil.rmtree(os.path.dirname(incoming), ignore_errors=True)  # other commits that were never finished


def _make_readable(folder: str) -> None:
    """Make a folder that others can enter, whatever the umask; an existing one keeps its mode."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, FOLDER_MODE)
        os.chmod(folder, FOLDER_MODE)


def sizes(folder: str) -> dict[str, int]:
    """The plain files below a folder, with their sizes."""
    found = {}
    for path, _folders, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            status = os.lstat(full)
            if stat.S_ISREG(status.st_mode):
                found[os.path.relpath(full, folder)] = status.st_size
    return found


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while data := file.read(1024 * 1024):
                digest.update(data)
    except OSError:
        return ""
    return digest.hexdigest()
