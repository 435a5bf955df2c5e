# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory plugin: the two JSON files as hosts, groups and variables."""

from __future__ import annotations

DOCUMENTATION = r"""
name: phoenix
short_description: Proxmox VE containers from phoenix_lxc_configs.json
version_added: "0.1.0"
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Turns C(phoenix_lxc_configs.json) and C(hypervisor_config.json) into hosts, groups and variables.
  - Every container is a host named by its CTID, so that C(--limit 950) works. Every node is a host in the group C(hypervisors).
  - Groups are C(hypervisors), C(containers), C(templates), C(feature_NAME), and C(lineage_CTID) with the container and all that it is cloned from.
  - Containers come in an order in which each source stands before its clones.
  - The plugin never fails, because Ansible takes a failing inventory for an empty one and goes on. When a file is faulty it shows a report, sets
    C(phoenix_config_errors) and C(phoenix_config_report) for all hosts, and still makes the hosts that the files and C(--limit) speak of,
    so that the first play can fail with the report.
  - Text of the JSON files is data and is never templated. Text of the inventory source file is templated as usual.
requirements:
  - jsonschema (Python library on the controller)
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [phoenix.hypervisor.phoenix]
  lxc_config:
    description:
      - Path of C(phoenix_lxc_configs.json), absolute or relative to the folder of the inventory source.
      - May be encrypted with Ansible Vault.
    type: str
    required: true
  hypervisor_config:
    description:
      - Path of C(hypervisor_config.json), absolute or relative to the folder of the inventory source.
      - May be encrypted with Ansible Vault.
    type: str
  nodes:
    description:
      - The Proxmox VE nodes by name, each with its connection variables such as C(ansible_host), C(ansible_user) and C(ansible_port).
      - C(ansible_connection=local) says that Ansible runs on that node itself.
    type: dict
    required: true
  application_path:
    description:
      - Folders of the controller in which an C(application_script) is searched for, absolute or relative to the folder of the inventory source.
      - By default the folder of O(lxc_config), then its subfolders C(applications) and C(bin).
    type: list
    elements: str
    env:
      - name: PHOENIX_APPLICATION_PATH
    vars:
      - name: phoenix_application_path
notes:
  - The variables that the plugin sets are described in the collection's C(docs/configuration.md).
"""

EXAMPLES = r"""
# inventory/phoenix.yml
plugin: phoenix.hypervisor.phoenix
lxc_config: phoenix_lxc_configs.json
hypervisor_config: hypervisor_config.json
nodes:
  pve:
    ansible_host: 192.0.2.10
    ansible_user: root

# Run on the node itself
# nodes:
#   pve:
#     ansible_connection: local
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import split_host_pattern
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template

from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.fleet import Fleet, groups, guess_ctids
from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.jsontext import JsonText, parse
from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.report import lines, report
from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.source import check_source
from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.validation import Outcome, Source, validate
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config_schemas import load_schema

PLACEHOLDER_HOST = "phoenix-configuration"
"""The host that carries the report when nothing else does."""

_PYTHON = "/usr/bin/python3"
_ADDRESS = "{{ hostvars[phoenix_node]['ansible_host'] | default(phoenix_node) }}"
_NODE_CONNECTION = (
    "ansible_port",
    "ansible_user",
    "ansible_ssh_private_key_file",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_password",
)
_APPLICATION_FOLDERS = (".", "applications", "bin")
_OWN_FILE = re.compile(rb"^plugin:[ \t]*[\"']?phoenix\.hypervisor\.phoenix[\"']?[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_PLAIN_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


class InventoryModule(BaseInventoryPlugin):
    """Reads the inventory source and both configuration files; see DOCUMENTATION."""

    NAME = "phoenix.hypervisor.phoenix"

    def verify_file(self, path: str) -> bool:
        """Whether a file is for this plugin: by its name, or by its `plugin` key."""
        if not super().verify_file(path):
            return False
        if path.endswith(("phoenix.yml", "phoenix.yaml")):
            return True
        if not path.endswith((".yml", ".yaml")):
            return False
        try:
            with open(path, "rb") as stream:
                return _OWN_FILE.search(stream.read(65536)) is not None
        except OSError:
            return False

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory. Never raises for what stands in the files."""
        super().parse(inventory, loader, path, cache)
        folder = os.path.dirname(os.path.abspath(path))
        findings: list[Finding] = []
        data = self._read_source(path, folder, findings)
        nodes = self._nodes(data)
        lxc_path = self._path(data.get("lxc_config"), folder)
        text, outcome = self._read_configs(data, folder, lxc_path, tuple(nodes), findings)
        applications = dict(self._applications(outcome.fleet, folder, os.path.dirname(lxc_path) if lxc_path else folder, _label(lxc_path, folder), text, findings))

        self._emit_nodes(nodes, outcome.hypervisor)
        self._emit_containers(outcome.fleet, nodes, applications)
        if findings:
            self._emit_for_report(outcome.fleet, text)
        self._emit_report(findings, outcome.warnings, os.path.dirname(lxc_path) if lxc_path else folder)

    # Reading

    def _read_source(self, path: str, folder: str, findings: list[Finding]) -> Mapping[str, Any]:
        label = _label(path, folder)
        text = ""
        try:
            text = self.loader.get_text_file_contents(path)
            data = self.loader.load_from_file(path, cache="none", trusted_as_template=True)
        except Exception as error:  # anything raised here would make Ansible go on without hosts
            findings.append(Finding(label, (), "what can't be read: " + _first_line(error), "YAML", "Correct the file.", None, _line_of(error)))
            return {}
        faults = list(check_source(label, text, data))
        findings.extend(faults)
        if not isinstance(data, Mapping):
            return {}
        if not faults:
            try:
                self.set_options(direct=data, var_options=self._vars)
            except Exception as error:
                findings.append(Finding(label, (), _first_line(error), "the documented options", "See ansible-doc -t inventory " + self.NAME))
        return data

    def _read_configs(
        self, data: Mapping[str, Any], folder: str, lxc_path: str | None, nodes: tuple[str, ...], findings: list[Finding]
    ) -> tuple[JsonText, Outcome]:
        lxc = self._source(lxc_path, folder, "phoenix_lxc_configs", findings)
        host = self._source(self._path(data.get("hypervisor_config"), folder), folder, "hypervisor_config", findings)
        if lxc is None:
            empty = Source(_label(lxc_path, folder), JsonText("", None, (), False), {})
            outcome = validate(empty, host, nodes)
            findings.extend(outcome.findings)
            return empty.text, outcome
        outcome = validate(lxc, host, nodes)
        findings.extend(outcome.findings)
        return lxc.text, outcome

    def _source(self, path: str | None, folder: str, kind: str, findings: list[Finding]) -> Source | None:
        if path is None:
            return None
        label = _label(path, folder)
        try:
            # The loader's bytes, not its text: it decrypts, and only the bytes tell where a file is not UTF-8.
            content, plain = self.loader._get_file_contents(path)
        except AnsibleError as error:
            missing = not os.path.exists(path)
            remedy = "Correct the path in the inventory source." if missing else "Check its permissions, and the vault password if it is encrypted."
            findings.append(Finding(label, (), "no such file" if missing else "what can't be read: " + _first_line(error), "a readable file", remedy))
            return None
        return Source(label, parse(bytes(content)), load_schema(kind), hidden=not plain)

    def _path(self, value: Any, folder: str) -> str | None:
        return os.path.normpath(os.path.join(folder, os.path.expanduser(value))) if isinstance(value, str) and value else None

    def _nodes(self, data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        nodes = data.get("nodes")
        if not isinstance(nodes, Mapping):
            return {}
        return {str(name): dict(variables) if isinstance(variables, Mapping) else {} for name, variables in nodes.items()}

    def _applications(
        self, fleet: Fleet, folder: str, config_folder: str, label: str, text: JsonText, findings: list[Finding]
    ) -> Iterator[tuple[str, dict[str, str]]]:
        """The application scripts that are there, by CTID; those that are not become findings."""
        searched = self._application_folders(folder, config_folder)
        missing: list[Finding] = []
        for ctid, container in fleet.containers.items():
            name = container.text("application_script")
            if not name or os.path.isabs(name) or ".." in name.split("/"):
                continue  # the schema has refused what is no path below a folder
            found = next((path for path in (os.path.join(directory, name) for directory in searched) if os.path.isfile(path)), None)
            if found is not None:
                yield ctid, {"name": name, "path": found}
            elif container.config.get("target_state") != "absent":
                remedy = "Put the script into one of these folders, or set application_path in the inventory source."
                path = container.place("application_script")
                missing.append(Finding(label, path, "%s, which is not there" % name, "a file in one of " + ", ".join(searched), remedy))
        places = text.locate(finding.path for finding in missing)
        for finding in missing:
            line, column = text.line_column(places[finding.path].value) if finding.path in places else (0, 0)
            findings.append(Finding(finding.file, finding.path, finding.got, finding.expected, finding.remedy, None, line, column))

    def _application_folders(self, folder: str, config_folder: str) -> list[str]:
        try:
            chosen = self.get_option("application_path")
        except Exception:  # the options were not set, because the source is faulty
            chosen = None
        if chosen:
            return [os.path.normpath(os.path.join(folder, os.path.expanduser(str(item)))) for item in chosen]
        return [os.path.normpath(os.path.join(config_folder, name)) for name in _APPLICATION_FOLDERS]

    # Emitting

    def _emit_nodes(self, nodes: Mapping[str, Mapping[str, Any]], hypervisor: Mapping[str, Any]) -> None:
        self.inventory.add_group("hypervisors")
        self.inventory.set_variable("hypervisors", "ansible_python_interpreter", _PYTHON)
        for name, variables in nodes.items():
            self.inventory.add_host(name, group="hypervisors")
            for key, value in variables.items():
                self.inventory.set_variable(name, str(key), value)
            self.inventory.set_variable(name, "phoenix_hypervisor_config", hypervisor)

    def _emit_containers(self, fleet: Fleet, nodes: Mapping[str, Mapping[str, Any]], applications: Mapping[str, dict[str, str]]) -> None:
        self.inventory.add_group("containers")
        self.inventory.set_variable("containers", "ansible_connection", "phoenix.hypervisor.pct")
        self.inventory.set_variable("containers", "ansible_python_interpreter", _PYTHON)
        only = next(iter(nodes)) if len(nodes) == 1 else ""
        for ctid in fleet.order():
            container = fleet.containers[ctid]
            node = container.text("node") or only
            self.inventory.add_host(ctid, group="containers")
            self._set(ctid, "phoenix_ctid", int(ctid))
            self._set(ctid, "phoenix_name", container.name or "CT" + ctid)
            self._set(ctid, "phoenix_node", node)
            self._set(ctid, "phoenix_config", container.config)
            self._set(ctid, "phoenix_lineage", list(fleet.lineage(ctid)))
            self._set(ctid, "ansible_host", trust_as_template(_ADDRESS))
            if ctid in applications:
                self._set(ctid, "phoenix_application", applications[ctid])
            variables = nodes.get(node, {})
            for key in _NODE_CONNECTION:
                if key in variables:
                    self._set(ctid, key, trust_as_template("{{ hostvars[phoenix_node]['%s'] }}" % key))
            if variables.get("ansible_connection") in ("local", "ansible.builtin.local"):
                self._set(ctid, "phoenix_pct_transport", "local")
        for group, members in groups(fleet).items():
            name = self.inventory.add_group(group)
            for ctid in members:
                self.inventory.add_child(name, ctid)

    def _emit_for_report(self, fleet: Fleet, text: JsonText) -> None:
        """Hosts for a faulty configuration: a play needs at least one that `--limit` leaves in, to fail with the report."""
        for ctid in guess_ctids(text.text):
            if ctid not in fleet.containers:
                self.inventory.add_host(ctid, group="containers")
        for token in split_host_pattern(context.CLIARGS.get("subset") or []):
            if _PLAIN_PATTERN.match(token) and token not in self.inventory.hosts and token not in self.inventory.groups:
                self.inventory.add_host(token)
        if not self.inventory.hosts:
            self.inventory.add_host(PLACEHOLDER_HOST)

    def _emit_report(self, findings: list[Finding], warnings: tuple[str, ...], config_folder: str) -> None:
        text = report(findings)
        self._set("all", "phoenix_config_errors", lines(findings))
        self._set("all", "phoenix_config_report", text)
        self._set("all", "phoenix_config_warnings", list(warnings))
        self._set("all", "phoenix_config_dir", config_folder)
        for warning in warnings:
            self.display.warning(warning)
        if text:
            self.display.error(text, wrap_text=False)

    def _set(self, entity: str, name: str, value: Any) -> None:
        self.inventory.set_variable(entity, name, value)


def _label(path: str | None, folder: str) -> str:
    """How a file is called in the report: relative to the folder of the inventory source where it lies below it."""
    if path is None:
        return "phoenix_lxc_configs.json"
    relative = os.path.relpath(os.path.abspath(path), folder)
    return path if relative.startswith("..") else relative


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _line_of(error: Exception) -> int:
    found = re.search(r"\bline (\d+)", str(error))
    return int(found.group(1)) if found else 0
