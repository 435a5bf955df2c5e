# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole playbooks over a node that is reached by an API token alone: there is no SSH to it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from fake_node import TEMPLATE, wanted

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import run_identity

COLLECTIONS = next(
    str(path.parent) for path in pathlib.Path(run_identity.__file__).parents if path.name == "ansible_collections"
)
USER = "automation@pve"
TOKEN = f"{USER}!phoenix"
SECRET = "b4c9a7d2-only-in-the-source"
ROLES = {"/vms": "PVEVMAdmin", "/storage": "PVEDatastoreUser", "/sdn/zones/localnetwork": "PVESDNUser"}
CONTAINER = {"template": TEMPLATE, "storage_pool": "local", "storage_size_gb": 4, "memory_mb": 512}


class Site:
    """A folder with the inventory of one node, and its playbooks."""

    def __init__(self, folder, node):
        self.folder, self.node = folder, node

    def write(self, containers, api=None, node=None, **source):
        place = {"host": "127.0.0.1", "port": self.node.pve.port, "fingerprint": self.node.fingerprint}
        entry = {**place, "user": USER, "token_id": "phoenix", "token_secret": SECRET, **(api or {})}
        entry = {key: value for key, value in entry.items() if value is not None}
        files = {"plugin": "phoenix.hypervisor.phoenix", "lxc_config": "lxc.json"}
        inventory = {**files, "nodes": {"pve": {"api": entry, **(node or {})}}, **source}
        (self.folder / "phoenix.yml").write_text(json.dumps(inventory, indent=1), encoding="utf-8")
        (self.folder / "lxc.json").write_text(json.dumps({"lxc_configs": containers}), encoding="utf-8")

    def command(self, name, *arguments, **variables):
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PROXMOX_"))},
            "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join([COLLECTIONS, os.environ.get("ANSIBLE_COLLECTIONS_PATH", "")]),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_LOG_PATH": str(self.folder / "ansible.log"),
            "PHOENIX_LOG_DIR": str(self.folder / "log"),
            "COLUMNS": "400",
            **variables,
        }
        program = pathlib.Path(sys.executable).parent / name
        done = subprocess.run(
            [str(program), "-i", "phoenix.yml", *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def play(self, playbook, *arguments, **variables):
        return self.command("ansible-playbook", f"phoenix.hypervisor.{playbook}", *arguments, **variables)


@pytest.fixture(scope="module", params=[9])
def version(request):
    """One version is enough: what the versions answer differently is in test_token.py."""
    return request.param


@pytest.fixture
def site(node, tmp_path):
    """A site whose token may only look."""
    node.pve.acl.clear()
    node.pve.add_token(TOKEN, SECRET)
    node.pve.denial_delay = 0.0
    for who in (USER, TOKEN):
        node.pve.grant(who, "/vms", "VM.Audit")
        node.pve.grant(who, "/storage", "Datastore.Audit")
    return Site(tmp_path, node)


def test_status_and_a_dry_run_with_a_token_that_only_looks(site, node):
    node.apply(wanted(name="web", memory_mb=512, features=()))
    node.forget_requests()
    containers = {"950": {**CONTAINER, "name": "web"}, "951": {**CONTAINER, "name": "db", "target_state": "running"}}
    site.write(containers, {"token_secret": None})
    rc, output = site.play("status", PROXMOX_TOKEN_SECRET=SECRET)
    assert rc == 0, output
    assert "unknown over the API: record" in output
    (site.folder / "host.json").write_text('{"timezone": "Europe/Berlin"}', encoding="utf-8")
    site.write({"951": {**CONTAINER, "name": "db"}}, hypervisor_config="host.json")
    rc, dry = site.play("site", "--check", "--diff", "-v")
    assert rc == 0, dry
    assert "POST /nodes/pve/lxc" in dry
    assert "(timezone of hypervisor_config.json): that needs root over SSH" in dry
    assert "a real run by this token fails: /lxc_configs/951" in dry
    assert {method for method, _path, _params, _status in node.pve.asked} == {"GET"}
    rc, inventory = site.command("ansible-inventory", "--list", "--export")
    assert rc == 0
    assert "/nodes/pve/api/token_secret" in inventory, inventory
    logs = "".join(path.read_text(encoding="utf-8") for path in site.folder.rglob("*.log"))
    assert SECRET not in output + dry + inventory + logs


def test_a_tag_of_a_role_is_no_way_around_the_end_of_a_node_that_is_not_configured(site, node):
    (site.folder / "host.json").write_text('{"timezone": "Europe/Berlin"}', encoding="utf-8")
    site.write({"951": {**CONTAINER, "name": "db"}}, hypervisor_config="host.json")
    rc, dry = site.play("hypervisor", "--check", "--tags", "hypervisor_base")
    assert rc == 0, dry
    assert "(timezone of hypervisor_config.json): that needs root over SSH" in dry
    assert {method for method, _path, _params, _status in node.pve.asked} == {"GET"}


def test_an_import_by_a_token_that_only_looks(site, node):
    node.apply(wanted(name="web", memory_mb=512, features=()))
    node.forget_requests()
    site.write({})
    rc, output = site.play("import", "-e", "phoenix_import_to=imported")
    assert rc == 0, output
    (found,) = (site.folder / "imported").glob("*lxc*.json")
    assert json.loads(found.read_text(encoding="utf-8"))["lxc_configs"]["950"]["memory_mb"] == 512
    assert {method for method, _path, _params, _status in node.pve.asked} == {"GET"}
    assert SECRET not in output


def test_containers_are_made_and_destroyed_by_a_token(site, node):
    for who in (USER, TOKEN):
        for path, role in ROLES.items():
            node.pve.grant_role(who, path, role)
    ours, inside = {**CONTAINER, "name": "db"}, {**CONTAINER, "name": "web", "features": ["base_setup"]}
    # As an operator keeps it: a template over a variable of the node.
    site.write({"951": ours, "950": inside}, {"token_secret": "{{ secret_of_it }}"}, {"secret_of_it": SECRET})
    rc, output = site.play("containers")
    assert rc == 2, output
    assert "features base_setup would be applied inside it" in output
    assert node.conf(950) is None
    assert 951 in node.backend.running
    site.write({"951": ours}, {"token_secret": SECRET})
    rc, output = site.play("power", "-e", "phoenix_power=stop", "--limit", "951")
    assert rc == 0, output
    assert 951 not in node.backend.running
    node.forget_requests()
    rc, output = site.play("update", "--limit", "951")
    assert rc == 2, output
    assert "container 951 can't be changed by an API token: its packages would be updated inside it" in output
    assert node.mutations() == []
    rc, output = site.play("destroy", "-e", "phoenix_destroy=951", "-e", "phoenix_destroy_confirm=951")
    assert rc == 0, output
    assert node.conf(951) is None
    assert SECRET not in output
