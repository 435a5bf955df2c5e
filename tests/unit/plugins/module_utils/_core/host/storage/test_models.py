# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hub lists, what of it is wanted, and what a store lacks."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import model_files
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage.model_files import (
    Model,
    ModelError,
    ModelFile,
)

SHA, BLOB, COMMIT = "a" * 64, "b" * 40, "c" * 40
MODEL = Model("acme/tiny", "main")


def listing(*siblings: Any, sha: Any = COMMIT) -> dict[str, Any]:
    return {"id": "acme/tiny", "sha": sha, "siblings": list(siblings)}


def test_a_listing() -> None:
    """LFS has the hash of the content, git the id of its blob; each counts for its own."""
    answer = listing(
        {"rfilename": "config.json", "size": 12, "blobId": BLOB},
        {"rfilename": "x/model.safetensors", "size": 9, "blobId": BLOB, "lfs": {"sha256": SHA, "size": 9}},
        {"rfilename": "untold"},
    )
    assert model_files.parse_listing(answer) == (
        COMMIT,
        (
            ModelFile("config.json", 12, "", BLOB),
            ModelFile("x/model.safetensors", 9, SHA, ""),
            ModelFile("untold", None, "", ""),
        ),
    )


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, {"siblings": []}, listing(sha=1), listing(sha="../x"), listing(None), listing({"rfilename": 3})]
    + [
        listing({"rfilename": name})
        for name in ("", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", "a\nb", "a\0", "a\\b", "x" * 300)
    ],
)
def test_what_is_no_listing_is_refused(answer: Any) -> None:
    """Names of files come from elsewhere: none may lead out of the model's folder."""
    with pytest.raises(ModelError):
        model_files.parse_listing(answer)


FILES = (
    "config.json", "consolidated.safetensors", "model.safetensors", "onnx/model.onnx", "original/x.pth",
    "pytorch_model.bin", "1_Pooling/config.json",
)  # fmt: skip


@pytest.mark.parametrize(
    ("files", "include", "exclude", "wanted"),
    [
        (FILES, (), (), ["1_Pooling/config.json", "config.json", "model.safetensors"]),
        (FILES, (), ("*.json",), ["model.safetensors"]),
        (FILES, ("*.bin", "config.json"), (), ["config.json", "pytorch_model.bin"]),
        (FILES, ("*.json",), ("1_Pooling/*",), ["config.json"]),
        (("a.bin", "config.json"), (), (), ["a.bin", "config.json"]),
        (("consolidated.safetensors", "params.json"), (), (), ["consolidated.safetensors", "params.json"]),
        (("x.gguf",), (), (), ["x.gguf"]),
    ],
)
def test_which_files(files: tuple[str, ...], include: Any, exclude: Any, wanted: list[str]) -> None:
    """The weights once, in the format that vLLM prefers, unless the file says which."""
    assert [file.name for file in model_files.chosen(map(ModelFile, files), include, exclude)] == wanted


RECORD = model_files.manifest(MODEL, COMMIT, [ModelFile("config.json", 2, SHA), ModelFile("x/w", 3, SHA)])
WHOLE = {"config.json": 2, "x/w": 3}


@pytest.mark.parametrize(
    ("model", "record", "there", "reason"),
    [
        (MODEL, RECORD, WHOLE, ""),
        (MODEL, RECORD, {**WHOLE, "more": 1}, ""),
        (MODEL, None, WHOLE, "not in the store"),
        (MODEL, {**RECORD, "version": 2}, WHOLE, "not in the store"),
        (MODEL, {**RECORD, "files": {"../x": {"size": 1}}}, WHOLE, "not in the store"),
        (MODEL, RECORD, {"x/w": 3}, "config.json is missing"),
        (MODEL, RECORD, {**WHOLE, "x/w": 2}, "x/w has 2 bytes instead of 3"),
        (Model("acme/tiny", "v2"), RECORD, WHOLE, "revision changed (main -> v2)"),
        (Model("acme/tiny", COMMIT), RECORD, WHOLE, ""),
        (Model("acme/tiny", "main", "/mnt/x"), RECORD, WHOLE, "source changed (none -> /mnt/x)"),
        (Model("acme/tiny", "main", "", ("*.json",)), RECORD, WHOLE, "include changed (none -> *.json)"),
        (Model("acme/tiny", "main", "", (), ("*.md",)), RECORD, WHOLE, "exclude changed (none -> *.md)"),
    ],
)
def test_what_is_due(model: Model, record: Any, there: dict[str, int], reason: str) -> None:
    """A whole model is due for nothing; a pinned commit is the branch that led to it."""
    assert model_files.due(model, record, there) == reason


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (16_381_470_720, "16.4 GB"), (2e12, "2.0 TB")])
def test_sizes_for_people(size: int, text: str) -> None:
    assert model_files.human(size) == text
