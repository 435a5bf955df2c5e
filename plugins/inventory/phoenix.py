# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory plugin: the two JSON files as hosts, groups and variables."""

from __future__ import annotations

DOCUMENTATION = r"""
name: phoenix
short_description: Make hosts and groups of the containers in phoenix_lxc_configs.json
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment: [constructed, phoenix.hypervisor.layers]
description:
  - Turns C(phoenix_lxc_configs.json) and C(hypervisor_config.json) into hosts, groups and variables.
  - Every container is a host named by its CTID, so that C(--limit 950) works. Every node is a host in the group
    C(hypervisors).
  - Groups are C(hypervisors), C(containers), C(templates), C(feature_NAME), C(lineage_CTID) with the container and all
    that it is cloned from, C(node_NAME), C(tag_TAG) and C(name_NAME).
  - A container also has a group of its own name, so that C(--limit web) works. There is none where another group or
    host has that name, or where the names of two containers would become the same group.
  - In the names of groups, underscores replace what Ansible does not allow there, so that C(web-1) is C(name_web_1).
  - Further variables and groups of the containers come from O(compose), O(groups) and O(keyed_groups). They cannot
    add a host to a group that this plugin makes, and cannot set the variables that it sets.
  - A run takes one inventory source of this plugin, beside any others. It may name several nodes.
  - Each clone source comes before its clones.
  - The plugin does not fail a run, because Ansible treats a failing inventory as an empty one and continues. For a
    faulty file it shows a report, sets C(phoenix_config_errors) and C(phoenix_config_report) for all hosts, and still
    makes the hosts of the files and of C(--limit), so that the first play can fail with the report.
  - A command without plays, such as the C(ansible-inventory) of a synchronization in AWX, fails with the report if its
    settings end it on a source that cannot be read (C(ANSIBLE_INVENTORY_UNPARSED_FAILED)).
  - References replace the secrets of the JSON files, because controllers such as AWX store the output of
    C(ansible-inventory --list). A task that needs a secret reads it from the file.
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
  inventory_id:
    description:
      - The name under which the nodes record what this inventory set on them. Nothing else is undone by it.
      - Letters, digits, dots, underscores and hyphens. Keep it when files move.
      - By default it is made of the file names of the inventory source and of O(hypervisor_config), so that it is the
        same in every clone and on AWX. Two inventories for one node with the same file names need it.
      - Becomes the variable C(phoenix_inventory_id) of all hosts.
    type: str
  nodes:
    description:
      - The Proxmox VE nodes by name, each with its connection variables such as C(ansible_host),
        C(ansible_user) and C(ansible_port).
      - C(ansible_connection=local) says that Ansible runs on that node itself. Without that variable, and with SSH as
        Ansible's own default, it is P(phoenix.hypervisor.node#connection).
      - With C(api) the node is reached by an API token, without SSH. Its keys are C(host), C(port), C(user),
        C(token_id), C(token_secret), C(fingerprint), C(ca), C(validate_certs) and C(record_key), which seals the
        records in descriptions. What it lacks comes from the variables C(PROXMOX_HOST), C(PROXMOX_USER),
        C(PROXMOX_TOKEN_ID) and so on. It becomes the variable C(phoenix_api), in which references replace the secrets.
      - With C(guest_ssh) beside C(api) the containers of the node are reached over SSH as root, for features and
        applications. Its keys are C(private_key_file), C(public_key) (by default the file beside it), C(port) and
        C(common_args), arguments of C(ssh). Containers get the key when they are created from a template.
    type: dict
    required: true
  application_path:
    description:
      - Folders of the controller in which an C(application_script) is searched for, absolute or relative to the
        folder of the inventory source.
      - By default the folder of O(lxc_config), then its subfolders C(applications) and C(bin).
    type: list
    elements: str
    env:
      - name: PHOENIX_APPLICATION_PATH
    vars:
      - name: phoenix_application_path
  feature_collections:
    description:
      - Collections in which a plain feature name is looked for, after this one.
      - Becomes the variable C(phoenix_feature_collections) of all hosts.
    type: list
    elements: str
    vars:
      - name: phoenix_feature_collections
  policy:
    description:
      - What the authors of the JSON files may ask for. Whatever it forbids is an error before anything is touched.
      - Without it everything is allowed, and who may write the JSON files is in effect root on the node.
      - It comes from this file alone; no variable and no JSON file can change it.
      - A key that is absent restricts nothing, except for C(lxc_options), C(hookscripts), C(devices) and C(privileged),
        which then allow none.
      - In lists, C(*) stands for any characters.
      - With a policy, the folder of O(lxc_config) itself is not searched for application scripts, unless
        O(application_path) names it.
    type: dict
    suboptions:
      lxc_options:
        description: Keys of raw lines that are allowed, such as C(lxc.cgroup2.*). Absent allows none.
        type: list
        elements: str
      hookscripts:
        description: Hook scripts of the node that are allowed, such as C(local:snippets/*). Absent allows none.
        type: list
        elements: str
      pct_options:
        description: Flags that are allowed, such as C(nesting).
        type: list
        elements: str
      mount_prefixes:
        description:
          - Folders of the node; a container may mount them and what lies below them, by C(mount_points),
            C(shared_volumes), C(model_store) or C(lxc.mount.entry). Models are copied from such folders only.
        type: list
        elements: str
      privileged:
        description: Whether containers with C(unprivileged=false) are allowed.
        type: bool
        default: false
      features:
        description:
          - Full names of the features that are allowed, such as C(acme.tools.metrics); for a role of a folder,
            its path.
        type: list
        elements: str
      applications:
        description: Whether application scripts and health checks are allowed.
        type: bool
        default: true
      templates:
        description: Templates that are allowed, such as C(local:vztmpl/*).
        type: list
        elements: str
      storages:
        description: Storages of root disks and volumes that are allowed.
        type: list
        elements: str
      bridges:
        description: Bridges that are allowed.
        type: list
        elements: str
      devices:
        description:
          - Paths of devices that are allowed, such as C(/dev/net/tun), and words of GPU vendors, as C(devices) of a
            container has them. Absent allows none.
        type: list
        elements: str
      gpus:
        description: GPUs that are allowed, as C(gpu_assignment) names them, or C(all). An empty list allows none.
        type: list
        elements: str
      url_schemes:
        description: Schemes of the addresses that are allowed, such as C(https).
        type: list
        elements: str
      url_hosts:
        description: Hosts of the addresses that are allowed.
        type: list
        elements: str
notes:
  - The variables that the plugin sets are described in the collection's C(docs/configuration.md).
"""

EXAMPLES = r"""
# inventory/phoenix.yml
plugin: phoenix.hypervisor.phoenix
inventory_id: office
lxc_config: phoenix_lxc_configs.json
hypervisor_config: hypervisor_config.json
nodes:
  pve:
    ansible_host: 192.0.2.10
    ansible_user: root

keyed_groups:
  - key: phoenix_config.cores
    prefix: cores
compose:
  backup_name: phoenix_node ~ "-" ~ phoenix_name

# The authors of the JSON files get containers, not the node
# policy:
#   mount_prefixes: [/srv/models, /srv/exchange]
#   features: [phoenix.hypervisor.*]
#   bridges: [vmbr1]
#   url_schemes: [https]

# Reach the node by an API token
# nodes:
#   pve:
#     api:
#       host: 192.0.2.10
#       user: automation@pve
#       token_id: phoenix
#       token_secret: "{{ vault_pve_token }}"
#       fingerprint: "AB:CD:..."
#     guest_ssh:
#       private_key_file: ~/.ssh/phoenix_guests

# Run on the node itself
# nodes:
#   pve:
#     ansible_connection: local
"""

import atexit
import gc
import os
import re
import traceback
from collections.abc import Mapping
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleParserError
from ansible.inventory.manager import split_host_pattern
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.reaching import reach
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.source import RESERVED
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files import command, container_access, sources
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.composing import Composing
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.configuration import (
    Chosen,
    Configuration,
    ConfigurationReader,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import groups, guess_ctids
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.report import lines, report
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_checks import inherited_features
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import preloading

PLACEHOLDER_HOST = "phoenix-configuration"
"""The host that carries the report when nothing else does."""

_PYTHON = trust_as_template("/usr/bin/python3")
_CONNECTION = trust_as_template(preloading.CONTAINERS)
_NODE_CONNECTION = trust_as_template(preloading.NODES)
_OWN_FILE = re.compile(rb"^plugin:[ \t]*[\"']?phoenix\.hypervisor\.phoenix[\"']?[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_PLAIN_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


class InventoryModule(BaseInventoryPlugin, Composing):
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
        """Fill the inventory. Raises AnsibleParserError for what the files hold only where that ends the command."""
        super().parse(inventory, loader, path, cache)
        # Before Python ends it looks through all objects of the run for what nobody uses: a sixth of an empty play.
        atexit.register(gc.freeze)
        try:
            configuration = ConfigurationReader(loader, path, self._take_options).read()
        except Exception as error:  # noqa: BLE001 - whatever is raised here, Ansible would go on without hosts
            self.display.vvv(traceback.format_exc())
            configuration = Configuration("")
            got = f"{type(error).__name__}: {error}"
            remedy = "This is a fault of the collection: please report it with the output of -vvv."
            configuration.findings.append(Finding(path, (), got, "a readable configuration", remedy))

        configuration.findings += sources.second_source(inventory, path)
        self._emit_nodes(configuration)
        self._emit_containers(configuration)
        if not configuration.findings:
            configuration.findings += self.construct(configuration.fleet.order(), os.path.basename(path))
        if configuration.findings:
            self._emit_for_report(configuration)
        self._emit_report(configuration)

    def _take_options(self, data: Mapping[str, Any]) -> Chosen:
        self.set_options(direct=data, var_options=self._vars)
        # An unanswered question of a survey is a blank text, which stands for the default.
        folders = [item for item in self.get_option("application_path") or () if str(item).strip()]
        collections = [item for item in self.get_option("feature_collections") or () if str(item).strip()]
        return Chosen(folders or None, tuple(collections))

    def _emit_nodes(self, configuration: Configuration) -> None:
        self.inventory.add_group("hypervisors")
        self._set("hypervisors", "ansible_python_interpreter", _PYTHON)
        # Not where the configuration or the command line of Ansible says how hosts are reached.
        if context.CLIARGS.get("connection", constants.DEFAULT_TRANSPORT) in ("ssh", "smart", "ansible.builtin.ssh"):
            self._set("hypervisors", "ansible_connection", _NODE_CONNECTION)
            preloading.preload(preloading.NODES)
        for name, variables in configuration.nodes.items():
            self.inventory.add_host(name, group="hypervisors")
            for key, value in variables.items():
                self._set(name, str(key), value)
            self._set(name, "phoenix_hypervisor_config", {} if configuration.findings else configuration.hypervisor)

    def _emit_containers(self, configuration: Configuration) -> None:
        self.inventory.add_group("containers")
        self._set("containers", "ansible_connection", _CONNECTION)
        self._set("containers", "ansible_python_interpreter", _PYTHON)
        fleet, nodes = configuration.fleet, configuration.nodes
        # What the file says once for all of its containers; roles read what they know of.
        settings = {key: value for key, value in fleet.top.items() if not key.startswith(("lxc_", "$"))}
        self._set("containers", "phoenix_settings", settings)
        if configuration.layers:
            self._set("containers", "phoenix_layers", configuration.layers)
        self._set("containers", "phoenix_nodes", {name: reach(variables) for name, variables in nodes.items()})
        only = next(iter(nodes)) if len(nodes) == 1 else ""
        for ctid in fleet.order():
            container = fleet.containers[ctid]
            node = container.text("node") or only
            self.inventory.add_host(ctid, group="containers")
            # The host's own method: the one of the inventory marks each text of each value with the file that it is
            # from, for messages about templates. None of these is one, and a fleet has many.
            put = self.inventory.get_host(ctid).set_variable
            put("ansible_connection", _CONNECTION)  # group_vars outrank that of the group
            put("phoenix_ctid", int(ctid))
            put("phoenix_name", container.name or "CT" + ctid)
            put("phoenix_node", node)
            put("phoenix_config", container_access.with_key(container.config, nodes.get(node, {})))
            put("phoenix_lineage", list(fleet.lineage(ctid)))
            inherited = inherited_features(fleet, ctid)
            if inherited:
                put("phoenix_inherited_features", list(inherited))
            if ctid in configuration.applications:
                put("phoenix_application", configuration.applications[ctid])
            if ctid in configuration.stored:
                for key, value in configuration.stored[ctid].variables().items():
                    put(key, value)
            for key, value in container_access.variables_of(nodes.get(node, {})).items():
                self._set(ctid, key, value)
        for name in nodes:
            # All of them, also where a job of AWX has only a slice of the hosts.
            own = [ctid for ctid, one in fleet.containers.items() if (one.text("node") or only) == name]
            self._set(name, "phoenix_node_ctids", sorted(map(int, own)))
        for group, members in groups(fleet, only, {*nodes, *RESERVED}).items():
            name = self.inventory.add_group(group)
            for ctid in members:
                self.inventory.add_child(name, ctid)

    def _emit_for_report(self, configuration: Configuration) -> None:
        """Hosts for a faulty configuration: a play needs one that `--limit` leaves in, to fail with the report."""
        for ctid in guess_ctids(configuration.text):
            if ctid not in configuration.fleet.containers:
                self.inventory.add_host(ctid, group="containers")
                # Without it the connection plugin fails before the task that shows the report.
                self._set(ctid, "phoenix_ctid", int(ctid))
        for token in split_host_pattern(context.CLIARGS.get("subset") or []):
            if _PLAIN_PATTERN.match(token) and token not in self.inventory.hosts and token not in self.inventory.groups:
                self.inventory.add_host(token)
        if not self.inventory.hosts:
            self.inventory.add_host(PLACEHOLDER_HOST)

    def _emit_report(self, configuration: Configuration) -> None:
        text = report(configuration.findings)
        self._set("all", "phoenix_config_errors", lines(configuration.findings))
        self._set("all", "phoenix_config_report", text)
        self._set("all", "phoenix_config_warnings", list(configuration.warnings))
        self._set("all", "phoenix_inventory_id", configuration.inventory_id)
        self._set("all", "phoenix_inventory_id_is_given", configuration.inventory_id_is_given)
        self._set("all", "phoenix_config_dir", configuration.folder)
        self._set("all", "phoenix_config_file", configuration.file)
        self._set("all", "phoenix_config_files", configuration.files)
        if configuration.feature_collections:
            self._set("all", "phoenix_feature_collections", list(configuration.feature_collections))
        for warning in configuration.warnings:
            self.display.warning(warning)
        if text and command.runs_plays():
            count = len(configuration.findings)
            self.display.warning(f"the configuration has {count} error{'s'[: count != 1]}; the first play reports them")
        elif text:
            self.display.error(text, wrap_text=False)
            if command.ends_on_errors():
                raise AnsibleParserError("the configuration is faulty, as reported above")

    def _set(self, entity: str, name: str, value: Any) -> None:
        self.inventory.set_variable(entity, name, value)
