# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of a node that a token reaches, as the inventory makes them: their key, and SSH into them."""

from __future__ import annotations

import json

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOurPublicKey"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAISomebodyElse person"
BASE = {"template": "local:vztmpl/debian.tar.zst", "network_config": {"bridge": "vmbr0", "ip": "dhcp"}}


@pytest.fixture
def site(tmp_path):
    """A function that reads the inventory of a node with these variables; the variables of a host by its name."""
    configs = {
        "950": {**BASE, "name": "web", "ssh_public_keys": [OTHER]},
        "951": {**BASE, "name": "known", "ssh_public_keys": [f"{KEY} twice"]},
        "952": {"name": "copy", "clone_from_ctid": "950", "network_config": BASE["network_config"]},
    }
    (tmp_path / "lxc.json").write_text(json.dumps({"lxc_configs": configs}), encoding="utf-8")

    def read(**node):
        source = {"plugin": "phoenix.hypervisor.phoenix", "lxc_config": "lxc.json", "nodes": {"pve": node}}
        (tmp_path / "phoenix.yml").write_text(json.dumps(source), encoding="utf-8")
        loader = DataLoader()
        manager = InventoryManager(loader=loader, sources=[str(tmp_path / "phoenix.yml")])
        variables = VariableManager(loader=loader, inventory=manager)
        return lambda host: variables.get_vars(host=manager.get_host(host))

    return read


def test_containers_get_the_key_of_their_node_and_are_reached_with_it(site, tmp_path):
    (tmp_path / "guests.pub").write_text(f"{KEY} automation@here\n", encoding="ascii")
    found = site(api={}, guest_ssh={"private_key_file": "guests", "port": 2222, "common_args": "-o ProxyJump=jump"})
    web = found("950")
    assert not web["phoenix_config_errors"]
    assert web["phoenix_config"]["ssh_public_keys"] == [OTHER, KEY]
    assert found("951")["phoenix_config"]["ssh_public_keys"] == [f"{KEY} twice"]
    assert "ssh_public_keys" not in found("952")["phoenix_config"]
    assert web["phoenix_pct_transport"] == "guest"
    assert web["ansible_connection"] == "phoenix.hypervisor.pct"
    assert (web["ansible_user"], web["ansible_port"]) == ("root", 2222)
    assert web["ansible_ssh_private_key_file"] == str(tmp_path / "guests")
    assert web["ansible_ssh_common_args"] == "-o ProxyJump=jump"
    assert web["phoenix_guest_ssh"] == found("pve")["phoenix_guest_ssh"]
    assert web["phoenix_guest_ssh"]["ident"].startswith("pve-")
    assert "guest_ssh" not in found("pve")


def test_a_key_that_is_not_there_is_a_fault(site, tmp_path):
    (error,) = site(api={}, guest_ssh={"private_key_file": "guests"})("950")["phoenix_config_errors"]
    assert f"{tmp_path}/guests.pub can't be read: No such file or directory" in error
    assert "ssh-keygen" in error
    (tmp_path / "guests.pub").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n", encoding="ascii")
    (error,) = site(api={}, guest_ssh={"private_key_file": "guests"})("950")["phoenix_config_errors"]
    assert "has no public SSH key" in error
    assert "BEGIN" not in error


def test_without_the_entry_nothing_of_it_is_there(site):
    web = site(ansible_host="192.0.2.10")("950")
    assert web["phoenix_config"]["ssh_public_keys"] == [OTHER]
    assert "phoenix_guest_ssh" not in web
    assert "phoenix_pct_transport" not in web
