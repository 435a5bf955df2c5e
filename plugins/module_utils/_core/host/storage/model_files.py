# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a model: what a hub lists, which of them are wanted, and what a store lacks of them.

A hub answers GET /api/models/NAME/revision/REVISION?blobs=true with the commit and, for each file, its name, its size
and either the SHA-256 of what lies in LFS or the id of its git blob.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import KnownError

# Weights in other formats than safetensors: taken only where a model has no others, or where `include` names them.
OTHER_FORMATS = (
    "*.bin", "*.ckpt", "*.gguf", "*.h5", "*.mlmodel", "*.msgpack", "*.onnx", "*.onnx_data", "*.ot", "*.pt", "*.pth",
    "*.tflite", "original/*",
)  # fmt: skip
# Some models have their weights a second time in one file, for the maker's own programs.
SECOND_COPY = "consolidated*.safetensors"
_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")
_HEX = re.compile(r"[0-9a-f]{40,64}\Z")
_PART = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}\Z")
MANIFEST_VERSION = 1


class ModelError(KnownError):
    """A model can't be had; the text says why and what to do."""


@dataclass(frozen=True)
class ModelFile:
    """One file. ``size`` in bytes, None where nobody tells; ``sha256`` of its content, ``blob`` its git blob's id."""

    name: str
    size: int | None = None
    sha256: str = ""
    blob: str = ""


@dataclass(frozen=True)
class Model:
    """A model that is wanted in the store. ``source`` is a folder of the node, empty for the hub."""

    name: str
    revision: str
    source: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """Its name as one part of a path."""
        return self.name.replace("/", "--")

    def request(self) -> dict[str, Any]:
        """What a manifest remembers of what was asked for."""
        return {
            "revision": self.revision,
            "source": self.source,
            "include": [*self.include],
            "exclude": [*self.exclude],
        }


def file_name_error(name: str) -> str:
    """Why a file's name can't be one of a model's; empty when it can. Names come from elsewhere."""
    parts = name.split("/")
    if len(name) > 1024 or any(part in ("", ".", "..") or not _PART.match(part) for part in parts):
        return f"{name[:80]!r} is no file's name below a folder"
    return ""


def parse_listing(answer: Any) -> tuple[str, tuple[ModelFile, ...]]:
    """(commit, files) of a hub's answer. Raises ModelError when it isn't one."""
    siblings = answer.get("siblings") if isinstance(answer, Mapping) else None
    commit = answer.get("sha") if isinstance(answer, Mapping) else None
    if not isinstance(siblings, list) or not isinstance(commit, str) or not _COMMIT.match(commit):
        raise ModelError("the answer is not a hub's: it has neither a commit nor files")
    files = []
    for item in siblings:
        name = item.get("rfilename") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or file_name_error(name):
            raise ModelError(f"the hub lists a file whose name can't be used: {file_name_error(str(name))}")
        lfs = item.get("lfs") if isinstance(item.get("lfs"), Mapping) else {}
        size = lfs.get("size", item.get("size"))
        digest, blob = str(lfs.get("sha256") or ""), "" if lfs else str(item.get("blobId") or "")
        files.append(
            ModelFile(
                name,
                size if isinstance(size, int) and size >= 0 else None,
                digest if _HEX.match(digest) else "",
                blob if _HEX.match(blob) else "",
            )
        )
    return commit, tuple(files)


def chosen(files: Iterable[ModelFile], include: Iterable[str], exclude: Iterable[str]) -> tuple[ModelFile, ...]:
    """The files that are wanted, by name. ``*`` in a pattern stands for slashes too, as the hub's own tools have it."""
    items, wanted, unwanted = list(files), tuple(include), tuple(exclude)
    if wanted:
        items = [file for file in items if _matches(file.name, wanted)]
    elif any(file.name.endswith(".safetensors") for file in items):
        items = [file for file in items if not _matches(file.name, OTHER_FORMATS)]
        if any(fnmatch.fnmatchcase(file.name, "model*.safetensors") for file in items):
            items = [file for file in items if not fnmatch.fnmatchcase(file.name, SECOND_COPY)]
    return tuple(sorted((f for f in items if not _matches(f.name, unwanted)), key=lambda file: file.name))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def manifest(model: Model, commit: str, files: Iterable[ModelFile]) -> dict[str, Any]:
    """What is written once a model is whole."""
    return {
        "version": MANIFEST_VERSION,
        "name": model.name,
        "commit": commit,
        **model.request(),
        "files": {file.name: {"size": file.size, "sha256": file.sha256} for file in files},
    }


def recorded(value: Any) -> dict[str, ModelFile]:
    """The files of a manifest, {} for what is none."""
    files = value.get("files") if isinstance(value, Mapping) and value.get("version") == MANIFEST_VERSION else None
    if not isinstance(files, Mapping):
        return {}
    return {
        str(name): ModelFile(str(name), item.get("size"), str(item.get("sha256") or ""))
        for name, item in files.items()
        if isinstance(item, Mapping) and not file_name_error(str(name))
    }


def due(model: Model, record: Mapping[str, Any] | None, there: Mapping[str, int]) -> str:
    """Why a model must be fetched, empty when it is whole. ``there``: its files in the store, with their sizes."""
    files = recorded(record)
    if record is None or not files:
        return "not in the store"
    for key, now in model.request().items():
        before = record.get(key)
        if before != now and not (key == "revision" and record.get("commit") == now):
            return f"{key} changed ({_shown(before)} -> {_shown(now)})"
    for name, file in files.items():
        if name not in there:
            return f"{name} is missing"
        if there[name] != file.size:
            return f"{name} has {there[name]} bytes instead of {file.size}"
    return ""


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value or "none")


def human(size: int) -> str:
    """Bytes for people, in the hub's powers of ten."""
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
