# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""storage.cfg as PVE writes it, and what PVE takes for granted where it says nothing."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.storagecfg import parse_storages

TEXT = """dir: local
    path /var/lib/vz
    content vztmpl,backup,iso
    nodes elsewhere

# a comment
lvmthin: local-lvm
    thinpool data
    vgname pve
    content rootdir,images

zfspool: tank
    pool tank
    disable
    nodes a,b
    sparse 1

dir: here
    path /srv
    content none
    content-dirs vztmpl=/images,iso=/isos

pbs: backups
    server x
""".replace("    ", "\t")


def test_types_and_contents():
    found = parse_storages(TEXT)
    assert {name: storage.kind for name, storage in found.items()} == {
        "local": "dir", "local-lvm": "lvmthin", "tank": "zfspool", "here": "dir", "backups": "pbs"
    }  # fmt: skip  # laid out to be read
    assert found["local-lvm"].content == {"rootdir", "images"}
    assert found["tank"].content == {"rootdir", "images"}
    assert found["here"].content == frozenset()
    assert found["backups"].content == {"backup"}


def test_disabled_and_restricted():
    found = parse_storages(TEXT)
    assert [name for name, storage in found.items() if storage.disabled] == ["tank"]
    assert found["tank"].nodes == {"a", "b"}
    assert found["local"].nodes == frozenset()


def test_folders():
    found = parse_storages(TEXT)
    assert found["local"].template_folder == "/var/lib/vz/template/cache"
    assert found["here"].template_folder == "/srv/images"
    assert found["tank"].template_folder is None
    assert found["tank"].folder is None


@pytest.mark.parametrize("text", ["", "zfspool: tank\n\tpool tank\n", "dir: local\n\tcontent vztmpl\n"])
def test_local_is_always_there(text):
    assert parse_storages(text)["local"].folder == "/var/lib/vz"


def test_disable_without_a_value_and_with_zero():
    assert parse_storages("dir: a\n\tpath /a\n\tdisable\n")["a"].disabled
    assert not parse_storages("dir: a\n\tpath /a\n\tdisable 0\n")["a"].disabled
