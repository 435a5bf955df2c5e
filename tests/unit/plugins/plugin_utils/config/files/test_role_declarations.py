# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own roles for a node: what they declare fits the schema, the records and the playbook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError

from ansible_collections.phoenix.hypervisor.plugins.filter.host_roles import needed
from ansible_collections.phoenix.hypervisor.plugins.filter.host_sections import chosen
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import declared_roles
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.ownership import SECTIONS
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.role_declarations import (
    declared,
    host_roles,
)

REPO = Path(__file__).resolve().parents[6]
# Keys of the file that no role of a node acts on: what the schema says of them.
WITHOUT_ROLE = {
    "$schema", "version", "author", "management_address", "proxmox_storage_ids", "mount_point_base", "nvidia_driver",
    "core_paths", "docker", "behavior", "proxmox_defaults", "vm_defaults", "vms",
    "domain_name", "tests", "portainer_api", "dns_server", "step_ca", "traefik",
}  # fmt: skip  # laid out to be read


def playbook() -> list[dict[str, Any]]:
    plays: list[dict[str, Any]] = yaml.safe_load((REPO / "playbooks" / "hypervisor.yml").read_text(encoding="utf-8"))
    tasks: list[dict[str, Any]] = next(play["tasks"] for play in plays if play.get("name") == "Set up the hypervisors")
    return tasks


def test_every_key_of_the_schema_has_at_most_one_role() -> None:
    (schema,) = REPO.glob("plugins/**/hypervisor_config.schema.json")
    known = set(json.loads(schema.read_text(encoding="utf-8"))["properties"])
    keys = [key for role in host_roles() for key in role.keys]
    assert len(keys) == len(set(keys))
    assert set(keys) | WITHOUT_ROLE == known
    assert not set(keys) & WITHOUT_ROLE


def test_every_recorded_section_has_its_role() -> None:
    assert set(declared_roles.of_sections(host_roles())) == set(SECTIONS)
    assert set(declared_roles.TRACES) <= set(SECTIONS)


def test_the_playbook_has_each_role_under_its_tag_and_condition() -> None:
    steps = [task for task in playbook() if "ansible.builtin.include_role" in task]
    names = [step["ansible.builtin.include_role"]["name"].removeprefix("phoenix.hypervisor.") for step in steps]
    drivers = needed({}, drivers=True)
    (at,) = [index for index, name in enumerate(names) if name == "{{ phoenix_driver_role.file }}"]
    step = steps.pop(at)
    del names[at]
    assert drivers == ["hypervisor_nvidia"]
    assert step["loop"] == "{{ phoenix_driver_roles | intersect(phoenix_host_due) | phoenix.hypervisor.in_turn }}"
    assert step["tags"] == "{{ phoenix_driver_roles }}"
    assert sorted([*names, *drivers]) == [role.name for role in host_roles()]
    for name, step in zip(names, steps, strict=True):
        assert step["tags"] == [name]
        assert step["ansible.builtin.include_role"]["apply"]["tags"] == ["hypervisor", name]
        assert f"'{name}' in phoenix_host_due" in step["when"]


def test_the_comparison_with_the_records_runs_under_the_tags_of_its_sections() -> None:
    (step,) = [task for task in playbook() if "phoenix.hypervisor.phoenix_host_claims" in task]
    assert set(step["tags"]) == set(declared_roles.of_sections(host_roles()).values())


def test_roles_and_sections_of_a_file() -> None:
    config = {"nvidia": {"install": False}, "sysctl": {"vm.swappiness": 10}, "nfs": {}, "zfs": {}}
    assert needed(config) == ["hypervisor_base", "hypervisor_shares", "hypervisor_storage"]
    assert set(chosen(config)) == {"sysctl", "nfs"}
    assert chosen(config, "hypervisor_base") == {"sysctl": {"values": {"vm.swappiness": 10}}}


def test_a_faulty_declaration_names_its_file(tmp_path: Path) -> None:
    file = tmp_path / "x" / "meta" / "phoenix_host.yml"
    file.parent.mkdir(parents=True)
    (tmp_path / "plain").mkdir()
    file.write_text("keys: ntp\n")
    with pytest.raises(AnsibleError, match="expected a list of names") as caught:
        declared(str(tmp_path))
    assert str(file) in str(caught.value)
