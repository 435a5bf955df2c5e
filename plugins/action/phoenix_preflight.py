# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Completes phoenix_preflight on the controller: the plans of the containers, and what the host's own play makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.places import located
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import run_identity
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.wanted import templates_of, wanted

NAME = "phoenix.hypervisor.phoenix_preflight"
# Mutations of the node; what happens inside a container, and our own records, ask nothing of it.
ON_NODE = frozenset({"pve", "conf"})


class ActionModule(ActionBase):
    """With C(hosts) (inventory names of containers) the module's C(containers) are made of their observations.

    When none of them has anything to create or to change on the node, the node isn't asked at all.
    """

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once for the node."""
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        options = dict(self._task.args)
        hosts = options.pop("hosts", None)
        faults: list[tuple[str, str]] = []
        if hosts is not None:
            node = str(self._task.delegate_to)
            options["containers"], faults = self._candidates(hosts, node, task_vars)
            options.setdefault("coming", sorted(set(coming(self._hypervisor(node, task_vars)))))
        if options.get("containers") or options.get("downloads"):
            options["run"] = run_identity()
            result.update(self._execute_module(module_name=NAME, module_args=options, task_vars=task_vars))
        if faults:
            result["failed"] = True
            result["msg"] = "\n".join(
                [*(f"{pointer}  {text}" for pointer, text in faults), str(result.get("msg") or "")]
            )
            result["msg"] = result["msg"].rstrip()
        self._place(result, [pointer for pointer, _text in faults], task_vars)
        if hosts is not None:
            result["ansible_facts"] = {"phoenix_downloads": result.get("downloads") or []}
        return result

    def _candidates(
        self, hosts: Iterable[str], node: str, task_vars: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
        """The containers with something to do on the node, and what is wrong with a container's own description."""
        hostvars = task_vars["hostvars"]
        observed = hostvars[node].get("ansible_facts", {}).get("phoenix_observed") or {}
        found, faults = [], []
        for host in hosts:
            variables = hostvars[host]
            plan = (observed.get(str(host)) or {}).get("plan")
            if plan is None:
                faults += self._fault(host, hostvars, list(hosts))
            elif plan.get("error") or any(
                entry["op"] in ON_NODE for step in plan["steps"] for entry in step["entries"]
            ):
                config = dict(variables.get("phoenix_config") or {})
                found.append({"ctid": variables.get("phoenix_ctid"), "config": config, "plan": plan})
        return found, faults

    def _place(self, result: dict[str, Any], pointers: list[str], task_vars: Mapping[str, Any]) -> None:
        """Put file, line and column in front of each fault, as the offline report has them."""
        findings = result.get("findings") or []
        pointers = list(dict.fromkeys([*pointers, *(str(finding["pointer"]) for finding in findings)]))
        if not pointers:
            return
        places = located(self._loader, task_vars.get("phoenix_config_file"), pointers)
        for finding in findings:
            finding["place"] = places.get(str(finding["pointer"]), "")
        lines = str(result.get("msg") or "").split("\n")
        starts = [(f"{pointer}  ", f"{place}  {pointer}  ") for pointer, place in places.items()]
        for number, line in enumerate(lines):
            new = next((placed + line[len(start) :] for start, placed in starts if line.startswith(start)), line)
            lines[number] = new
        result["msg"] = "\n".join(lines)

    def _fault(self, host: str, hostvars: Mapping[str, Any], in_play: list[str]) -> list[tuple[str, str]]:
        """Why a container could not even be planned for."""
        try:
            wanted(hostvars[host], templates_of(self._templar, hostvars), self._loader, hostvars, in_play)
        except AnsibleError as error:
            return [(f"/lxc_configs/{host}", str(error))]
        return []

    def _hypervisor(self, node: str, task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
        return task_vars["hostvars"][node].get("phoenix_hypervisor_config") or {}


def coming(config: Mapping[str, Any]) -> Iterator[str]:
    """The names of storages, bridges and folders that the hypervisor's configuration makes."""
    yield from (str(item["id"]) for item in config.get("storage") or ())
    zfs = config.get("zfs") or {}
    names = config.get("proxmox_storage_ids") or {}
    for dataset in zfs.get("datasets") or ():
        pool, name = str(dataset.get("pool")), str(dataset.get("name"))
        yield str(names.get(f"{pool}_{name}") or f"{pool}-{name}")
    interfaces = (config.get("network") or {}).get("interfaces") or ()
    for item in [interfaces] if isinstance(interfaces, Mapping) else interfaces:
        if item.get("name"):
            yield str(item["name"])
    if (config.get("model_store") or {}).get("path"):
        yield str(config["model_store"]["path"])
    for volume in (config.get("shared_volumes") or {}).values():
        yield str(volume.get("host_path"))
