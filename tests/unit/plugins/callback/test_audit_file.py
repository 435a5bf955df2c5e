# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit file: private, whole lines, and never the file of another user."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import stat

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit import audit_file

DAY = "20261123"


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directory_and_file_are_private(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "state/phoenix"
    before = os.umask(0)
    try:
        audit_file.append_line(str(directory), DAY, "one")
        audit_file.append_line(str(directory), DAY, "two")
    finally:
        os.umask(before)
    path = directory / "orchestrator_20261123.log"
    assert path.read_text() == "one\ntwo\n"
    assert (mode(directory), mode(path)) == (0o750, 0o600)


def test_a_wider_file_is_narrowed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "orchestrator_20261123.log"
    path.touch(mode=0o644)
    audit_file.append_line(str(tmp_path), DAY, "one")
    assert mode(path) == 0o600


def test_a_planted_link_is_refused(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "orchestrator_20261123.log").symlink_to(target)
    with pytest.raises(OSError, match="orchestrator"):
        audit_file.append_line(str(tmp_path), DAY, "one")
    assert not target.exists()


def test_a_hard_link_and_a_pipe_are_refused(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    path = tmp_path / "orchestrator_20261123.log"
    os.link(target, path)
    with pytest.raises(PermissionError):
        audit_file.append_line(str(tmp_path), DAY, "one")
    assert target.read_text() == "mine"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="orchestrator"):
        audit_file.append_line(str(tmp_path), DAY, "one")


def _writer(directory: str, word: str) -> None:
    for _number in range(200):
        audit_file.append_line(directory, DAY, word * 500)


def test_writers_do_not_mix_their_lines(tmp_path: pathlib.Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_writer, args=(str(tmp_path), word)) for word in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = (tmp_path / "orchestrator_20261123.log").read_text().splitlines()
    assert sorted(lines) == sorted([word * 500 for word in "abc" for _number in range(200)])


def test_default_directory(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert audit_file.default_directory(str(tmp_path / "log")) == str(tmp_path / "log")
    monkeypatch.setattr(audit_file.os, "access", lambda _path, _mode: False)
    assert audit_file.default_directory(str(tmp_path / "log")) == str(tmp_path / "state/phoenix_hypervisor")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert audit_file.default_directory(str(tmp_path / "log")) == "/home/somebody/.local/state/phoenix_hypervisor"
