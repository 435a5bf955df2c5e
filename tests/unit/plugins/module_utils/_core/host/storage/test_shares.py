# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports, shares and shared folders: the texts that are written, what is refused, what keeps its owner."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.credentials.nthash import md4, nt_hash
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import share_plan
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage.share_plan import Folder

EXPORT = {"path": "/srv/a", "clients": ["10.0.0.0/8"], "options": ["rw"]}
SHARE = {"name": "work", "path": "/srv/a", "options": {"read only": "no"}}
VOLUME = {"name": "models", "path": "/srv/m", "owner": 100000, "group": 100000, "mode": "0775"}
THERE = Folder("folder", 0, 0, 0o755, False)


def plan(by_hand: dict[str, str] | None = None, smb: str = "", **more: Any) -> share_plan.Plan:
    """The plan for what is given; every path is a folder with something in it unless `folders` says otherwise."""
    folders = more.pop("folders", {})
    to_come = more.pop("to_come", ())
    desired = {"exports": [], "shares": [], "volumes": [], "workgroup": "", **more}
    paths = {row["path"] for key in ("exports", "shares", "volumes") for row in desired[key]}
    return share_plan.plan(desired, by_hand or {}, smb, {path: folders.get(path, THERE) for path in paths}, to_come)


@pytest.mark.parametrize(
    "path",
    ["/srv/a", "/srv/with blank", "/srv/#", '/srv/"quoted"', "/srv/ä€", "/srv/back\\slash", "/srv/(x)", "/a*?[b]"],
)
def test_a_path_comes_back_from_the_file_that_exportfs_reads(path: str) -> None:
    text = share_plan.exports_text([{**EXPORT, "path": path, "clients": ["*", "10.0.0.0/8"]}])
    assert share_plan.parse_exports(text) == [(path, "*"), (path, "10.0.0.0/8")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/srv/a 10.0.0.0/8(rw) *(ro)\n", [("/srv/a", "10.0.0.0/8"), ("/srv/a", "*")]),
        ("# /srv/a *(ro)\n\n  # x\n", []),
        ('"/srv/a b" host(ro)\n', [("/srv/a b", "host")]),
        ("/srv/a \\\n  one(ro) \\\n  two(rw)\n", [("/srv/a", "one"), ("/srv/a", "two")]),
        ("/srv/a\n", [("/srv/a", "*")]),
        ("/srv/a/ -ro,sync one two(rw) # three\n", [("/srv/a", "one"), ("/srv/a", "two")]),
        ("/srv/ä *(ro)\n", [("/srv/ä", "*")]),
    ],
)
def test_exports_written_by_hand_are_read(text: str, found: list[tuple[str, str]]) -> None:
    assert share_plan.parse_exports(text) == found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"exports": [EXPORT], "by_hand": {"/etc/exports": "/srv/a/ 10.0.0.0/8(ro)\n"}}, "/etc/exports has it already"),
        ({"shares": [SHARE], "smb": "[global]\n[Work]\n"}, "smb.conf has a section of that name"),
        ({"exports": [EXPORT], "folders": {"/srv/a": Folder()}}, "NFS export: /srv/a is not there"),
        ({"shares": [SHARE], "folders": {"/srv/a": Folder()}}, "Samba share work: /srv/a is not there"),
        ({"shares": [SHARE], "folders": {"/srv/a": Folder("other")}}, "is no folder"),
        ({"volumes": [VOLUME], "folders": {"/srv/m": Folder("other")}}, "is no folder"),
        ({"volumes": [VOLUME], "folders": {"/srv/m": Folder("link", link="/srv/m")}}, "leads through the link /srv/m"),
        ({"exports": [EXPORT], "folders": {"/srv/a": Folder("link", link="/srv")}}, "leads through the link /srv,"),
        ({"shares": [SHARE], "folders": {"/srv/a": Folder("link", link="/srv/a")}}, "such as a guest"),
    ],
)
def test_it_is_refused(given: dict[str, Any], words: str) -> None:
    assert words in "; ".join(plan(**given).errors)


@pytest.mark.parametrize(
    "given",
    [
        {"exports": [EXPORT], "by_hand": {"/etc/exports": "/srv/a *(ro)\n/srv/b 10.0.0.0/8(ro)\n"}},
        {"shares": [SHARE], "smb": "[global]\n\tpath = [work]\n# [work]\n"},
        {"exports": [EXPORT], "folders": {"/srv/a": Folder()}, "to_come": ["/srv/a"]},
        {
            "exports": [{**EXPORT, "path": "/srv/m/"}],
            "volumes": [VOLUME],
            "folders": {"/srv/m/": Folder(), "/srv/m": Folder()},
        },
    ],
)
def test_it_is_not_refused(given: dict[str, Any]) -> None:
    assert plan(**given).errors == []


@pytest.mark.parametrize(
    ("seen", "owner", "told"),
    [
        (Folder(), "100000", False),
        (Folder("folder", 0, 0, 0o755, True), "100000", False),
        (Folder("folder", 0, 0, 0o755, False), "0", True),
        (Folder("folder", 100000, 5, 0o755, False), "100000", True),
        (Folder("folder", 100000, 100000, int(VOLUME["mode"], 8), False), "100000", False),
    ],
    ids=["absent", "empty", "full", "full, other group", "full and right"],
)
def test_what_is_in_a_folder_is_not_given_away(seen: Folder, owner: str, told: bool) -> None:
    found = plan(volumes=[VOLUME], folders={"/srv/m": seen})
    if not seen.empty:
        assert found.folders[0]["mode"] == f"{seen.mode:04o}"
    assert found.folders[0]["owner"] == owner
    assert bool(found.notes) == told
    assert ("chown -R 100000:100000" in "".join(found.notes)) == told


def test_a_folder_with_content_keeps_its_mode() -> None:
    found = plan(volumes=[VOLUME], folders={"/srv/m": Folder("folder", 100000, 100000, 0o700, False)})
    assert found.folders == [{"path": "/srv/m", "owner": "100000", "group": "100000", "mode": "0700"}]
    assert f"chmod {int(VOLUME['mode'], 8):04o} /srv/m" in found.notes[0]
    assert "chown" not in found.notes[0]


def test_nothing_desired_is_no_file() -> None:
    found = plan()
    assert (found.exports, found.smb) == ("", "")


def test_what_smb_conf_includes() -> None:
    assert share_plan.smb_text([SHARE], "HOME").splitlines()[1:] == [
        "[global]", "\tworkgroup = HOME", "[work]", "\tpath = /srv/a", "\tread only = no",
    ]  # fmt: skip  # laid out to be read


@pytest.mark.parametrize(
    ("text", "digest"),
    [  # RFC 1320, A.5
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4(text: bytes, digest: str) -> None:
    assert md4(text).hex() == digest


def test_the_hash_that_samba_keeps() -> None:
    assert nt_hash("password") == "8846F7EAEE8FB117AD06BDD830B7586C"
