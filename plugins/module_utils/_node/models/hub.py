# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a model's files come from: a hub that speaks HTTP, or a folder of the node.

The hub's token goes to the host that the configuration names, and to no other: large files are redirected to
storage elsewhere, whose addresses are signed.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import stat
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, Protocol

from ..._core.host.storage.model_files import Model, ModelError, ModelFile, file_name_error, parse_listing
from ..failure import NodeError

TIMEOUT = 60  # seconds without a byte
CHUNK = 1024 * 1024
LISTING_LIMIT = 64 * 1024 * 1024
PASSING = (408, 425, 429, 500, 502, 503, 504)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DROPPED = (OSError, http.client.HTTPException)


class TransferError(NodeError):
    """The transfer broke off and may be gone on with; the text says why."""


class Source(Protocol):
    """What files are read from."""

    def listing(self, model: Model) -> tuple[str, tuple[ModelFile, ...]]:
        """(commit, files). Raises ModelError or TransferError."""

    def read(self, model: Model, commit: str, file: ModelFile, offset: int) -> Iterator[bytes]:
        """The file's bytes. An empty chunk first says that it begins at 0 after all. Raises as above."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Takes the token along only to the host that it is for."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.unredirected_hdrs.get("Authorization")
        if new is not None and token and _origin(newurl) == _origin(req.full_url):
            new.add_unredirected_header("Authorization", token)
        return new


class Hub:
    """A hub or its mirror at an address."""

    def __init__(self, endpoint: str, token: str = "", timeout: float = TIMEOUT) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_Redirects)
        try:
            address = urllib.parse.urlsplit(self._endpoint)
            _port = address.port  # urllib checks it only when it is read
        except ValueError as error:
            raise ModelError(f"{self._endpoint}: the address can't be read ({error})") from None
        if address.scheme != "https" and address.hostname not in LOOPBACK:
            if not token:
                raise ModelError(
                    f"{self._endpoint} comes without encryption, so its checksums prove nothing: use https"
                )
            raise ModelError(f"{self._endpoint} would be sent the token in clear text: use https, or set no token")

    def listing(self, model: Model) -> tuple[str, tuple[ModelFile, ...]]:
        """One request."""
        revision = urllib.parse.quote(model.revision, safe="")
        url = f"{self._endpoint}/api/models/{model.name}/revision/{revision}?blobs=true"
        with self._open(url, model) as answer, _passing(url):
            data = answer.read(LISTING_LIMIT + 1)
        if len(data) > LISTING_LIMIT:
            raise ModelError(f"{url}: the answer is longer than {LISTING_LIMIT} bytes")
        try:
            return parse_listing(json.loads(data))
        except (ValueError, RecursionError, ModelError) as error:
            raise ModelError(f"{url}: {error}") from None

    def read(self, model: Model, commit: str, file: ModelFile, offset: int) -> Iterator[bytes]:
        """From the commit that was listed, so that the files of a model fit each other."""
        url = f"{self._endpoint}/{model.name}/resolve/{commit}/{urllib.parse.quote(file.name)}"
        with self._open(url, model, offset) as answer, _passing(url):
            begin = answer.headers.get("Content-Range", "").partition("-")[0].strip().lower()
            if offset and (answer.status != 206 or begin != f"bytes {offset}"):
                yield b""
            left = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(CHUNK):
                left -= len(chunk)
                yield chunk
            if left > 0:  # http.client tells a connection that ends early only to who reads it in one go
                raise TransferError(f"{url}: the connection ended {left} bytes early")

    @contextlib.contextmanager
    def _open(self, url: str, model: Model, offset: int = 0) -> Iterator[Any]:
        request = urllib.request.Request(url, headers={"User-Agent": "phoenix.hypervisor"})
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        if offset:
            request.add_header("Range", f"bytes={offset}-")
        try:
            answer = self._opener.open(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in PASSING or (error.code == 416 and offset):
                raise TransferError(f"{url}: {error.code} {error.reason}") from None
            raise ModelError(self._refusal(url, model, error.code, str(error.reason))) from None
        except _DROPPED as error:  # URLError is an OSError
            raise TransferError(f"{url}: {getattr(error, 'reason', error) or type(error).__name__}") from None
        with contextlib.closing(answer):
            yield answer

    def _refusal(self, url: str, model: Model, code: int, reason: str) -> str:
        what = f"{url}: {code} {reason}"
        if code in (401, 403):
            remedy = "its token has no access to this model" if self._token else "no token was given"
            return (
                f"{what}; {remedy}: set hypervisor_models_hf_token, and accept the model's license at "
                f"{self._endpoint}/{model.name}. Hubs answer this too for a name that they don't know"
            )
        if code == 404:
            return f"{what}; there is no model {model.name}, or it has no revision {model.revision}"
        return what


class Folder:
    """A folder of the node, such as a disk from elsewhere. Names, sizes and times of its files make its commit."""

    def listing(self, model: Model) -> tuple[str, tuple[ModelFile, ...]]:
        """Every plain file below it. Links are followed, as caches of other tools are made of them."""
        files, state = [], hashlib.sha1(usedforsecurity=False)
        for folder, folders, names in os.walk(model.source, onerror=_raise):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = os.path.join(folder, name)
                relative = os.path.relpath(path, model.source)
                status = os.stat(path)
                if stat.S_ISREG(status.st_mode) and not file_name_error(relative):
                    files.append(ModelFile(relative, status.st_size))
                    state.update(f"{relative}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        return state.hexdigest(), tuple(files)

    def read(self, model: Model, commit: str, file: ModelFile, offset: int) -> Iterator[bytes]:
        """From the place where an earlier run was cut off."""
        try:
            with open(os.path.join(model.source, file.name), "rb") as stream:
                stream.seek(offset)
                while chunk := stream.read(CHUNK):
                    yield chunk
        except OSError as error:
            raise ModelError(f"{os.path.join(model.source, file.name)}: {error.strerror}") from None


@contextlib.contextmanager
def _passing(url: str) -> Iterator[None]:
    """What breaks a transfer off may be over soon."""
    try:
        yield
    except _DROPPED as error:
        raise TransferError(f"{url}: {error or type(error).__name__}") from None


def _raise(error: OSError) -> None:
    raise ModelError(f"{error.filename}: {error.strerror}")


def _origin(url: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc.lower()
