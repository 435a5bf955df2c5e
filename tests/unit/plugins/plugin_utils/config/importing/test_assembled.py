# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two files of what was read: valid, with shared defaults, and with a note for all that is left out."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.importing.defaults import factored
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.container_document import prepared
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import document_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.importing.assembled import (
    Assembled,
    ImportConflictError,
    assemble,
)

SCHEMAS = (load_schema("phoenix_lxc_configs"), load_schema("hypervisor_config"))
WEB = {
    "name": "web",
    "template": "existing",
    "storage_pool": "tank",
    "memory_mb": 1024,
    "unprivileged": True,
    "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "10.0.0.5/24"},
}
DB = {**WEB, "name": "db", "memory_mb": 2048, "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}}


def read(**containers: Any) -> dict[str, Any]:
    """What a node answers."""
    items = {ctid.lstrip("c"): {"config": config, "notes": []} for ctid, config in containers.items()}
    storage = [{"id": "tank", "type": "zfspool", "pool": "tank", "content": ["images", "rootdir"]}]
    return {"containers": items, "host": {"timezone": "Europe/Berlin", "storage": storage}, "notes": []}


def made(found: dict[str, Any], nodes: tuple[str, ...] = ("pve",)) -> Assembled:
    """The files of one node."""
    return assemble(copy.deepcopy(found), nodes, SCHEMAS)


def test_defaults_are_what_every_container_has():
    files = made({"pve": read(c950=WEB, c951=DB)})
    assert files.containers == {
        "lxc_defaults": {
            "storage_pool": "tank",
            "unprivileged": True,
            "network_config": {"name": "eth0", "bridge": "vmbr0"},
        },
        "lxc_configs": {
            "950": {"name": "web", "template": "existing", "memory_mb": 1024, "network_config": {"ip": "10.0.0.5/24"}},
            "951": {"name": "db", "template": "existing", "memory_mb": 2048, "network_config": {"ip": "dhcp"}},
        },
    }
    assert files.host["timezone"] == "Europe/Berlin"
    # What a run reads of the file is what was read of the node.
    assert document_of(prepared(files.containers, SCHEMAS[0]).fleet)["lxc_configs"] == {"950": WEB, "951": DB}


def test_a_default_that_one_lacks_is_none():
    defaults, rest = factored({"950": WEB, "951": {**DB, "cores": 2}, "952": {"name": "x", "unprivileged": True}})
    assert defaults == {"unprivileged": True}
    assert rest["950"]["storage_pool"] == "tank"


@pytest.mark.parametrize(
    ("key", "value", "left"),
    [
        ("searchdomain", ["under_score.example"], {}),
        ("tty", 9, {}),
        ("mount_points", [{"host_path": "/srv/../etc", "container_path": "/x"}], {"mount_points": []}),
        ("nonsense", 1, {}),
    ],
)
def test_what_validation_refuses_is_left_out(key: str, value: Any, left: dict[str, Any]) -> None:
    files = made({"pve": read(c950={**WEB, key: value})})
    assert files.containers["lxc_configs"]["950"].get(key) in (left.get(key), None)
    assert any(key in note and "is left out" in note for note in files.notes)


def test_of_two_containers_with_one_name_one_is_left_out():
    files = made({"pve": read(c950=WEB, c951={**DB, "name": "web"})})
    assert len(files.containers["lxc_configs"]) == 1
    assert any("951" in note or "950" in note for note in files.notes)


def test_several_nodes():
    other = read(c951=DB)
    other["host"]["timezone"] = "Etc/UTC"
    files = made({"one": read(c950=WEB), "two": other}, ("one", "two"))
    assert files.containers["lxc_configs"]["951"]["node"] == "two"
    assert "timezone" not in files.host
    assert "host: timezone differs between the nodes, and is left out" in files.notes
    with pytest.raises(ImportConflictError, match="CTID 950 exists on one and on two"):
        made({"one": read(c950=WEB), "two": read(c950=DB)}, ("one", "two"))
