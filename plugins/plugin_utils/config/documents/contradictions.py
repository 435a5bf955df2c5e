# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contradictions of the containers' file that harm nobody: one of the two has no effect, and a warning says so.

What would make another container of it is no such thing: the checks refuse that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.storage_checks import first_clones
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Notice, Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container, Fleet
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import model_keys, sharedmounts

_BOTH_ORIGINS = "no effect beside clone_from_ctid: the container is cloned"
_OF_A_TEMPLATE = "no effect beside is_template: a template has no snapshots, clones are made of the template itself"
_BESIDE_A_BIND_MOUNT = "no snapshot is taken: PVE can't with a bind mount, and nobody clones it"


def settled_keys(
    fleet: Fleet, hypervisor: Mapping[str, Any], servers: Iterable[Server], moves: Mapping[Pointer, Pointer]
) -> tuple[Fleet, list[Notice]]:
    """The fleet without the keys that have no effect beside another, and what they are.

    moves: where something is read -> where the file has it (`old_files.field_keys`).
    """
    clones = first_clones(fleet)
    mounted = {mount.ctid for mount in sharedmounts.mounts(hypervisor)}
    store, brought = model_keys.store_of(hypervisor), tuple(servers)
    containers, notices = dict(fleet.containers), []
    for ctid, container in fleet.containers.items():
        config = dict(container.config)
        if container.absent:
            continue
        binds = ctid in mounted or model_keys.key_of_model(container, store, brought) is not None
        for key, text in _without_effect(container, ctid in clones, binds, moves):
            notices.append(Notice(container.place(key), text))
            del config[key]
        if len(config) != len(container.config):
            containers[ctid] = dataclasses.replace(container, config=config)
    return dataclasses.replace(fleet, containers=containers), notices


def _without_effect(
    container: Container, cloned: bool, mounted: bool, moves: Mapping[Pointer, Pointer]
) -> list[tuple[str, str]]:
    """(key, why it has no effect)."""
    config, found = container.config, []
    if container.source is not None and "template" in config:
        found.append(("template", _BOTH_ORIGINS))
    snapshot = container.text("template_snapshot_name")
    if snapshot and config.get("is_template") is True:
        found.append(("template_snapshot_name", _OF_A_TEMPLATE))
    elif not cloned and config.get("is_template") is not True and (config.get("mount_points") or mounted):
        if snapshot:
            found.append(("template_snapshot_name", _BESIDE_A_BIND_MOUNT))
        # A guard that somebody asked for by that name is not given up without a word: the checks refuse it.
        if container.text("guard") in ("report", "rollback") and container.place("guard") in moves:
            found.append(("guard", _BESIDE_A_BIND_MOUNT))
    return found


def settled_rules(fleet: Fleet) -> tuple[Fleet, list[Notice]]:
    """The fleet with each rule of a firewall once, and the repeated ones."""
    containers, notices = dict(fleet.containers), []
    for ctid, container in fleet.containers.items():
        section = container.config.get("firewall")
        rules = section.get("rules") if isinstance(section, dict) else None
        if not isinstance(section, dict) or not isinstance(rules, list):
            continue
        seconds = _repeated(rules)
        if seconds:
            notices += [_notice(container.place("firewall", "rules", index), seconds[index]) for index in seconds]
            once = [rule for index, rule in enumerate(rules) if index not in seconds]
            config = {**container.config, "firewall": {**section, "rules": once}}
            containers[ctid] = dataclasses.replace(container, config=config)
    return dataclasses.replace(fleet, containers=containers), notices


def _repeated(rules: list[Any]) -> dict[int, int]:
    # Only here: most files have no rules.
    from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.fwfile import repeated

    return repeated(rules)


def settled_host_rules(hypervisor: Mapping[str, Any]) -> tuple[dict[str, Any], list[Notice]]:
    """The host's configuration with each rule of a firewall once, and the repeated ones."""
    firewall = hypervisor.get("firewall")
    if not isinstance(firewall, dict):
        return dict(hypervisor), []
    notices: list[Notice] = []

    def once(rules: Any, *path: str) -> Any:
        seconds = _repeated(rules) if isinstance(rules, list) else {}
        notices.extend(_notice(("firewall", *path, index), first) for index, first in seconds.items())
        return [rule for index, rule in enumerate(rules) if index not in seconds] if seconds else rules

    result = {key: once(value, key) if key == "rules" else value for key, value in firewall.items()}
    node, groups = result.get("node"), result.get("groups")
    if isinstance(node, dict) and "rules" in node:
        result["node"] = {**node, "rules": once(node["rules"], "node", "rules")}
    if isinstance(groups, dict):
        result["groups"] = {name: once(rules, "groups", name) for name, rules in groups.items()}
    return {**hypervisor, "firewall": result}, notices


def _notice(path: Pointer, first: int) -> Notice:
    return Notice(path, f"the same rule as rules/{first}, no effect")
