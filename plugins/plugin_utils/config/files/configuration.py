# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration as read from the controller's disk: inventory source, JSON files, application scripts."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleError
from ansible.utils.collection_loader import AnsibleCollectionConfig

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents import api_entry, guest_entry
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.redaction import (
    CONTAINERS,
    HOST,
    redacted,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.source import (
    SourceChecker,
    inventory_id,
    layers,
    place_of_layers,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import (
    Source,
    document_of,
    validate,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files import container_access
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Fleet
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.model_keys import Stored
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import JsonText, parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.policy import load_policy
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.contained import folder_of, is_below
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_checks import (
    feature_checks,
    servers_of,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_keys import (
    key_check,
    schema_with_keys,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.manifests import search_places
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept.valid import KeptKnown

APPLICATION_FOLDERS = (".", "applications", "bin")
"""Where application scripts are searched for by default, from the folder of the containers' file."""

_UNREADABLE = (AnsibleError, OSError, UnicodeError, ValueError, TypeError)


@dataclass(frozen=True)
class Chosen:
    """The plugin's options that decide where things are searched for; None and () leave it at the defaults."""

    application_path: Iterable[str] | None = None
    feature_collections: tuple[str, ...] = ()


@dataclass
class Configuration:
    """What was read, as far as it is readable, and everything that is wrong with it.

    Attributes:
        folder: folder of the containers' file.
        file: the containers' file: its path, and its label in reports; empty when the source names none.
        files: the paths of both files by kind, as far as the source names them, and of a source that holds a secret.
        nodes: variables of the nodes by name.
        fleet: the containers.
        hypervisor: the hypervisor configuration, with references in place of secrets.
        applications: CTID -> {name, path} of the scripts that were found.
        stored: CTID -> how it sees its model, of the containers that read from the host's store.
        feature_collections: collections in which plain feature names are looked for.
        layers: where layers are kept and for how long; empty for none.
        inventory_id: under which the nodes record what this inventory set; `inventory_id_is_given` by the source.
        text: the containers' file as text, whatever it holds.
        findings: the errors, by file and line.
        warnings: one line each.
    """

    folder: str
    file: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    fleet: Fleet = field(default_factory=lambda: Fleet({}))
    hypervisor: dict[str, Any] = field(default_factory=dict)
    applications: dict[str, dict[str, str]] = field(default_factory=dict)
    stored: Mapping[str, Stored] = field(default_factory=dict)
    feature_collections: tuple[str, ...] = ()
    layers: dict[str, Any] = field(default_factory=dict)
    inventory_id: str = "default"
    inventory_id_is_given: bool = False
    text: str = ""
    findings: list[Finding] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


class ConfigurationReader:
    """Reads through Ansible's loader, which decrypts what is vault-encrypted.

    Args:
        loader: Ansible's DataLoader.
        path: the inventory source.
        options: called with the parsed source when it has the right shape; takes over the plugin's options and
            returns those that matter here.
    """

    def __init__(self, loader: Any, path: str, options: Callable[[Mapping[str, Any]], Chosen]) -> None:
        self._loader = loader
        self._path = os.path.abspath(path)
        self._base = os.path.dirname(self._path)
        self._options = options

    def _nodes(self, data: Mapping[str, Any], findings: list[Finding]) -> dict[str, dict[str, Any]]:
        nodes = data.get("nodes")
        if not isinstance(nodes, Mapping):
            return {}
        return {
            str(name): self._variables(str(name), value, findings) if isinstance(value, Mapping) else {}
            for name, value in nodes.items()
            if str(name)
        }

    def _variables(self, node: str, given: Mapping[str, Any], findings: list[Finding]) -> dict[str, Any]:
        """The variables of a node: its entries for the API and for its containers become some, without the secret."""
        api, inside = given.get(api_entry.KEY), given.get(guest_entry.KEY)
        found = {key: value for key, value in given.items() if key not in (api_entry.KEY, guest_entry.KEY)}
        if isinstance(api, Mapping):
            found[api_entry.VARIABLE] = api_entry.variables(node, api)
        place = ("nodes", node, guest_entry.KEY)
        if isinstance(inside, Mapping) and not any(guest_entry.faults(inside, place, isinstance(api, Mapping))):
            found[guest_entry.VARIABLE], problem = container_access.entry(inside, node, self._path)
            if problem:
                remedy = "Write the key as public_key, or make the pair with: ssh-keygen -t ed25519 -f FILE"
                findings.append(Finding(self._label(self._path), place, problem, "the key of containers", remedy))
        return found

    def read(self) -> Configuration:
        """Read everything. What is wrong with the files is in the result's findings."""
        findings: list[Finding] = []
        data, chosen = self._read_source(findings)
        lxc_path = self._absolute(data.get("lxc_config"))
        result = Configuration(os.path.dirname(lxc_path) if lxc_path else self._base, nodes=self._nodes(data, findings))
        result.inventory_id_is_given = data.get("inventory_id") is not None
        result.layers = layers(data)
        result.inventory_id = inventory_id(os.path.basename(self._path), data)
        if lxc_path:
            result.file = {"path": lxc_path, "label": self._label(lxc_path)}
        if lxc_path and result.layers:
            text = self._loader.get_text_file_contents(self._path)
            result.file["layers"] = place_of_layers(self._label(self._path), text)
        lxc = self._json(lxc_path, "phoenix_lxc_configs", findings)
        host_path = self._absolute(data.get("hypervisor_config"))
        named = {"phoenix_lxc_configs": lxc_path, "hypervisor_config": host_path}
        if any({*api_entry.SECRETS} & {*variables.get(api_entry.VARIABLE, {})} for variables in result.nodes.values()):
            named[api_entry.SOURCE] = self._path
        result.files = {kind: path for kind, path in named.items() if path}
        host = self._json(host_path, "hypervisor_config", findings)
        if lxc is None:
            lxc = Source(self._label(lxc_path), JsonText("", None, (), False), {})
        policy = load_policy(data, self._label(self._path))
        searched = self._folders(chosen.application_path, result.folder, policy is not None)

        def application_scripts(subject: Subject) -> Iterator[Finding]:
            return _application_scripts(subject, searched, result.applications)

        # The places in which a run looks for features: see search_of in wanted.py.
        folders = [result.folder, *(str(folder) for folder in AnsibleCollectionConfig.playbook_paths)]
        search = search_places({"phoenix_feature_collections": list(chosen.feature_collections)}, folders)
        result.feature_collections = search.collections
        lxc = dataclasses.replace(lxc, schema=schema_with_keys(lxc.schema, lxc.text.value, search))
        further = [application_scripts, *feature_checks(search), key_check(search)]
        if policy is not None:
            # Only here: most sources have none, and these checks load a tenth of the collection.
            from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.policy_checks import (
                policy_checks,
            )
            from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_policy import (
                feature_policy,
            )

            further += [*policy_checks(policy), *feature_policy(policy, search)]
        outcome = validate(
            lxc, host, tuple(result.nodes), further, lambda fleet: servers_of(fleet, search), KeptKnown()
        )
        result.fleet = _without_secrets(outcome.fleet, lxc)
        if host is not None:
            result.hypervisor = redacted(outcome.hypervisor, HOST, host.schema, host.hidden)
        result.stored = outcome.stored
        result.text = lxc.text.text
        result.findings = [*findings, *outcome.findings]
        result.warnings = outcome.warnings
        return result

    def _read_source(self, findings: list[Finding]) -> tuple[Mapping[str, Any], Chosen]:
        label = self._label(self._path)
        try:
            text = self._loader.get_text_file_contents(self._path)
            # Not copied ("unsafe"): nobody else has it.
            data = self._loader.load_from_file(self._path, cache="none", unsafe=True, trusted_as_template=True)
        except _UNREADABLE as error:
            found = re.search(r"\bline (\d+)", str(error))
            line = int(found.group(1)) if found else 0
            got = "what can't be read: " + _first_line(error)
            findings.append(Finding(label, (), got, "YAML", "Correct the file.", None, line))
            return {}, Chosen()
        faults = list(SourceChecker(label, text).findings(data))
        findings.extend(faults)
        if faults:
            return (data if isinstance(data, Mapping) else {}), Chosen()
        try:
            return data, self._options(data)
        except _UNREADABLE as error:
            remedy = "See: ansible-doc -t inventory phoenix.hypervisor.phoenix"
            findings.append(Finding(label, (), _first_line(error), "the documented options", remedy))
            return data, Chosen()

    def _json(self, path: str | None, kind: str, findings: list[Finding]) -> Source | None:
        if path is None:
            return None
        label = self._label(path)
        try:
            # The loader's bytes, not its text: only the bytes tell where a file is not UTF-8.
            content, plain = self._loader._get_file_contents(path)
        except _UNREADABLE as error:
            if os.path.exists(path):
                got = "what can't be read: " + _first_line(error)
                remedy = "Check its permissions, and the vault password if it is encrypted."
            else:
                got, remedy = "no such file", "Correct the path in the inventory source."
            findings.append(Finding(label, (), got, "a readable file", remedy))
            return None
        return Source(label, parse(bytes(content)), load_schema(kind), hidden=not plain)

    def _folders(self, chosen: Iterable[str] | None, config_folder: str, restricted: bool) -> tuple[str, ...]:
        if chosen:
            return tuple(os.path.normpath(os.path.join(self._base, os.path.expanduser(item))) for item in chosen)
        # Beside the containers' file lie files that no guest may get, such as the operator's variables.
        names = [name for name in APPLICATION_FOLDERS if not (restricted and name == ".")]
        return tuple(os.path.normpath(os.path.join(config_folder, name)) for name in names)

    def _absolute(self, value: Any) -> str | None:
        if not isinstance(value, str) or not value:
            return None
        return os.path.normpath(os.path.join(self._base, os.path.expanduser(value)))

    def _label(self, path: str | None) -> str:
        """How a file is called in the report: relative to the folder of the source, where it lies below it."""
        if path is None:
            return "phoenix_lxc_configs.json"
        relative = os.path.relpath(path, self._base)
        return path if relative.startswith("..") else relative


def _without_secrets(fleet: Fleet, source: Source) -> Fleet:
    """The fleet with references in place of secrets."""
    if not source.schema:
        return fleet  # there is no file
    configs = redacted(document_of(fleet), CONTAINERS, source.schema, source.hidden)["lxc_configs"]
    containers = {
        ctid: dataclasses.replace(container, config=configs[ctid]) for ctid, container in fleet.containers.items()
    }
    return dataclasses.replace(fleet, containers=containers)


def _application_scripts(
    subject: Subject, searched: tuple[str, ...], applications: dict[str, dict[str, str]]
) -> Iterator[Finding]:
    """Each application script is in one of the searched folders; those that are go into `applications`."""
    for ctid, container in subject.fleet.containers.items():
        name = container.text("application_script")
        if not name or "\0" in name or os.path.isabs(name) or ".." in name.split("/"):
            continue  # the schema refuses a path that is not below a folder
        found = next(filter(os.path.isfile, (os.path.join(folder, name) for folder in searched)), None)
        if found is not None and not is_below(found, folder_of(found, name)):
            path = container.place("application_script")
            got = f"{subject.show(path, name)}, which leads to {os.path.realpath(found)}"
            expected = f"a file below {folder_of(found, name)}, with all links resolved"
            remedy = "Copy the script there, or name its own folder in application_path of the inventory source."
            yield subject.at(path, got, expected, remedy)
        elif found is not None:
            applications[ctid] = {"name": name, "path": found}
        elif container.config.get("target_state") != "absent":
            path = container.place("application_script")
            expected = "a file in one of " + ", ".join(searched)
            remedy = "Put the script into one of these folders, or set application_path in the inventory source."
            yield subject.at(path, subject.show(path, name) + ", which is not there", expected, remedy)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
