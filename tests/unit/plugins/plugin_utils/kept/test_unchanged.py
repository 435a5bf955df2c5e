# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed Python files are recognized by the times that the kernel notes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import unchanged


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "part" / "__pycache__").mkdir(parents=True)
    (tmp_path / "one.py").write_text("x = 1")
    (tmp_path / "part" / "two.py").write_text("x = 2")
    monkeypatch.setattr(unchanged.time, "time", lambda: 1e12)  # long after
    return tmp_path


def _same_size_and_time(path: Path) -> None:
    """As a tool does that keeps times: only the kernel's own note tells."""
    state = path.stat()
    while path.stat().st_ctime_ns == state.st_ctime_ns:
        path.write_text("x = 9")
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda folder: _same_size_and_time(folder / "part" / "two.py"),
    "new": lambda folder: (folder / "part" / "three.py").write_text(""),
    "gone": lambda folder: (folder / "one.py").unlink(),
    "name": lambda folder: (folder / "one.py").rename(folder / "other.py"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen(folder: Path, what: str) -> None:
    before = unchanged.seen([str(folder)])
    assert before == unchanged.seen([str(folder)])
    CHANGES[what](folder)
    assert unchanged.seen([str(folder)]) not in ("", before)


def test_what_is_no_source_does_not_count(folder: Path) -> None:
    before = unchanged.seen([str(folder)])
    (folder / "__pycache__").mkdir()
    (folder / "part" / "__pycache__" / "two.py").write_text("")
    (folder / "notes.txt").write_text("")
    assert unchanged.seen([str(folder)]) == before


def test_a_file_that_has_just_changed_tells_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = max(path.stat().st_ctime for path in folder.rglob("*.py"))
    monkeypatch.setattr(unchanged.time, "time", lambda: now + unchanged.MOMENT / 2)
    assert unchanged.seen([str(folder)]) == ""
    monkeypatch.setattr(unchanged.time, "time", lambda: now + unchanged.MOMENT * 2)
    assert unchanged.seen([str(folder)]) != ""


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        unchanged.seen([str(tmp_path / "gone")])
