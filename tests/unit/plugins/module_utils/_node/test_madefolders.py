# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that a run makes on the node: with an owner, and never through a link or over what exists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import madefolders
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import exports


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


class Owners:
    """Who owns which file, for a test that is not root: by inode."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of: dict[int, int] = {}
        self.given: list[tuple[str, int, int]] = []
        real_stat, real_fstat = os.stat, os.fstat
        monkeypatch.setattr(madefolders.os, "stat", lambda *args, **more: self._owned(real_stat(*args, **more)))
        monkeypatch.setattr(madefolders.os, "fstat", lambda handle: self._owned(real_fstat(handle)))
        monkeypatch.setattr(madefolders.os, "fchown", self._chown)

    def _owned(self, found: os.stat_result) -> os.stat_result:
        values = list(found)
        if found.st_ino in self.of:
            values[4] = values[5] = self.of[found.st_ino]
        return os.stat_result(values)

    def _chown(self, handle: int, uid: int, gid: int) -> None:
        self.given.append((os.readlink(f"/proc/self/fd/{handle}"), uid, gid))
        self.of[os.fstat(handle).st_ino] = uid

    def give(self, path: Path, uid: int) -> None:
        self.of[path.lstat().st_ino] = uid


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> Owners:
    return Owners(monkeypatch)


GUEST = 100000


def test_a_folder_gets_owner_and_mode_while_it_is_empty(tmp_path: Path, owners: Owners) -> None:
    path = tmp_path / "a" / "b"
    assert madefolders.settle(str(path), GUEST, GUEST, 0o2770)
    assert [name for name, *_ids in owners.given] == [str(tmp_path / "a"), str(path)]
    assert path.stat().st_mode & 0o7777 == 0o2770
    owners.give(path, os.getuid())
    (path / "file").touch()
    assert not madefolders.settle(str(path), GUEST, GUEST, 0o755)
    assert path.stat().st_mode & 0o7777 == 0o2770


@pytest.mark.parametrize("target", ["root/.ssh", "root", "none"], ids=["to be made", "empty", "dangling"])
def test_a_link_that_a_guest_has_set_is_not_followed(tmp_path: Path, owners: Owners, target: str) -> None:
    """A folder that a guest mounts belongs to its root; what lies below it is the guest's to replace."""
    (tmp_path / "root").mkdir()
    mount = tmp_path / "shared"
    mount.mkdir()
    owners.give(mount, GUEST)
    (mount / "media").symlink_to(tmp_path / target)
    owners.give(mount / "media", GUEST)
    for path in (mount / "media", mount / "media" / "films"):
        with pytest.raises(madefolders.ForeignLinkError, match=f"the link {mount}/media"):
            madefolders.settle(str(path), GUEST, GUEST, 0o777)
        assert exports.folder(str(path)).link == f"{mount}/media"
    assert owners.given == []
    assert [str(path) for path in (tmp_path / "root").iterdir()] == []


@pytest.mark.parametrize("open_to", ["its owner", "its mode", "the link's owner"])
def test_a_link_counts_only_where_root_alone_can_have_set_it(tmp_path: Path, owners: Owners, open_to: str) -> None:
    folder = tmp_path / "srv"
    folder.mkdir()
    (tmp_path / "data").mkdir()
    link = folder / "data"
    link.symlink_to("../data")
    assert madefolders.settle(str(link / "a"), GUEST, GUEST, 0o755)
    assert (tmp_path / "data" / "a").is_dir()
    if open_to == "its owner":
        owners.give(folder, GUEST)
    elif open_to == "its mode":
        folder.chmod(0o777)
    else:
        owners.give(link, GUEST)
    with pytest.raises(madefolders.ForeignLinkError):
        madefolders.settle(str(link / "b"), GUEST, GUEST, 0o755)
    assert not (tmp_path / "data" / "b").exists()


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="levels"):
        madefolders.opened(str(tmp_path / "a"))


def test_what_is_no_folder_is_seen_as_that(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = {name: exports.folder(str(tmp_path / name)).kind for name in (".", "file", "file/x", "none", "none/x")}
    assert found == {".": "folder", "file": "other", "file/x": "", "none": "", "none/x": ""}
