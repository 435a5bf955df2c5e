# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory source file (`phoenix.yml`): what may stand in it."""

from __future__ import annotations

import difflib
import re
from typing import Any, Iterator, Mapping, Optional

from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.finding import Finding, Pointer, show

KEYS = ("plugin", "lxc_config", "hypervisor_config", "nodes", "application_path", "strict", "cache")
PLUGIN = "phoenix.hypervisor.phoenix"
_NODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def check_source(file: str, text: str, data: Any) -> Iterator[Finding]:
    """The findings of a parsed inventory source; `text` is what it was parsed from, to tell lines."""

    def at(path: Pointer, got: str, expected: str, remedy: str, nearest: Optional[str] = None) -> Finding:
        line = _line(text, path)
        return Finding(file, path, got, expected, remedy, nearest, line, 1 if line else 0)

    if not isinstance(data, Mapping):
        yield at((), show((), data), "an object with plugin, lxc_config and nodes", "Write at least: plugin: %s" % PLUGIN)
        return
    for key in data:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1, 0.6)
            yield at((str(key),), "unknown key " + show((), str(key)), "one of " + ", ".join(KEYS[:5]), "Rename it to %s, or remove it." % near[0] if near else "Remove it.", near[0] if near else None)
    if "plugin" not in data:
        yield at((), "no plugin", "plugin: " + PLUGIN, "Add plugin: " + PLUGIN)
    elif data["plugin"] != PLUGIN:
        yield at(("plugin",), show((), data["plugin"]), PLUGIN, "Write plugin: " + PLUGIN)
    for key, needed in (("lxc_config", True), ("hypervisor_config", False)):
        value = data.get(key)
        if value is None and needed:
            yield at((), "no " + key, "the path of the configuration file", "Add %s: phoenix_lxc_configs.json" % key)
        elif value is not None and (not isinstance(value, str) or not value):
            yield at((key,), show((), value), "the path of a file", "Write a path, relative to this file's folder or absolute.")
    searched = data.get("application_path")
    if searched is not None and not isinstance(searched, (str, list)):
        yield at(("application_path",), show((), searched), "a list of folders", "Write a list of paths, relative to this file's folder or absolute.")
    nodes = data.get("nodes")
    if not nodes:
        yield at(("nodes",) if "nodes" in data else (), "no nodes", "the Proxmox VE nodes with their addresses", "Add nodes: {pve: {ansible_host: ADDRESS}}")
    elif not isinstance(nodes, Mapping):
        yield at(("nodes",), show((), nodes), "node names with their variables", "Write nodes: {pve: {ansible_host: ADDRESS}}")
    else:
        for name, variables in nodes.items():
            yield from _node_findings(at, name, variables)


def _node_findings(at: Any, name: Any, variables: Any) -> Iterator[Finding]:
    path = ("nodes", str(name))
    if not isinstance(name, str):
        yield at(path, "%s, which YAML reads as a number" % name, "a name", "Put it in quotes.")
    elif not _NODE.match(name):
        yield at(path, show((), name), "letters, digits, hyphens and dots", "Name the node as Proxmox VE does.")
    if variables is None:
        return
    if not isinstance(variables, Mapping):
        yield at(path, show(path, variables, True), "the variables of the node", "Write %s: {ansible_host: ADDRESS}" % name)
        return
    for key in variables:
        if not isinstance(key, str) or not _VARIABLE.match(key):
            yield at(path + (str(key),), show((), str(key)), "the name of a variable", "Write a name such as ansible_host.")


def _line(text: str, path: Pointer) -> int:
    """The line of a key, as far as it can be told without the YAML parser's marks: the first one that begins with the key."""
    if not path:
        return 1 if text else 0
    found = re.search(r"^[ \t]*[\"']?" + re.escape(str(path[-1])) + r"[\"']?[ \t]*:", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 0
