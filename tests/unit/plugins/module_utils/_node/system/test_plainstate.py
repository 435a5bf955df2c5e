# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A state is right only where nothing of it differs; each single difference is named."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_sources_text
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import plainstate, root_files

KEY, OTHER = "ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"
ROW: dict[str, Any] = {
    "username": "admin", "shell": "/bin/bash", "groups": ["media"], "sudo": True, "sudo_nopasswd": True,
    "has_password": False, "keys": [KEY], "exclusive_keys": False,
}  # fmt: skip  # laid out to be read
SOURCE: dict[str, Any] = {
    "file": "proxmox", "uri": "http://a", "suites": [], "components": ["c"], "signed_by": "", "known": True,
    "replaces": "old.list",
}  # fmt: skip  # laid out to be read


def run(command: list[str]) -> str:
    """The node's programs."""
    if command[0] == "systemctl":
        states = {"up": ("active", "enabled"), "down": ("inactive", "enabled"), "off": ("active", "disabled")}
        rows = [states.get(unit, ("inactive", "")) for unit in command[3:]]
        return "\n\n".join(f"ActiveState={active}\nUnitFileState={file}" for active, file in rows) + "\n"
    return "ii |jq|1.7|amd64|\nrc |tree|2|amd64|\n"


def differences(**wanted: Any) -> list[str]:
    return plainstate.Look(run).differences(wanted)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Makes a file of root."""

    def of_root(path: str) -> root_files.Seen:
        found = read(path)
        return found if found.mode is None else found._replace(owner=0, group=0)

    def make(name: str, content: str, mode: int = 0o644) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        path.chmod(mode)
        return str(path)

    read = root_files.read
    monkeypatch.setattr(root_files, "read", of_root)
    return make


def test_packages_and_services() -> None:
    assert differences(packages=["jq"], services=["up"]) == []
    assert differences(packages=["jq", "tree"]) == ["the package tree is missing"]
    assert differences(services=["up", "down", "off", "none"]) == [
        f"{unit} is not running and enabled" for unit in ("down", "off", "none")
    ]


def test_a_service_of_which_nothing_is_told_is_not_running() -> None:
    assert plainstate.Look(lambda _command: "").differences({"services": ["a", "b"]}) == [
        "a is not running and enabled",
        "b is not running and enabled",
    ]


def test_files(file: Callable[..., str]) -> None:
    path = file("a", "text\n")
    assert differences(files=[{"path": path, "content": "text\n"}], owned=[{"path": path}], absent=[f"{path}x"]) == []
    for row in ({"content": "other\n"}, {"content": "text\n", "mode": "0440"}):
        assert differences(files=[{"path": path, **row}]) == [f"{path} differs"]
    assert differences(absent=[path]) == [f"{path} exists"]
    os.chmod(path, 0o600)
    assert differences(owned=[{"path": path}]) == [f"{path} is not a file of root with mode 0644"]


def test_sources(file: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_sources_text, "FOLDER", str(tmp_path))
    monkeypatch.setattr(plainstate, "RELEASE", file("release", 'ID=debian\nVERSION_CODENAME=trixie\n'))
    keyring, old = str(tmp_path / "keyring"), "/old-{}.gpg"
    (wanted,) = apt_sources_text.files([SOURCE], "trixie", [], keyring, "/old-trixie.gpg")
    path = file("proxmox.sources", wanted["content"])
    given = {"rows": [SOURCE], "keyring": keyring, "old_keyring": old}
    assert "old-trixie" in wanted["content"]
    assert differences(sources=given) == []
    left = file("old.list", "")
    assert differences(sources=given) == [f"{left} exists"]
    os.unlink(left)
    file("keyring", "")
    assert differences(sources=given) == [f"{path} differs"]


def test_the_time_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones, link = tmp_path / "zones", tmp_path / "localtime"
    (zones / "Europe").mkdir(parents=True)
    (zones / "Europe" / "Berlin").touch()
    monkeypatch.setattr(plainstate, "ZONES", str(zones))
    monkeypatch.setattr(plainstate, "LOCALTIME", str(link))
    wrong = ["the time zone is not Europe/Berlin"]
    assert differences(timezone="Europe/Berlin") == wrong
    link.symlink_to("zones/Europe/Berlin")
    assert differences(timezone="Europe/Berlin") == []
    (zones / "Europe" / "Berlin").unlink()
    assert differences(timezone="Europe/Berlin") == wrong


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("[global]\n# BEGIN\ninclude = a\n# END\n", True),
        ("[global]\n# BEGIN\ninclude = b\n# END\n", False),
        ("# BEGIN\ninclude = a\nmore = c\n# END\n", False),
        ("# BEGIN\ninclude = a\n# END\n# BEGIN\ninclude = a\n# END\n", False),
        ("# END\n# BEGIN\ninclude = a\n", False),
        ("include = a\n", False),
        ("", False),
    ],
)
def test_a_block(file: Callable[..., str], text: str, right: bool) -> None:
    path = file("smb.conf", text)
    found = differences(blocks=[{"path": path, "lines": ["# BEGIN", "include = a", "# END"]}])
    assert found == ([] if right else [f'{path} lacks the block "# BEGIN"'])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of the account, which is as the file has it."""
    account = SimpleNamespace(pw_name="admin", pw_shell="/bin/bash", pw_dir=str(tmp_path), pw_gid=1000)
    groups = [
        SimpleNamespace(gr_name="sudo", gr_gid=27, gr_mem=["admin"]),
        SimpleNamespace(gr_name="media", gr_gid=1000, gr_mem=[]),
        SimpleNamespace(gr_name="video", gr_gid=44, gr_mem=["other"]),
    ]
    monkeypatch.setattr(pwd, "getpwnam", {"admin": account}.__getitem__)
    monkeypatch.setattr(grp, "getgrall", lambda: groups)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "authorized_keys").write_text(f"# a comment\n{KEY}\n{OTHER}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"username": "none"}, ["there is no account none"]),
        ({"shell": "/bin/sh"}, ["the account admin differs"]),
        ({"groups": ["video"]}, ["the account admin differs"]),
        ({"groups": ["none"]}, ["there is no group none", "the account admin differs"]),
        ({"sudo": False}, ["admin is to leave the group sudo"]),
        ({"keys": [KEY, "ssh-ed25519 CCCC three"]}, ["the SSH keys of admin differ"]),
        ({"exclusive_keys": True}, ["the SSH keys of admin differ"]),
        ({"exclusive_keys": True, "keys": [f"{KEY}\n{OTHER}"]}, []),
    ],
)
def test_an_account(home: Path, change: dict[str, Any], expected: list[str]) -> None:
    assert differences(accounts=[{**ROW, **change}]) == expected


def test_a_right_to_sudo_that_cannot_be_used_is_reported_by_the_role(home: Path) -> None:
    (found,) = differences(accounts=[{**ROW, "sudo_nopasswd": False}])
    assert found.startswith("admin may use sudo")


def test_a_home_that_is_gone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwd.getpwnam("admin").pw_dir = f"{home}/none"
    assert differences(accounts=[{**ROW, "keys": []}]) == ["the account admin differs"]


@pytest.mark.parametrize("kind", ["link", "fifo", "large", "none"])
def test_keys_are_not_read_through_what_the_account_can_plant(home: Path, kind: str) -> None:
    """A FIFO would hold the look for ever, and a link would lead it to a file of another user."""
    keys = home / ".ssh" / "authorized_keys"
    if kind == "link":
        keys.rename(home / "elsewhere")
        keys.symlink_to(home / "elsewhere")
    elif kind == "large":
        keys.write_text(f"{KEY}\n" + "#" * root_files.MOST_BYTES, encoding="utf-8")
    else:
        keys.unlink()
        if kind == "fifo":
            os.mkfifo(keys)
    assert differences(accounts=[ROW]) == ["the SSH keys of admin differ"]
