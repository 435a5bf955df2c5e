# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, through Ansible's own inventory manager."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible import constants, context
from ansible.inventory.data import InventoryData
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.loader import inventory_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.source import inventory_id

SOURCE = """
plugin: phoenix.hypervisor.phoenix
lxc_config: lxc.json
hypervisor_config: host.json
nodes:
  pve:
    ansible_host: 192.0.2.10
    ansible_user: admin
    ansible_port: 2222
    ansible_password: "{{ 'pass' ~ 'word' }}"
"""

LXC: dict[str, Any] = {
    "nvidia_driver_version": "570.124.06",
    "lxc_defaults": {"network_config": {"bridge": "vmbr0"}},
    "lxc_configs": {
        "950": {
            "name": "web",
            "clone_from_ctid": "920",
            "features": ["base_setup", "metrics"],
            "application_script": "app.sh",
            "health_check": {"command": "echo {{ 1 + 1 }}"},
        },
        "920": {
            "name": "base",
            "template": "local:vztmpl/debian.tar.zst",
            "features": ["base_setup"],
            "is_template": True,
            "network_config": {"ip": "dhcp"},
        },
    },
}
HOST = {"timezone": "Etc/UTC", "packages": ["htop"]}


class Inventory:
    """One parsed inventory."""

    def __init__(self, path: Path, secret: bytes | None = None, extra: dict[str, Any] | None = None) -> None:
        self.loader = DataLoader()
        if secret is not None:
            self.loader.set_vault_secrets([("default", VaultSecret(secret))])
        self.manager = InventoryManager(loader=self.loader, sources=[str(path)])
        self.variables = VariableManager(loader=self.loader, inventory=self.manager)
        self.hostvars = HostVars(self.manager, self.variables, self.loader)

    @property
    def hosts(self) -> list[str]:
        """Names of all hosts, in order."""
        return [host.name for host in self.manager.get_hosts("all")]

    def group(self, name: str) -> list[str]:
        """Names of a group's hosts, in order."""
        return self.manager.get_groups_dict()[name]

    def vars(self, host: str) -> dict[str, Any]:
        """The variables of a host, templated as a task sees them."""
        found = self.manager.get_host(host)
        return dict(self.variables.get_vars(host=found))

    def value(self, host: str, name: str) -> Any:
        """One variable of a host, templated."""
        return Templar(loader=self.loader, variables=self.vars(host)).template(self.vars(host)[name])

    @property
    def errors(self) -> list[str]:
        """The errors as a first play sees them."""
        return list(self.vars(self.hosts[0])["phoenix_config_errors"])


def role(folder: Path, name: str, manifest: str) -> None:
    """A feature's role beside the configuration."""
    (folder / "roles" / name / "meta").mkdir(parents=True)
    (folder / "roles" / name / "meta" / "phoenix_feature.yml").write_text(manifest)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a good configuration."""
    (tmp_path / "phoenix.yml").write_text(SOURCE)
    (tmp_path / "lxc.json").write_text(json.dumps(LXC))
    (tmp_path / "host.json").write_text(json.dumps(HOST))
    (tmp_path / "applications").mkdir()
    (tmp_path / "applications" / "app.sh").write_text("#!/bin/sh\n")
    role(tmp_path, "metrics", "requires: [base_setup]\n")
    return tmp_path


def read(site: Path, **more: Any) -> Inventory:
    """Parse the inventory of a folder."""
    return Inventory(site / "phoenix.yml", **more)


def limit(monkeypatch: pytest.MonkeyPatch, subset: str) -> None:
    """Act as if `--limit` had been given."""
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict({"subset": subset}))


def test_hosts_and_groups(site: Path):
    inventory = read(site)
    assert inventory.errors == []
    assert inventory.hosts == ["pve", "920", "950"]
    assert inventory.group("hypervisors") == ["pve"]
    assert inventory.group("containers") == ["920", "950"]
    assert inventory.group("templates") == ["920"]
    assert inventory.group("feature_base_setup") == ["920", "950"]
    assert inventory.group("feature_metrics") == ["950"]
    assert inventory.group("lineage_950") == ["920", "950"]
    assert inventory.group("lineage_920") == ["920"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("950", ["950"]),
        ("950,920", ["950", "920"]),
        ("95*", ["950"]),
        ("all:!950", ["pve", "920"]),
        ("feature_base_setup:&feature_metrics", ["950"]),
        ("lineage_950", ["920", "950"]),
    ],
)
def test_numeric_host_names_in_patterns(site: Path, pattern: str, expected: list[str]):
    manager = read(site).manager
    assert [host.name for host in manager.get_hosts(pattern)] == expected
    assert all(isinstance(host.name, str) for host in manager.get_hosts("all"))


def test_variables_of_a_container(site: Path):
    inventory = read(site)
    variables = inventory.vars("950")
    assert variables["phoenix_ctid"] == 950
    assert variables["phoenix_name"] == "web"
    assert variables["phoenix_node"] == "pve"
    assert variables["phoenix_lineage"] == ["920", "950"]
    assert variables["phoenix_config"]["network_config"] == {"bridge": "vmbr0"}
    assert variables["phoenix_settings"] == {"nvidia_driver_version": "570.124.06"}
    assert variables["phoenix_application"] == {"name": "app.sh", "path": str(site / "applications" / "app.sh")}
    assert variables["phoenix_config_dir"] == str(site)
    assert variables["ansible_connection"] == "phoenix.hypervisor.pct"
    assert variables["ansible_python_interpreter"] == "/usr/bin/python3"
    assert inventory.vars("920")["phoenix_config"]["network_config"] == {"bridge": "vmbr0", "ip": "dhcp"}
    assert "phoenix_application" not in inventory.vars("920")


def test_a_container_is_reached_as_its_node_is(site: Path):
    inventory = read(site)
    assert inventory.value("950", "ansible_host") == "192.0.2.10"
    assert inventory.value("950", "ansible_user") == "admin"
    assert inventory.value("950", "ansible_port") == 2222
    assert inventory.value("950", "ansible_password") == "password"
    assert "ansible_ssh_common_args" not in inventory.vars("950")
    assert "phoenix_pct_transport" not in inventory.vars("950")


def test_a_node_without_address_is_reached_by_its_name(site: Path):
    (site / "phoenix.yml").write_text("plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes:\n  pve:\n")
    inventory = read(site)
    assert inventory.errors == []
    assert inventory.value("950", "ansible_host") == "pve"


def test_a_local_node(site: Path):
    source = "plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes: {pve: {ansible_connection: local}}\n"
    (site / "phoenix.yml").write_text(source)
    inventory = read(site)
    assert inventory.vars("950")["phoenix_pct_transport"] == "local"
    assert inventory.vars("950")["ansible_connection"] == "phoenix.hypervisor.pct"


def test_text_of_the_json_files_is_never_templated(site: Path):
    assert read(site).value("950", "phoenix_config")["health_check"]["command"] == "echo {{ 1 + 1 }}"


def test_variables_of_a_node(site: Path):
    assert read(site).vars("pve")["phoenix_hypervisor_config"] == HOST


@pytest.mark.parametrize(("transport", "expected"), [("ssh", "phoenix.hypervisor.node"), ("paramiko_ssh", None)])
def test_a_node_is_reached_as_ansible_is_configured(
    site: Path, monkeypatch: pytest.MonkeyPatch, transport: str, expected: str | None
):
    monkeypatch.setattr(constants, "DEFAULT_TRANSPORT", transport)
    assert read(site).vars("pve").get("ansible_connection") == expected


def test_a_nodes_own_connection_is_used(site: Path):
    (site / "group_vars").mkdir()
    (site / "group_vars" / "all.yml").write_text("ansible_connection: paramiko_ssh\n")
    assert read(site).vars("pve")["ansible_connection"] == "paramiko_ssh"
    source = "plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes: {pve: {ansible_connection: local}}\n"
    (site / "phoenix.yml").write_text(source)
    assert read(site).vars("pve")["ansible_connection"] == "local"


def test_group_vars_files_override_what_the_plugin_sets(site: Path):
    (site / "group_vars").mkdir()
    (site / "group_vars" / "containers.yml").write_text("ansible_python_interpreter: /opt/python\n")
    (site / "host_vars").mkdir()
    (site / "host_vars" / "950.yml").write_text("mine: 1\n")
    variables = read(site).vars("950")
    assert variables["ansible_python_interpreter"] == "/opt/python"
    assert variables["mine"] == 1


def test_encrypted_files_are_read_and_their_values_not_shown(site: Path):
    secret = b"vault password"
    vault = VaultLib([("default", VaultSecret(secret))])
    faulty = json.dumps(LXC).replace('"web"', '"not a secret name_"')
    (site / "lxc.json").write_bytes(vault.encrypt(faulty))
    inventory = read(site, secret=secret)
    (error,) = inventory.errors
    assert "/lxc_configs/950/name" in error
    assert "not a secret" not in error
    assert inventory.group("containers") == ["920", "950"]


def test_a_wrong_vault_password(site: Path):
    (site / "lxc.json").write_bytes(VaultLib([("default", VaultSecret(b"one"))]).encrypt(json.dumps(LXC)))
    (error,) = read(site, secret=b"two").errors
    assert error.startswith("lxc.json")
    assert "vault" in error


@pytest.mark.parametrize("name", ["phoenix.yml", "my.phoenix.yaml", "lab.yml"])
def test_verify_file(site: Path, name: str):
    (site / name).write_text(SOURCE)
    plugin = inventory_loader.get("phoenix.hypervisor.phoenix")
    assert plugin.verify_file(str(site / name))


@pytest.mark.parametrize(
    ("name", "content"), [("hosts.yml", "plugin: other\n"), ("phoenix.json", "{}"), ("x.yml", "all:\n")]
)
def test_verify_file_refuses(site: Path, name: str, content: str):
    (site / name).write_text(content)
    plugin = inventory_loader.get("phoenix.hypervisor.phoenix")
    assert not plugin.verify_file(str(site / name))


def test_a_missing_application_script_names_the_searched_folders(site: Path):
    (site / "applications" / "app.sh").unlink()
    (error,) = read(site).errors
    assert "/lxc_configs/950/application_script" in error
    for folder in (site, site / "applications", site / "bin"):
        assert str(folder) in error


def test_application_path_replaces_the_searched_folders(site: Path):
    (site / "phoenix.yml").write_text(SOURCE + "application_path: [scripts]\n")
    (site / "scripts").mkdir()
    assert str(site / "scripts") in read(site).errors[0]
    (site / "scripts" / "app.sh").write_text("")
    inventory = read(site)
    assert inventory.errors == []
    assert inventory.vars("950")["phoenix_application"]["path"] == str(site / "scripts" / "app.sh")


def test_application_path_from_the_environment(site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PHOENIX_APPLICATION_PATH", str(site / "applications"))
    (site / "app.sh").write_text("")
    assert read(site).vars("950")["phoenix_application"]["path"] == str(site / "applications" / "app.sh")


def test_several_nodes(site: Path):
    (site / "phoenix.yml").write_text(SOURCE + "  pve2: {ansible_host: 192.0.2.11}\n")
    assert len(read(site).errors) == 2
    configs = json.loads(json.dumps(LXC))
    configs["lxc_defaults"]["node"] = "pve"
    web = configs["lxc_configs"]["950"]
    web.update(node="pve2", template="local:vztmpl/debian.tar.zst")
    del web["clone_from_ctid"]
    (site / "lxc.json").write_text(json.dumps(configs))
    inventory = read(site)
    assert inventory.errors == []
    assert inventory.value("950", "ansible_host") == "192.0.2.11"
    assert inventory.value("920", "ansible_host") == "192.0.2.10"
    assert "ansible_user" not in inventory.vars("950")


def test_a_faulty_configuration_still_has_its_hosts_and_the_report(site: Path, capsys: pytest.CaptureFixture[str]):
    (site / "lxc.json").write_text(json.dumps(LXC).replace('"web"', "950"))
    inventory = read(site)
    assert inventory.hosts == ["pve", "920", "950"]
    assert len(inventory.errors) == 1
    for host in inventory.hosts:
        report = inventory.vars(host)["phoenix_config_report"]
        assert "lxc.json:1:" in report
        assert report.endswith("1 error in 1 file")
    output = capsys.readouterr()
    assert "/lxc_configs/950/name" in output.err
    assert output.out == ""


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ("", ["pve", "951"]),
        ("950", ["pve", "950", "951"]),
        ("950,960", ["pve", "950", "951", "960"]),
        ("lineage_950", ["lineage_950", "pve", "951"]),
        ("95*,@file,!960,all:&web,~9.", ["pve", "951"]),
        ("951", ["pve", "951"]),
        ("containers", ["pve", "951"]),
    ],
)
def test_broken_json_leaves_hosts_for_every_limit(
    site: Path, monkeypatch: pytest.MonkeyPatch, subset: str, expected: list[str]
):
    (site / "lxc.json").write_text('{"lxc_configs": {"951": {"name": "x",}, ')
    limit(monkeypatch, subset)
    inventory = read(site)
    assert sorted(inventory.hosts) == sorted(expected)
    assert "trailing comma" in inventory.errors[0]
    inventory.manager.subset(subset if subset.isalnum() else None)
    assert inventory.manager.get_hosts("all")


BROKEN_SOURCES = {
    "no YAML": ("plugin: phoenix.hypervisor.phoenix\nnodes: {\n", "what can't be read"),
    "empty": ("", "an object with plugin"),
    "list": ("- plugin\n", "an object with plugin"),
    "no plugin": ("lxc_config: lxc.json\nnodes: {pve: {}}\n", "no plugin"),
    "other plugin": ("plugin: other\nlxc_config: lxc.json\nnodes: {pve: {}}\n", "phoenix.hypervisor.phoenix"),
    "no lxc_config": ("plugin: phoenix.hypervisor.phoenix\nnodes: {pve: {}}\n", "no lxc_config"),
    "missing file": (SOURCE.replace("lxc.json", "other.json"), "no such file"),
    "folder as file": (SOURCE.replace("lxc.json", "applications"), "what can't be read"),
    "number as file": (SOURCE.replace("lxc.json", "5"), "the path of a file"),
    "missing host file": (SOURCE.replace("host.json", "other.json"), "no such file"),
    "no nodes": ("plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\n", "no nodes"),
    "nodes as list": ("plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes: [pve]\n", "node names"),
    "node as text": (
        "plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes: {pve: x}\n",
        "variables of the node",
    ),
    "node 10": ("plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes: {10: {}}\n", "in quotes"),
    "node with a CTID's name": (
        "plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes: {'950': {}}\n",
        "not a CTID",
    ),
    "node with a group's name": (
        "plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes: {containers: {}}\n",
        "another name",
    ),
    "bad variable": (
        "plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes: {pve: {a-b: 1}}\n",
        "name of a variable",
    ),
    "unknown key": (SOURCE + "lxc_configs: x\n", "did you mean lxc_config?"),
    "application_path": (SOURCE + "application_path: 5\n", "a list of folders"),
}


@pytest.mark.parametrize("case", BROKEN_SOURCES)
def test_a_broken_source_is_an_error_on_some_host(site: Path, case: str):
    content, expected = BROKEN_SOURCES[case]
    (site / "phoenix.yml").write_text(content)
    loader = DataLoader()
    data = InventoryData()
    plugin = inventory_loader.get("phoenix.hypervisor.phoenix")
    plugin.parse(data, loader, str(site / "phoenix.yml"))
    errors = data.groups["all"].vars["phoenix_config_errors"]
    assert any(expected in error for error in errors), errors
    assert data.hosts


def test_an_unknown_key_of_the_source_has_its_line(site: Path):
    (site / "phoenix.yml").write_text(SOURCE.lstrip() + "lxc_configs: x\n")
    assert read(site).errors[0].startswith("phoenix.yml:10:1  /lxc_configs  unknown key")


def test_warnings_for_old_spellings(site: Path):
    (site / "lxc.json").write_text(json.dumps(LXC).replace("clone_from_ctid", "clone_from_template_ctid"))
    inventory = read(site)
    assert inventory.errors == []
    (warning,) = inventory.vars("pve")["phoenix_config_warnings"]
    assert "write clone_from_ctid" in warning


def test_a_fault_of_the_plugin_itself_is_a_report_as_well(site: Path, monkeypatch: pytest.MonkeyPatch):
    plugin = inventory_loader.get("phoenix.hypervisor.phoenix")
    module = __import__(type(plugin).__module__, fromlist=["ConfigurationReader"])

    def explode(*_arguments: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(module, "ConfigurationReader", explode)
    loader = DataLoader()
    data = InventoryData()
    plugin.parse(data, loader, str(site / "phoenix.yml"))
    assert "RuntimeError: boom" in data.groups["all"].vars["phoenix_config_report"]
    assert list(data.hosts) == ["phoenix-configuration"]


def test_the_examples_of_the_collection_are_good():
    folder = Path(__file__).resolve().parents[4] / "inventory"
    inventory = read(folder)
    assert inventory.errors == []
    assert "950" in inventory.hosts


FEATURE_FAULTS = {
    "unknown, with a near name": (["base_setup", "metrixs"], {}, "features/1", "Rename it to metrics"),
    "unknown, without a near name": (["base_setup", "qqqq"], {}, "features/1", "feature_collections"),
    "wrong order": (["gpus", "under"], {}, "features/0", "Put under before gpus."),
    "without what it requires": (["gpus"], {}, "features/0", "Put under before gpus."),
    "a faulty manifest": (["faulty"], {}, "features/0", "Correct the role or its manifest."),
    "no GPUs": (["under", "gpus"], {"gpu_assignment": "none"}, "gpu_assignment", "remove the feature gpus"),
}


@pytest.fixture
def features_site(site: Path) -> Path:
    """A folder with further features."""
    role(site, "under", "{}\n")
    role(site, "gpus", "requires: [under]\ncontainer: {devices: [nvidia-gpu]}\n")
    role(site, "faulty", "requirse: []\n")
    return site


@pytest.mark.parametrize("case", FEATURE_FAULTS)
def test_faults_of_features(features_site: Path, case: str):
    names, more, place, remedy = FEATURE_FAULTS[case]
    configs = json.loads(json.dumps(LXC))
    configs["lxc_configs"]["950"].update(features=names, **more)
    (features_site / "lxc.json").write_text(json.dumps(configs))
    (error,) = read(features_site).errors
    assert f"  /lxc_configs/950/{place}  " in error
    assert remedy in error.partition("remedy: ")[2]


def test_what_the_clone_source_has_counts(features_site: Path):
    configs = json.loads(json.dumps(LXC))
    configs["lxc_configs"]["920"]["features"] = ["base_setup", "under"]
    configs["lxc_configs"]["950"]["features"] = ["gpus"]
    (features_site / "lxc.json").write_text(json.dumps(configs))
    inventory = read(features_site)
    assert inventory.errors == []
    assert inventory.vars("950")["phoenix_inherited_features"] == ["base_setup", "under"]
    assert "phoenix_inherited_features" not in inventory.vars("920")
    configs["lxc_configs"]["920"]["gpu_assignment"] = "none"
    (features_site / "lxc.json").write_text(json.dumps(configs))
    (error,) = read(features_site).errors
    assert "gpu_assignment none of its clone source" in error


def test_what_a_source_outside_the_file_holds_is_left_to_the_node(features_site: Path):
    configs = json.loads(json.dumps(LXC))
    del configs["lxc_configs"]["920"]
    configs["lxc_configs"]["950"]["features"] = ["gpus"]
    (features_site / "lxc.json").write_text(json.dumps(configs))
    assert read(features_site).errors == []


def test_the_id_of_an_inventory_is_given_or_made_of_file_names(site: Path, tmp_path_factory: pytest.TempPathFactory):
    derived = read(site).vars("pve")
    assert derived["phoenix_inventory_id"] == "phoenix.host"
    assert derived["phoenix_inventory_id_is_given"] is False
    clone = tmp_path_factory.mktemp("elsewhere") / "project"
    shutil.copytree(site, clone)
    assert read(clone).vars("pve")["phoenix_inventory_id"] == "phoenix.host"
    (site / "phoenix.yml").write_text(SOURCE + "inventory_id: office\n")
    given = read(site).vars("950")
    assert (given["phoenix_inventory_id"], given["phoenix_inventory_id_is_given"]) == ("office", True)
    for wrong in ("7", "a b", "[]", "''", ".x"):
        (site / "phoenix.yml").write_text(SOURCE + f"inventory_id: {wrong}\n")
        assert "inventory_id" in read(site).errors[0], wrong


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", None),
        ("layers: false\n", None),
        ("layers: {enabled: false, storage: tank}\n", None),
        ("layers: on\n", {"storage": "local", "line": 1}),
        ("layers: {storage: tank, max_size_gb: 5}\n", {"storage": "tank", "max_size_gb": 5, "line": 1}),
        (
            "strict: true\nlayers:\n  max_size_gb: 5\n  storage: tank\n",
            {"max_size_gb": 5, "storage": "tank", "line": 4},
        ),
    ],
)
def test_layers_are_off_unless_the_source_has_them(site: Path, given: str, expected: dict[str, Any] | None):
    (site / "phoenix.yml").write_text(SOURCE + given)
    found = read(site)
    place = f"phoenix.yml:{SOURCE.count(chr(10)) + expected.pop('line')}:1" if expected else None
    assert found.vars("950")["phoenix_config_file"].get("layers") == place
    assert (found.errors, found.vars("950").get("phoenix_layers")) == ([], expected)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("7", "layers"),
        ("{storge: local}", "storage"),
        ("{storage: a/b}", "layers/storage"),
        ("{enabled: 1}", "layers/enabled"),
        ("{max_size_gb: 0}", "layers/max_size_gb"),
        ("{max_age_days: true}", "layers/max_age_days"),
    ],
)
def test_faulty_layers_are_reported(site: Path, given: str, text: str):
    (site / "phoenix.yml").write_text(SOURCE + f"layers: {given}\n")
    assert text in read(site).errors[0]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("phoenix.yml", {"hypervisor_config": "hypervisor_config.json"}, "phoenix.hypervisor_config"),
        ("phoenix.yml", {"hypervisor_config": "/etc/phoenix/big host.json"}, "phoenix.big-host"),
        ("lab.phoenix.yaml", {}, "lab.phoenix"),
        ("phoenix.yml", {"hypervisor_config": "x.json", "inventory_id": "a-1"}, "a-1"),
        ("---.yml", {}, "default"),
    ],
)
def test_derived_ids(name: str, data: dict[str, Any], expected: str):
    assert inventory_id(name, data) == expected


def test_feature_collections_of_the_source(site: Path):
    assert "phoenix_feature_collections" not in read(site).vars("950")
    (site / "phoenix.yml").write_text(SOURCE + "feature_collections: [acme.tools]\n")
    assert read(site).vars("950")["phoenix_feature_collections"] == ["acme.tools"]
    (site / "phoenix.yml").write_text(SOURCE + "feature_collections: [acme]\n")
    assert "a list of collections" in read(site).errors[0]


@pytest.fixture
def named(site: Path) -> Path:
    """Containers whose names, nodes and tags become groups."""
    document = json.loads((site / "lxc.json").read_text())
    plain = {"template": "local:vztmpl/a.tar.zst", "network_config": {"bridge": "vmbr0", "ip": "dhcp"}, "node": "pve"}
    document["lxc_configs"]["950"].update(node="pve", tags=["Blue.green", "x"], cores=4)
    document["lxc_configs"]["920"].update(node="pve", tags=["x"])
    names = {"951": "web-1", "952": "a-b", "953": "a.b", "954": "templates", "955": "pve", "956": "feature-metrics"}
    for ctid, name in names.items():
        document["lxc_configs"][ctid] = {"name": name, **plain}
    (site / "lxc.json").write_text(json.dumps(document))
    return site


def test_groups_by_node_tag_and_name(named: Path):
    inventory = read(named)
    assert inventory.errors == []
    assert sorted(inventory.group("node_pve")) == ["920", "950", "951", "952", "953", "954", "955", "956"]
    assert inventory.group("tag_x") == ["920", "950"]
    assert inventory.group("tag_Blue_green") == ["950"]
    assert inventory.group("name_web") == inventory.group("web") == ["950"]
    assert inventory.group("name_web_1") == inventory.group("web_1") == ["951"]


def test_no_group_of_its_name_for_a_name_that_means_something_else(named: Path):
    inventory = read(named)
    assert inventory.group("name_a_b") == ["952", "953"]
    assert "a_b" not in inventory.manager.groups
    assert inventory.group("templates") == ["920"]
    assert inventory.group("hypervisors") == ["pve"]
    assert "pve" not in inventory.manager.groups
    assert inventory.group("feature_metrics") == ["950"]
    assert inventory.group("name_feature_metrics") == ["956"]


def test_composed_variables_and_groups(named: Path):
    with (named / "phoenix.yml").open("a") as stream:
        stream.write(
            "compose: {label: phoenix_node ~ '-' ~ phoenix_name}\n"
            "groups: {big one: phoenix_config.cores is defined}\n"
            "keyed_groups:\n"
            "  - {key: phoenix_config.tags, prefix: is}\n"
            "  - {key: phoenix_config.cores | string, prefix: cores}\n"
        )
    inventory = read(named)
    assert inventory.errors == []
    assert inventory.vars("950")["label"] == "pve-web"
    assert inventory.group("big_one") == ["950"]
    assert inventory.group("is_Blue_green") == ["950"]
    assert inventory.group("cores_4") == ["950"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("compose: [a]", "got a list, expected variables with their expressions"),
        ("compose: {phoenix_ctid: '950'}", "expected a variable that this plugin does not set"),
        ("keyed_groups: [web]", "expected an object with key"),
        ("strict: maybe", "expected true or false"),
        ("strict: true\ncompose: {label: phoenix_none}", "Could not set label for host 920"),
        ("keyed_groups: [{key: phoenix_config.tags, prefix: '', separator: ''}]", "920 in group web"),
        ("groups: {hypervisors: true}", "in group hypervisors, expected groups that this plugin does not make"),
        ("keyed_groups: [{key: phoenix_name, prefix: n, parent_group: hypervisors}]", "n_base, n_web"),
    ],
)
def test_a_composition_that_fails_is_an_error_of_the_source(site: Path, text: str, words: str):
    document = json.loads((site / "lxc.json").read_text())
    document["lxc_configs"]["920"]["tags"] = document["lxc_configs"]["950"]["tags"] = ["web"]
    (site / "lxc.json").write_text(json.dumps(document))
    with (site / "phoenix.yml").open("a") as stream:
        stream.write(f"{text}\n")
    inventory = read(site)
    assert any(words in error for error in inventory.errors), inventory.errors
