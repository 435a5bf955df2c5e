# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts `nfs`, `samba` and `shared_volumes` of the host's file: both dialects, and what is wrong in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import Source, validate
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config, parameters
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse

ZFS = {
    "pools": [{"name": "fast"}],
    "datasets": [
        {"pool": "fast", "name": "data", "properties": "mountpoint=/mnt/data"},
        {"name": "fast/data/models", "properties": {}},
    ],
}


def findings(config: dict[str, Any], hidden: bool = False) -> list[str]:
    """Pointer, value and remedy of each finding of the host's file."""
    lxc = Source("lxc.json", parse(b'{"lxc_configs": {}}'), load_schema("phoenix_lxc_configs"))
    source = Source("host.json", parse(json.dumps(config).encode()), load_schema("hypervisor_config"), hidden)
    found = validate(lxc, source, ("pve",)).findings
    return [f"{one.pointer} {one.got} {one.remedy}" for one in found if one.file == "host.json"]


def share(**values: Any) -> dict[str, Any]:
    """A file with one Samba share."""
    return {"samba": {"shares": [{"path": "/srv/a", **values}]}}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"nfs": {"exports": [{"path": "/a", "options": "rw,no_subtre_check"}]}}, "Write no_subtree_check"),
        ({"nfs": {"shares": [{"path": "/a", "options": ["fsid"]}]}}, "/nfs/shares/0/options"),
        (
            {"nfs": {"shares": [{"path": "/a", "options": "rw,async,noatime"}]}},
            '"noatime" Remove it: it is an option of mount',
        ),
        ({"nfs": {"exports": [{"path": "/a", "options": "sync=yes"}]}}, "/nfs/exports/0/options"),
        ({"nfs": {"exports": [{"path": "/a", "clients": ["10.0.0.0/8(rw)"]}]}}, "/nfs/exports/0/clients"),
        ({"nfs": {"exports": [{"path": "/a", "clients": ["10.0.0.0/33"]}]}}, "/nfs/exports/0/clients"),
        ({"nfs": {"exports": [{"path": "/a", "clients": "10.0.0.256"}]}}, "/nfs/exports/0/clients"),
        ({"nfs": {"exports": [{"path": "/a", "clients": ["2001:db8::/129"]}]}}, "/nfs/exports/0/clients"),
        ({"nfs": {"exports": [{"path": "/a"}], "shares": [{"path": "/a"}]}}, "Join the two"),
        ({"zfs": ZFS, "nfs": {"exports": [{"path": "fast/date"}]}}, "/nfs/exports/0/path"),
        (
            {"zfs": ZFS, "nfs": {"exports": [{"path": "/mnt/data/models"}, {"path": "fast/data/models"}]}},
            "Join the two",
        ),
        ({"samba": {"shares": [{"path": "/a/x"}, {"path": "/b/X"}]}}, "/samba/shares/1/path"),
        (share(name="global"), "another name"),
        (share(options={"comment": "a\n[evil]"}), "/samba/shares/0/options/comment"),
        (share(options={"a\n[evil]": "x"}), "/samba/shares/0/options"),
        (share(options="guest ok"), "/samba/shares/0/options"),
        (share(options="writable browseable=yes"), '/samba/shares/0/options "writable" Write each as'),
        (share(options="guest ok, read only=yes"), '"guest ok" Write each'),
        (share(options="comment=ends in \\"), "backslash"),
        ({"samba": {"users": [{"name": "a", "password": "x\ny"}]}}, "/samba/users/0/password"),
        ({"shared_volumes": {"a": {"host_path": "/srv/a", "mode": "rwx"}}}, "/shared_volumes/a/mode"),
        ({"shared_volumes": {"a": {"host_path": "/srv/a", "owner_uid": 65536}}}, "/shared_volumes/a/owner_uid"),
    ],
)
def test_it_is_an_error(config: dict[str, Any], words: str) -> None:
    found = findings(config)
    assert words in "; ".join(found)
    assert len(found) == 1


def test_passwords_are_not_shown() -> None:
    found = findings({"samba": {"users": [{"name": "a", "password": "canary\n"}]}})
    assert found
    assert "canary" not in "".join(found)


def test_an_encrypted_file_shows_no_value() -> None:
    found = findings({"nfs": {"exports": [{"path": "/a", "options": "rw,canary"}]}}, hidden=True)
    assert found
    assert "canary" not in "".join(found).replace("/canary", "")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("read only=yes browseable=yes", {"read only": "yes", "browseable": "yes"}),
        ("browseable=yes writable=yes", {"browseable": "yes", "writable": "yes"}),
        ("valid users=alice bob read only = no;create mask=0644",
         {"valid users": "alice bob", "read only": "no", "create mask": "0644"}),
        ("guest_ok=yes, comment=a = b", {"guest ok": "yes", "comment": "a = b"}),
        ("", {}),
    ],
)  # fmt: skip  # laid out to be read
def test_parameters_on_one_line(text: str, found: dict[str, str]) -> None:
    assert parameters(text) == found


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ({"browsable": False, "guest_ok": True, "read_only": False},
         {"browseable": "no", "guest ok": "yes", "read only": "no"}),
        ({"guest_ok": False, "options": "guest ok=yes writable=yes"}, {"guest ok": "no", "writable": "yes"}),
        ({}, {}),
    ],
)  # fmt: skip  # laid out to be read
def test_keys_of_a_share_are_parameters(values: dict[str, Any], options: dict[str, str]) -> None:
    config = share(**values)
    assert findings(config) == []
    (found,) = host_config(config)["shares"]
    assert found["options"] == options


def test_a_dataset_is_where_it_is_mounted() -> None:
    config = {"zfs": ZFS, "nfs": {"exports": [{"path": "fast/data/models"}]}, "mount_point_base": ""}
    shape = host_config(config)
    assert [row["path"] for row in shape["exports"]] == ["/mnt/data/models"]
    assert shape["folders"] == ["/mnt/data", "/mnt/data/models"]


@pytest.mark.parametrize(
    ("more", "created"),
    [({}, True), ({"create_base_path": False}, False), ({"is_mountpoint": "yes"}, False), ({"disable": True}, False)],
)
def test_the_folder_of_a_storage_comes_with_the_storage(more: dict[str, Any], created: bool) -> None:
    storage = {"id": "backup", "type": "dir", "path": "/srv/backup", "content": ["backup"], **more}
    config = {"storage": [storage], "nfs": {"exports": [{"path": "/srv/backup"}]}}
    assert findings(config) == []
    assert host_config(config)["folders"] == (["/srv/backup"] if created else [])


def test_a_folder_in_a_dataset_is_below_its_mountpoint() -> None:
    config = {"zfs": ZFS, "samba": {"shares": [{"path": "fast/data/docs/old"}, {"path": "fast/data"}]}}
    assert findings(config) == []
    assert [row["path"] for row in host_config(config)["shares"]] == ["/mnt/data/docs/old", "/mnt/data"]


def test_ids_of_a_shared_volume_are_those_of_the_host() -> None:
    volumes = {"a": {"host_path": "/a"}, "b": {"host_path": "/b", "owner_uid": 5, "unprivileged": False, "mode": "700"}}
    found = host_config({"shared_volumes": volumes})["shared_volumes"]
    assert [(row["owner"], row["group"], row["mode"]) for row in found] == [(100000, 100000, "0775"), (5, 5, "700")]
