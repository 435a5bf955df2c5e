# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files of root: written as a whole, removed, checked before, and merged as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.phoenix.hypervisor.plugins.modules import (
    phoenix_files,
    phoenix_initramfs,
    phoenix_json_file,
    phoenix_runfile,
    phoenix_zfs_arc,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the files belong to root")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a module answers."""
    (tmp_path / "remote").mkdir()

    def call(plugin: Any, **arguments: Any) -> dict[str, Any]:
        with patch_module_args({"_ansible_tmpdir": str(tmp_path / "remote"), **arguments}), pytest.raises(SystemExit):
            plugin.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return call


def test_folders_are_made_once_for_their_user_and_never_through_a_link_of_another(run: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    row = {"path": str(tmp_path / "a" / "b"), "owner": 100000, "group": 100001, "mode": "2770"}
    dry = run(phoenix_files, folders=[row], _ansible_check_mode=True)
    assert (dry["made"], (tmp_path / "a").exists()) == ([], False)
    real = run(phoenix_files, folders=[row])
    assert (real["changed"], real["made"]) == (True, [row["path"]])
    found = (tmp_path / "a" / "b").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (100000, 100001, 0o2770)
    assert not run(phoenix_files, folders=[row])["changed"]
    (tmp_path / "a" / "c").symlink_to(tmp_path / "remote")
    answer = run(phoenix_files, folders=[{**row, "path": str(tmp_path / "a" / "c")}])
    assert answer["failed"]
    assert f"the link {tmp_path}/a/c" in answer["msg"]
    assert (tmp_path / "remote").stat().st_uid == 0


def test_files_are_written_once_with_their_modes(run: Any, tmp_path: Path) -> None:
    plain, strict, old = (tmp_path / name for name in ("plain", "strict", "old"))
    old.write_text("x")
    options: dict[str, Any] = {
        "files": [{"path": str(plain), "content": "a\n"}, {"path": str(strict), "content": "b\n", "mode": "0440"}],
        "absent": [str(old), str(tmp_path / "none")],
    }
    dry = run(phoenix_files, **options, _ansible_check_mode=True)
    assert not plain.exists()
    assert old.exists()
    real = run(phoenix_files, **options)
    for answer in (dry, real):
        assert (answer["written"], answer["removed"]) == ([str(plain), str(strict)], [str(old)])
        assert [one["after"] for one in answer["diff"]] == ["a\n", "b\n", ""]
    assert (plain.read_text(), strict.stat().st_mode & 0o7777, plain.stat().st_mode & 0o7777) == ("a\n", 0o440, 0o644)
    assert not run(phoenix_files, **options)["changed"]
    strict.chmod(0o666)
    corrected = run(phoenix_files, **options)
    assert (corrected["written"], corrected["diff"][0]["before"]) == ([str(strict)], "0:0 0666\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "remote", "strict"]


def test_a_file_that_is_refused_stays_as_it_was(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("good")
    (tmp_path / ".file.dpkg-tmp").write_text("left by a killed run")
    command = "/bin/sh -c 'echo no such word >&2; grep -q good \"$1\"' sh %s"
    answer = run(phoenix_files, files=[{"path": str(path), "content": "bad", "validate": command}])
    assert answer["failed"]
    assert "no such word" in answer["msg"]
    assert path.read_text() == "good"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "remote"]
    assert run(phoenix_files, files=[{"path": str(path), "content": "good\n", "validate": command}])["changed"]


def test_a_missing_folder_is_an_error_of_a_real_run_alone(run: Any, tmp_path: Path) -> None:
    files = [{"path": str(tmp_path / "none" / "file"), "content": "x"}]
    assert run(phoenix_files, files=files, _ansible_check_mode=True)["changed"]
    assert "No such file or directory" in run(phoenix_files, files=files)["msg"]


@pytest.mark.parametrize("kind", ["folder", "fifo", "large"])
def test_what_is_no_small_file_is_refused(run: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"\0" * (1 << 20) + b"1")
    assert run(phoenix_files, files=[{"path": str(path), "content": "x"}])["failed"]
    assert run(phoenix_json_file, path=str(path), merge={"a": 1})["failed"]


def test_keys_are_merged_and_an_equal_file_stays(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "etc" / "daemon.json"
    options: dict[str, Any] = {"path": str(path), "merge": {"log": {"size": "10m"}, "old": None}}
    dry = run(phoenix_json_file, **options, _ansible_check_mode=True)
    assert (dry["changed"], dry["exists"], path.parent.exists()) == (True, False, False)
    first = run(phoenix_json_file, **options)
    assert first["value"] == dry["value"] == json.loads(path.read_text())
    path.write_text('{"old": 1, "own": true, "log": {"size": "5m", "files": "3"}}')
    again = run(phoenix_json_file, **options)
    assert json.loads(path.read_text()) == {"own": True, "log": {"size": "10m", "files": "3"}}
    assert (again["exists"], json.loads(again["before"])["old"]) == (True, 1)
    path.write_text('{"own":true,"log":{"files":"3","size":"10m"}}')
    assert not run(phoenix_json_file, **options)["changed"]
    path.write_text("broken")
    assert "holds no JSON object" in run(phoenix_json_file, **options)["msg"]
    assert path.read_text() == "broken"


def test_a_restart_is_due_after_a_change_of_this_run_or_of_a_killed_one(run: Any, tmp_path: Path) -> None:
    path, pid = tmp_path / "daemon.json", tmp_path / "pid"
    options = {"path": str(path), "merge": {"a": 1}, "reference": str(pid)}
    assert not run(phoenix_json_file, **options)["restart_due"], "the program does not run"
    pid.write_text("1")
    os.utime(path, (1000, 1000))
    os.utime(pid, (1001, 1001))
    assert not run(phoenix_json_file, **options)["restart_due"]
    assert run(phoenix_json_file, **{**options, "merge": {"a": 2}})["restart_due"]
    assert run(phoenix_json_file, **{**options, "merge": {"a": 2}})["restart_due"], "the file is newer"


def test_the_limit_of_the_arc_is_set_for_now_and_for_the_boot(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, now = tmp_path / "zfs.conf", tmp_path / "zfs_arc_max"
    monkeypatch.setattr(phoenix_zfs_arc, "FILE", str(file))
    monkeypatch.setattr(phoenix_zfs_arc, "IN_FORCE", str(now))
    without = run(phoenix_zfs_arc, limit=64, _ansible_check_mode=True)
    assert (without["file_changed"], without["in_force"], len(without["diff"])) == (True, "", 1)
    now.write_text("0\n")
    dry = run(phoenix_zfs_arc, limit=64, _ansible_check_mode=True)
    assert (len(dry["diff"]), now.read_text(), file.exists()) == (2, "0\n", False)
    assert run(phoenix_zfs_arc, limit=64)["changed"]
    assert (now.read_text(), file.read_text()) == ("64", "options zfs zfs_arc_max=64\n")
    assert not run(phoenix_zfs_arc, limit=64)["changed"]
    now.write_text("1")
    live = run(phoenix_zfs_arc, limit=64)
    assert (live["changed"], live["file_changed"]) == (True, False)


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an image, and a tool that notes its arguments and renews it."""
    tool = tmp_path / "tool"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\ntouch {tmp_path}/initrd.img-1\n')
    tool.chmod(0o755)
    monkeypatch.setattr(phoenix_initramfs, "TOOL", str(tool))
    monkeypatch.setattr(phoenix_initramfs, "IMAGES", str(tmp_path / "initrd.img-"))
    (tmp_path / "list").write_text("x")
    os.utime(tmp_path / "list", (1000, 1000))
    return tmp_path


def told(boot: Path) -> list[str]:
    file = boot / "told"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize(
    ("made", "due", "expected"), [(999, False, 1), (1001, False, 0), (1001, True, 1), (None, False, 0)]
)
def test_an_image_that_is_older_than_its_files_is_updated(
    run: Any, boot: Path, made: int | None, due: bool, expected: int
) -> None:
    if made is not None:
        (boot / "initrd.img-1").write_text("")
        os.utime(boot / "initrd.img-1", (made, made))
    options: dict[str, Any] = {"files": [str(boot / "list"), str(boot / "none")], "due": due}
    assert run(phoenix_initramfs, **options, _ansible_check_mode=True)["changed"] is bool(expected)
    assert told(boot) == []
    assert run(phoenix_initramfs, **options)["changed"] is bool(expected)
    assert told(boot) == ["-u -k all"] * expected
    assert not run(phoenix_initramfs, **{**options, "due": False})["changed"]


def test_the_image_of_the_running_kernel_counts(run: Any, boot: Path) -> None:
    own = boot / f"initrd.img-{os.uname().release}"
    for image, made in ((own, 999), (boot / "initrd.img-0", 2000)):
        image.write_text("")
        os.utime(image, (made, made))
    answer = run(phoenix_initramfs, files=[str(boot / "list")])
    assert (answer["image"], answer["changed"]) == (str(own), True)


def test_a_machine_without_the_tool_is_left(run: Any, boot: Path) -> None:
    (boot / "tool").unlink()
    assert not run(phoenix_initramfs, files=[str(boot / "list")], due=True)["changed"]


def test_a_tool_that_fails_is_reported(run: Any, boot: Path) -> None:
    (boot / "tool").write_text("#!/bin/sh\necho no space >&2\nexit 3\n")
    answer = run(phoenix_initramfs, files=[str(boot / "list")], due=True)
    assert answer["failed"]
    assert "ended with 3: no space" in answer["msg"]


def test_an_installer_that_fails_is_reported_with_the_end_of_its_log(run: Any, tmp_path: Path) -> None:
    file, log = tmp_path / "x.run", tmp_path / "log"
    options: dict[str, Any] = {"path": str(file), "arguments": ["--a b"], "log": str(log), "installs": "driver 2"}
    dry = run(phoenix_runfile, **options, _ansible_check_mode=True)
    assert (dry["changed"], dry["diff"]["prepared"]) == (True, "install driver 2 by its run file, instead of none\n")
    file.write_text(f'echo "got $1"; for n in $(seq 99); do echo line $n >> {log}; done; exit $(cat {tmp_path}/rc)\n')
    (tmp_path / "rc").write_text("0")
    assert run(phoenix_runfile, **options)["changed"]
    (tmp_path / "rc").write_text("3")
    failed = run(phoenix_runfile, **options)
    assert failed["failed"]
    assert failed["msg"].startswith("The installer of driver 2 ended with 3: got --a b\n")
    assert failed["msg"].splitlines()[2:] == [f"line {number}" for number in range(75, 100)]
    log.unlink()
    file.write_text("exit 1")
    assert run(phoenix_runfile, **options)["msg"] == "The installer of driver 2 ended with 1: it wrote nothing"
