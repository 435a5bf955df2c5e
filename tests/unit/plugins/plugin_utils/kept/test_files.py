# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are kept for the next run: those of this user alone, and none where that can't be."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import files


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "home"))
    files.folder.cache_clear()
    return tmp_path / "home"


def test_a_file_is_kept_for_this_user_alone(home: Path) -> None:
    previous = os.umask(0)
    try:
        files.write("a", "name", b"content")
    finally:
        os.umask(previous)
    assert files.read("a", "name") == b"content"
    modes = [home / "phoenix_hypervisor", home / "phoenix_hypervisor" / "a", home / "phoenix_hypervisor" / "a" / "name"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in modes] == [0o700, 0o700, 0o600]


def test_nothing_is_read_that_others_could_have_written(home: Path) -> None:
    files.write("a", "open", b"x")
    files.write("a", "plain", b"x")
    place = home / "phoenix_hypervisor" / "a"
    (place / "open").chmod(0o622)
    (place / "link").symlink_to(place / "plain")
    os.mkfifo(place / "pipe", 0o600)
    (place / "folder").mkdir(mode=0o700)
    assert [files.read("a", name) for name in ("open", "link", "pipe", "folder", "none")] == [None] * 5
    place.chmod(0o777)
    files.folder.cache_clear()
    assert files.read("a", "plain") is None
    files.write("a", "more", b"x")
    assert not (place / "more").exists()


def test_without_a_writable_home_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "file" / "home"))
    files.write("a", "name", b"content")
    assert files.read("a", "name") is None


def test_the_oldest_files_go(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LIMIT", 2)
    for age, name in enumerate(("new", "old", "older")):
        files.write("a", name, b"")
        os.utime(home / "phoenix_hypervisor" / "a" / name, (1000 - age, 1000 - age))
    files.write("a", "newest", b"")
    assert sorted(path.name for path in (home / "phoenix_hypervisor" / "a").iterdir()) == ["new", "newest"]
