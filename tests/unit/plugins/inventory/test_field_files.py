# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in the shape of the field, through `ansible-inventory`: no error, hosts as everything else reads them, and each
warning once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ansible_collections.phoenix.hypervisor as collection
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import environment
from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.documents import test_field_keys

SOURCE = """
plugin: phoenix.hypervisor.phoenix
lxc_config: lxc.json
hypervisor_config: host.json
nodes:
  pve: {ansible_host: 192.0.2.10}
"""
HOST = {
    "version": "1.0",
    "domain_name": "example.com",
    "users": {"username": "ops", "sudo_access": True, "ssh_public_key": ""},
    "core_paths": {"lxc_config_file": "/usr/local/etc/phoenix_lxc_configs.json"},
    "timezone": "Europe/Berlin",
    "network": {
        "external_registry_url": "registry.example.com",
        "portainer_server_ip": "192.0.2.111",
        "interfaces": {"name": "vmbr0", "address": "192.0.2.13/24", "gateway": "192.0.2.1"},
        "nfs_server": "192.0.2.13",
    },
    "zfs": {
        "pools": [{"name": "bulk", "raid_level": "mirror", "disks": ["/dev/disk/by-id/a", "/dev/disk/by-id/b"]}],
        "datasets": [
            {
                "name": "guests",
                "pool": "bulk",
                "properties": "recordsize=16K,compression=lz4",
                "proxmox_storage_type": "zfspool",
                "proxmox_content_type": "images,rootdir",
                "storage_class": "direct",
            }
        ],
    },
    "tests": {"system_validation": [{"name": "all", "type": "script", "path": "all.sh"}]},
    "portainer_api": {"admin_user": "admin", "admin_password": "correct-horse-battery"},
    "step_ca": {"dns_name": "ca.example.com"},
    "dns_server": {"enabled": True, "upstream_servers": ["192.0.2.1"]},
    "firewall": {
        "enabled": True,
        "global_firewall_rules": [
            {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "22"},
            {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "22", "comment": "again"},
        ],
    },
}


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, object]], str, str]:
    """The host variables, the whole output, and the warnings."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "phoenix.yml").write_text(SOURCE)
    (folder / "lxc.json").write_bytes(test_field_keys.FILE.read_bytes())
    (folder / "host.json").write_text(json.dumps(HOST))
    root = Path(next(iter(collection.__path__))).parents[2]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    variables.update(
        ANSIBLE_COLLECTIONS_PATH=os.pathsep.join([str(root), os.environ.get("ANSIBLE_COLLECTIONS_PATH", "")]),
        ANSIBLE_HOME=str(folder / "home"),
        COLUMNS="400",
    )
    command = [sys.executable, "-m", "ansible", "inventory", "-i", "phoenix.yml", "--list"]
    result = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=600, check=True)
    # Ansible marks each text as data in which nothing is templated.
    listing = json.loads(result.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item))
    return listing["_meta"]["hostvars"], result.stdout, result.stderr


def test_nothing_is_wrong_with_them(listed: tuple[dict[str, dict[str, object]], str, str]) -> None:
    hostvars = listed[0]
    assert hostvars["910"]["phoenix_config_errors"] == []
    config = hostvars["910"]["phoenix_config"]
    assert isinstance(config, dict)
    assert config["vllm_model"] == "acme/chat"
    assert config["volumes"][0]["name"] == "models"
    assert "traefik_service" not in config
    assert hostvars["101"]["phoenix_config"]["networks"][0]["name"] == "eth1"  # type: ignore[index]  # an object


def test_each_warning_is_there_once_and_no_secret(listed: tuple[dict[str, dict[str, object]], str, str]) -> None:
    hostvars, output, warnings = listed
    told = hostvars["910"]["phoenix_config_warnings"]
    assert isinstance(told, list)
    assert len(told) == len(set(told))
    unused = [line for line in told if "not acted on" in line]
    assert [line.split(" ")[0] for line in unused] == ["lxc.json", "host.json"]
    assert "zfs.datasets.storage_class" in unused[1]
    assert warnings.count("not acted on") == len(unused)
    assert "correct-horse-battery" not in output + warnings


def test_the_application_script_gets_the_address_of_the_authority(
    listed: tuple[dict[str, dict[str, object]], str, str],
) -> None:
    config = listed[0]["101"]["phoenix_config"]
    assert isinstance(config, dict)
    variables = environment.environment(config, 101, "gateway", "pve", ())
    assert variables["PHOENIX_BOOTSTRAP_CA_URL"] == "https://192.0.2.11:9000"
