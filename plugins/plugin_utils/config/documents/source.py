# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory source file (`phoenix.yml`): what may stand in it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Optional

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.ownership import INVENTORY_ID
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents import api_entry, guest_entry
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer, show
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import CTID
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.policy import policy_faults
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables.sharedfacts import BY_NAME, IDENTITY

# Those of Ansible's constructed inventories; Ansible itself checks the values inside.
CONSTRUCTED = {
    "strict": (bool, "true or false"),
    "compose": (Mapping, "variables with their expressions"),
    "groups": (Mapping, "groups with their conditions"),
    "keyed_groups": (list, "a list of objects, each with key"),
    "leading_separator": (bool, "true or false"),
    "use_extra_vars": (bool, "true or false"),
}
KEYS = (
    "plugin",
    "lxc_config",
    "hypervisor_config",
    "nodes",
    "application_path",
    "feature_collections",
    "policy",
    "layers",
    "inventory_id",
    *CONSTRUCTED,
)
LAYERS = ("enabled", "storage", "max_size_gb", "max_age_days")
RESERVED = ("all", "ungrouped", "hypervisors", "containers", "templates", "localhost")
PLUGIN = "phoenix.hypervisor.phoenix"
_NODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_COLLECTION = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*\Z")
_STORAGE = re.compile(r"[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def inventory_id(name: str, data: Mapping[Any, Any]) -> str:
    """Return the id of an inventory: the given one, or one of file names, which are the same in every clone.

    Args:
        name: the file name of the inventory source.
        data: the parsed source.
    """
    given = data.get("inventory_id")
    if isinstance(given, str) and INVENTORY_ID.match(given):
        return given
    host = data.get("hypervisor_config")
    names = [name, *([host.rpartition("/")[2]] if isinstance(host, str) else [])]
    words = [re.sub(r"[^A-Za-z0-9._-]+", "-", one.rpartition(".")[0] or one) for one in names]
    return ".".join(word for word in words if word).strip("._-")[:63] or "default"


def layers(data: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a source says of layers; empty where containers are created without."""
    given = data.get("layers")
    if given is not True and (not isinstance(given, Mapping) or given.get("enabled") is False):
        return {}
    values = given if isinstance(given, Mapping) else {}
    return {"storage": "local", **{key: values[key] for key in LAYERS[1:] if key in values}}


def place_of_layers(file: str, text: str) -> str:
    """Return where the storage of layers stands in a source, as C(file:line:column); else where C(layers) does.

    Args:
        file: its name in findings.
        text: what it was parsed from.
    """
    found = re.search(r"^[\"']?layers[\"']?[ \t]*:.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    line = text.count("\n", 0, found.start()) + 1 if found else 1
    below = _line(found.group(), ("storage",)) if found else 0
    return f"{file}:{line + max(below - 1, 0)}:1"


class SourceChecker:
    """Looks at one parsed inventory source.

    Args:
        file: its name in findings.
        text: what it was parsed from, to tell lines.
    """

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text

    def findings(self, data: Any) -> Iterator[Finding]:
        """Everything that is wrong with the source."""
        if not isinstance(data, Mapping):
            expected = "an object with plugin, lxc_config and nodes"
            yield self._at((), show((), data), expected, f"Write at least: plugin: {PLUGIN}")
            return
        yield from self._keys(data)
        yield from self._paths(data)
        yield from self._nodes(data)
        if "policy" in data:
            for path, got, expected, remedy, near in policy_faults(data["policy"]):
                yield self._at(path, got, expected, remedy, near)
        yield from self._id(data)
        yield from self._layers(data.get("layers"))
        yield from self._constructed(data)

    def _constructed(self, data: Mapping[Any, Any]) -> Iterator[Finding]:
        for key, (kind, expected) in CONSTRUCTED.items():
            if key in data and not isinstance(data[key], kind):
                remedy = "See: ansible-doc -t inventory phoenix.hypervisor.phoenix"
                yield self._at((key,), show((), data[key]), expected, remedy)
        for position, item in enumerate(data["keyed_groups"] if isinstance(data.get("keyed_groups"), list) else ()):
            if not isinstance(item, Mapping) or not isinstance(item.get("key"), str):
                remedy = "Write an item such as {key: phoenix_config.cores, prefix: cores}."
                yield self._at(("keyed_groups", str(position)), show((), item), "an object with key", remedy)
        compose = data.get("compose")
        for name in compose if isinstance(compose, Mapping) else ():
            if not isinstance(name, str) or not _VARIABLE.match(name):
                yield self._at(("compose", str(name)), show((), str(name)), "the name of a variable", "Rename it.")
            elif name in IDENTITY or name in BY_NAME:
                expected = "a variable that this plugin does not set"
                yield self._at(("compose", name), show((), name), expected, "Give the variable another name.")

    def _id(self, data: Mapping[Any, Any]) -> Iterator[Finding]:
        given = data.get("inventory_id")
        if given is not None and not (isinstance(given, str) and INVENTORY_ID.match(given)):
            expected = "a text of letters, digits, dots, underscores and hyphens, 63 at most"
            remedy = "Write a name such as office, in quotes if it is a number."
            yield self._at(("inventory_id",), show((), given), expected, remedy)

    def _layers(self, given: Any) -> Iterator[Finding]:
        example = "Write layers: {storage: local}, or leave it out to create containers without layers."
        if given is None or isinstance(given, bool):
            return
        if not isinstance(given, Mapping):
            expected = "true, false, or an object of " + ", ".join(LAYERS)
            yield self._at(("layers",), show((), given), expected, example)
            return
        for key, value in given.items():
            near = next(iter(difflib.get_close_matches(str(key), LAYERS, 1, 0.6)), None)
            path = ("layers", str(key))
            if key not in LAYERS:
                remedy = f"Rename it to {near}, or remove it." if near else "Remove it."
                yield self._at(path, "unknown key " + show((), str(key)), "one of " + ", ".join(LAYERS), remedy, near)
            elif key == "enabled" and not isinstance(value, bool):
                yield self._at(path, show((), value), "true or false", example)
            elif key == "storage" and not (isinstance(value, str) and _STORAGE.match(value)):
                yield self._at(path, show((), value), "the name of a storage", example)
            elif key.startswith("max_") and (
                isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0
            ):
                yield self._at(path, show((), value), "a number above 0", "Write a number such as 20.")

    def _keys(self, data: Mapping[Any, Any]) -> Iterator[Finding]:
        for key in data:
            if key not in KEYS:
                near = next(iter(difflib.get_close_matches(str(key), KEYS, 1, 0.6)), None)
                remedy = f"Rename it to {near}, or remove it." if near else "Remove it."
                expected = "one of " + ", ".join(KEYS)
                yield self._at((str(key),), "unknown key " + show((), str(key)), expected, remedy, near)
        if "plugin" not in data:
            yield self._at((), "no plugin", "plugin: " + PLUGIN, "Add plugin: " + PLUGIN)
        elif data["plugin"] != PLUGIN:
            yield self._at(("plugin",), show((), data["plugin"]), PLUGIN, "Write plugin: " + PLUGIN)

    def _paths(self, data: Mapping[Any, Any]) -> Iterator[Finding]:
        relative = "relative to this file's folder or absolute."
        if data.get("lxc_config") is None:
            remedy = "Add lxc_config: phoenix_lxc_configs.json"
            yield self._at((), "no lxc_config", "the path of the containers' file", remedy)
        for key in ("lxc_config", "hypervisor_config"):
            value = data.get(key)
            if value is not None and (not isinstance(value, str) or not value):
                yield self._at((key,), show((), value), "the path of a file", "Write a path, " + relative)
        searched = data.get("application_path")
        if searched is not None and not isinstance(searched, (str, list)):
            remedy = "Write a list of paths, " + relative
            yield self._at(("application_path",), show((), searched), "a list of folders", remedy)
        named = data.get("feature_collections")
        names = named if isinstance(named, list) else [named]
        if named is not None and not all(isinstance(name, str) and _COLLECTION.match(name) for name in names):
            remedy = "Write a list such as [acme.tools]."
            yield self._at(("feature_collections",), show((), named), "a list of collections", remedy)

    def _nodes(self, data: Mapping[Any, Any]) -> Iterator[Finding]:
        nodes = data.get("nodes")
        example = "nodes: {pve: {ansible_host: ADDRESS}}"
        if not nodes:
            path: Pointer = ("nodes",) if "nodes" in data else ()
            yield self._at(path, "no nodes", "the Proxmox VE nodes with their addresses", "Add " + example)
        elif not isinstance(nodes, Mapping):
            yield self._at(("nodes",), show((), nodes), "node names with their variables", "Write " + example)
        else:
            for name, variables in nodes.items():
                yield from self._node(name, variables)

    def _node(self, name: Any, variables: Any) -> Iterator[Finding]:
        path = ("nodes", str(name))
        if not isinstance(name, str):
            yield self._at(path, f"{name}, which YAML reads as no text", "a name", "Put it in quotes.")
        elif not _NODE.match(name) or CTID.match(name):
            expected = "letters, digits, hyphens and dots, and not a CTID"
            yield self._at(path, show((), name), expected, "Name the node as Proxmox VE does.")
        elif name in RESERVED:
            yield self._at(path, show((), name), "a name that is no group's", "Give the node another name.")
        if variables is None:
            return
        if not isinstance(variables, Mapping):
            got = show(path, variables, True)
            yield self._at(path, got, "the variables of the node", f"Write {name}: {{ansible_host: ADDRESS}}")
            return
        for key in variables:
            if not isinstance(key, str) or not _VARIABLE.match(key):
                remedy = "Write a name such as ansible_host."
                yield self._at((*path, str(key)), show((), str(key)), "the name of a variable", remedy)
        if api_entry.KEY in variables:
            for where, got, expected, remedy, near in api_entry.faults(
                variables[api_entry.KEY], (*path, api_entry.KEY)
            ):
                yield self._at(where, got, expected, remedy, near)
        if guest_entry.KEY in variables:
            for where, got, expected, remedy, near in guest_entry.faults(
                variables[guest_entry.KEY], (*path, guest_entry.KEY), api_entry.KEY in variables
            ):
                yield self._at(where, got, expected, remedy, near)

    def _at(self, path: Pointer, got: str, expected: str, remedy: str, nearest: Optional[str] = None) -> Finding:
        line = _line(self._text, path)
        return Finding(self._file, path, got, expected, remedy, nearest, line, 1 if line else 0)


def _line(text: str, path: Pointer) -> int:
    """The line of a key, as far as it is known without the YAML parser's marks: the first one that begins with
    the key.
    """
    if not path:
        return 1 if text else 0
    found = re.search(r"^[ \t]*[\"']?" + re.escape(str(path[-1])) + r"[\"']?[ \t]*:", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 0
