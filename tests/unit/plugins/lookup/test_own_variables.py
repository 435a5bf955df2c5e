# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The second line of defense by itself: facts that no connection has kept out, from a cache or another connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import ansible_collections.phoenix.hypervisor as collection
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import own_variables

ENTRY = {
    "name": "guest",
    "template": "local:vztmpl/debian-12.tar.zst",
    "storage_pool": "local",
    "storage_size_gb": 2,
    "memory_mb": 256,
    "cores": 1,
    "features": [],
}
SOURCE = """
plugin: phoenix.hypervisor.phoenix
lxc_config: lxc.json
hypervisor_config: host.json
nodes:
  pve: {ansible_host: 192.0.2.10, ansible_connection: local}
"""
# A module as a container's root answers it, and the container reached by a connection that keeps nothing out.
MODULE = """#!/bin/sh
cat <<'JSON'
%s
JSON
"""
FILL = """
- hosts: "950"
  gather_facts: false
  vars: {ansible_connection: local}
  tasks:
    - hostile:
"""
PINNED = """
- hosts: "950"
  gather_facts: false
  vars:
    ansible_connection: local
    phoenix_ctid: "{{ lookup('phoenix.hypervisor.inventory_value', 'phoenix_ctid') }}"
    phoenix_node: "{{ lookup('phoenix.hypervisor.inventory_value', 'phoenix_node') }}"
  tasks:
    - hostile:
    - ansible.builtin.command: touch reached
      args: {chdir: "{{ playbook_dir }}"}
      delegate_to: "{{ phoenix_node }}"
"""
NAMES = [
    "phoenix_config", "phoenix_ctid", "phoenix_node", "phoenix_name", "phoenix_lineage", "phoenix_application",
    "phoenix_application_env", "phoenix_settings", "phoenix_feature_collections", "phoenix_config_dir",
    "phoenix_model_store", "phoenix_credential", "phoenix_target_state", "phoenix_destroy_confirm",
    "phoenix_pct_transport", "phoenix_busy_dir", "phoenix_hypervisor_config", "base_setup_ca_certificates",
    "ansible_connection", "ansible_host", "hostvars", "group_names",
]  # fmt: skip  # a list to be read


def site(folder: Path) -> Path:
    """A folder with a configuration of one container."""
    (folder / "phoenix.yml").write_text(SOURCE)
    (folder / "lxc.json").write_text(json.dumps({"lxc_configs": {"950": ENTRY}}))
    (folder / "host.json").write_text("{}")
    return folder


def play(folder: Path, playbook: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run without any ansible.cfg."""
    root = Path(next(iter(collection.__path__))).parents[2]
    env = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    (folder / "empty.cfg").touch()
    env.update(
        ANSIBLE_COLLECTIONS_PATH=os.pathsep.join([str(root), os.environ.get("ANSIBLE_COLLECTIONS_PATH", "")]),
        ANSIBLE_CONFIG=str(folder / "empty.cfg"),
        ANSIBLE_HOME=str(folder / "home"),
        ANSIBLE_LIBRARY=str(folder / "library"),
        COLUMNS="400",
        **environment,
    )
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "phoenix.yml", playbook, *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False)


def hostile(folder: Path, facts: Mapping[str, Any]) -> None:
    """A module that answers with these facts."""
    (folder / "library").mkdir()
    module = folder / "library" / "hostile"
    module.write_text(MODULE % json.dumps({"ansible_facts": facts}))
    module.chmod(0o755)


def cached(folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
    """A cache of facts as an earlier run has left it; the variables that use it."""
    hostile(folder, facts)
    environment = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(folder / "cache")}
    (folder / "fill.yml").write_text(FILL)
    assert play(folder, "fill.yml", **environment).returncode == 0
    return environment


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder whose cache holds what a container must not set; the variables that use it."""
    folder = site(tmp_path_factory.mktemp("poisoned"))
    facts = {"phoenix_node": "attacker.example.com", "ansible_kernel": "6.8", "phoenix_destroy": "951"}
    return folder, cached(folder, facts)


@pytest.mark.parametrize("words", [(), ("--limit", "950", "--check")], ids=" ".join)
@pytest.mark.parametrize("playbook", ["containers", "destroy"])
def test_a_poisoned_cache_is_refused_by_name(
    poisoned: tuple[Path, dict[str, str]], playbook: str, words: tuple[str, ...]
) -> None:
    folder, environment = poisoned
    done = play(folder, f"phoenix.hypervisor.{playbook}", *words, **environment)
    output = done.stdout + done.stderr
    assert done.returncode == 2, output
    assert 'container 950: got the facts "phoenix_destroy", "phoenix_node", which a container must not set' in output
    assert "--flush-cache" in output
    assert "Observe" not in output
    assert "Look for them" not in output


def test_the_facts_of_ansibles_own_modules_in_a_cache_are_fine(tmp_path: Path) -> None:
    facts = {
        "ansible_kernel": "6.8",
        "ansible_eth0": {"device": "eth0"},
        "ansible_services": {},
        "ansible_local": {},
        "module_setup": True,
    }
    environment = cached(site(tmp_path), facts)
    done = play(tmp_path, "phoenix.hypervisor.check", **environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_that_decides_is_refused(name: str) -> None:
    facts = {name.removeprefix("ansible_"): "x", "kernel": "6.8"}
    variables = {"phoenix_ctid": 950, "inventory_hostname": "950", "ansible_facts": facts}
    with pytest.raises(own_variables.ForeignFactsError, match=name.removeprefix("ansible_")):
        own_variables.check(variables)


@pytest.mark.parametrize("name", ["phoenix_node", "phoenix_ctid", "base_setup_ca_certificates"])
def test_a_pinned_variable_refuses_what_a_module_has_just_set(tmp_path: Path, name: str) -> None:
    hostile(site(tmp_path), {name: "pve"})
    (tmp_path / "play.yml").write_text(PINNED)
    done = play(tmp_path, "play.yml")
    output = done.stdout + done.stderr
    assert done.returncode == 2, output
    assert f'container 950: got the facts "{name.removeprefix("ansible_")}", which a container must not set' in output
    assert not (tmp_path / "reached").exists()


def test_without_a_hostile_answer_the_pinned_play_runs(tmp_path: Path) -> None:
    hostile(site(tmp_path), {"ansible_kernel": "6.8", "getent_passwd": {}})
    (tmp_path / "play.yml").write_text(PINNED)
    done = play(tmp_path, "play.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "reached").exists()


class Hostvars(dict[str, Any]):
    """The hosts' variables as the inventory has them."""


def test_a_task_takes_identity_from_the_inventory() -> None:
    """A play's variable of the same name is a template there, and no word of a container."""
    own = {"phoenix_ctid": 950, "phoenix_config": {"memory_mb": 512}, "inventory_hostname": "950"}
    task = {**own, "phoenix_ctid": "{{ x }}", "phoenix_config": "{{ y }}", "hostvars": Hostvars({"950": own}), "a": 1}
    found = own_variables.of_task(task)
    assert found["phoenix_ctid"] == 950
    assert found["phoenix_config"] == {"memory_mb": 512}
    assert found["a"] == 1


def test_a_known_fact_without_its_prefix_is_a_variable_of_that_name() -> None:
    variables = {"phoenix_ctid": 950, "inventory_hostname": "950", "ansible_facts": {"packages": {"a": []}}}
    own_variables.check(variables)
    own_variables.check({**variables, "packages": ["mine"]})
    with pytest.raises(own_variables.ForeignFactsError, match='"packages"'):
        own_variables.check({**variables, "packages": {"a": []}})
    with pytest.raises(own_variables.ForeignFactsError, match='"hostname"'):
        own_variables.check({**variables, "ansible_facts": {"hostname": "x"}, "hostname": "x"})


def test_a_node_may_have_any_facts() -> None:
    variables = {"ansible_facts": {"phoenix_due": []}, "inventory_hostname": "pve", "group_names": ["hypervisors"]}
    own_variables.check(variables)
    own_variables.check({**variables, "phoenix_ctid": 950})


def test_names_are_shown_without_control_characters_and_bounded() -> None:
    said = own_variables.text("950", [f"\x1b[2J\n{number}" + "x" * 99 for number in range(9)])
    assert "\x1b" not in said
    assert "\n" not in said
    assert "and 4 more" in said
    assert len(said) < 1000
