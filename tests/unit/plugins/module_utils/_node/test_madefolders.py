# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that a run makes on the node: with an owner, and never through a link or over what exists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import madefolders


def test_a_folder_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners = []
    monkeypatch.setattr(madefolders.os, "fchown", lambda _file, *ids: owners.append(ids))
    folder = tmp_path / "media"
    assert madefolders.make(f"{folder}/", 101000, 100044)
    assert (folder.stat().st_mode & 0o777, owners) == (0o755, [(101000, 100044)])
    folder.chmod(0o700)
    assert not madefolders.make(str(folder), 5, 5)
    assert (folder.stat().st_mode & 0o777, len(owners)) == (0o700, 1)


def test_no_link_is_followed_and_no_way_is_made(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match="link"):
        madefolders.make(str(tmp_path / "link" / "media"), 0, 0)
    with pytest.raises(FileNotFoundError):
        madefolders.make(str(tmp_path / "none" / "media"), 0, 0)
    (tmp_path / "real" / "media").symlink_to(tmp_path)
    assert not madefolders.make(str(tmp_path / "real" / "media"), os.getuid(), os.getgid())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]
