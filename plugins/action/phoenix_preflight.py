# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Completes phoenix_preflight on the controller: the plans of the containers, and what the host's own play makes."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import (
    features as core_features,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import subids
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.places import located
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import hoststorage
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.wanted import (
    assignment,
    inherited,
    search_of,
    templates_of,
    wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import manifests
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.manifests import container_needs
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import payloads
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.nodes import node_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.run_identity import run_identity
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import own_variables

NAME = "phoenix.hypervisor.phoenix_preflight"
# Mutations of the node; what happens inside a container, and our own records, ask nothing of it.
ON_NODE = frozenset({"pve", "conf"})


class ActionModule(ActionBase):
    """With C(hosts) (inventory names of containers) the module's C(containers) are made of their observations.

    When none of them has anything to create or to change on the node, the node isn't asked at all.

    With C(by_container) nothing fails here: the faults of each container are added to the fact C(phoenix_faults) of the
    node, and the play fails those containers by name. What is cloned from one of them has a fault with that.
    """

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once for the node."""
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        options = dict(self._task.args)
        hosts = options.pop("hosts", None)
        node = str(self._task.delegate_to)
        if options.pop("by_container", False):
            self._by_container(result, hosts, node, options, task_vars)
            return result
        faults: list[tuple[str, str]] = []
        if hosts is not None:
            options["containers"], faults = self._candidates(hosts, node, task_vars)
            options = self._completed(options, node, task_vars)
        if options.get("containers") or options.get("downloads"):
            options["run"] = run_identity()
            result.update(self._answer(options, task_vars))
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

    def _by_container(
        self,
        result: dict[str, Any],
        hosts: Iterable[str] | None,
        node: str,
        options: dict[str, Any],
        task_vars: dict[str, Any],
    ) -> None:
        """Check or download for the containers without a fault; what goes wrong is a fault of those that need it."""
        facts = task_vars["hostvars"][node].get("ansible_facts", {})
        faults = {str(host): str(text) for host, text in (facts.get("phoenix_faults") or {}).items()}
        observed = facts.get("phoenix_observed") or {}
        due = [str(host) for host in (facts.get("phoenix_due") if hosts is None else hosts) or ()]
        sound = [host for host in due if host not in faults]
        if hosts is None:
            needed = {
                str(host)
                for item in options.get("downloads") or ()
                for host in item.get("ctids") or ()
                if host in sound
            }
            answer = self._execute(options, node, task_vars) if needed else {}
            for problem in answer.pop("problems", None) or ():
                for host in problem.get("ctids") or ():
                    faults.setdefault(str(host), f"Container {host} is not touched: {problem['msg']}")
        else:
            options["containers"], own = self._candidates(sound, node, task_vars)
            needed = {str(item["ctid"]) for item in options["containers"]}
            answer = self._execute(self._completed(options, node, task_vars), node, task_vars) if needed else {}
            self._place(answer, [], task_vars)
            for pointer, text in own:
                host = pointer.rpartition("/")[2]
                faults[host] = f"Container {host} is not touched: {text}"
            faults.update(_texts(answer.get("findings") or ()))
        if answer.pop("failed", False) and not answer.get("findings"):
            # Nothing is known of any of them then.
            words = str(answer.get("msg") or answer.get("module_stderr") or "no answer").strip()
            faults.update({host: f"Container {host} is not touched: node {node}: {words}" for host in needed})
        for host in due:
            source = str((task_vars["hostvars"][host].get("phoenix_config") or {}).get("clone_from_ctid"))
            steps = ((observed.get(host) or {}).get("plan") or {}).get("steps") or ()
            if source in faults and any(step["kind"] == "clone" for step in steps):
                text = f"Container {host} is not touched: its clone source {source} has a fault, reported with it."
                faults[host] = f"{faults[host]}\n{text}" if host in faults else text
        # Each fault is printed once, by the container that it concerns.
        for key in ("msg", "exception"):
            answer.pop(key, None)
        result.update(answer)
        result["ansible_facts"] = {"phoenix_faults": faults}
        if hosts is not None:
            wanted_by = _templates(observed, [host for host in due if host not in faults])
            result["ansible_facts"]["phoenix_downloads"] = [
                {**item, "ctids": ctids}
                for item in answer.get("downloads") or ()
                if (ctids := wanted_by.get(f"{item['storage']}:vztmpl/{item['template']}"))
            ]

    def _completed(self, options: dict[str, Any], node: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The module's options with what the controller alone knows."""
        if any("servers" in item for item in options["containers"]):
            mine = {item["ctid"] for item in options["containers"]}
            options.setdefault("neighbors", self._neighbors(node, mine, task_vars["hostvars"]))
        options.setdefault("coming", sorted(set(coming(self._hypervisor(node, task_vars)))))
        return options

    def _execute(self, options: dict[str, Any], node: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The module's answer; a node that is lost meanwhile is a failed one."""
        options["run"] = run_identity()
        try:
            answer = self._answer(options, task_vars)
        except AnsibleConnectionFailure as error:
            answer = {"failed": True, "msg": f"it is unreachable: {error}"}
        if answer.pop("unreachable", False):
            answer["failed"] = True
        return dict(answer)

    def _answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The module's answer, by the API for a node that is reached by a token."""
        by_token = node_of(self, task_vars)
        if by_token is None:
            with payloads.kept(NAME):
                return dict(self._execute_module(module_name=NAME, module_args=options, task_vars=task_vars))
        dry = bool(self._task.check_mode)
        return by_token.fetch(options, dry) if options.get("downloads") else by_token.check(options, dry)

    def _candidates(
        self, hosts: Iterable[str], node: str, task_vars: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
        """The containers with something to do on the node, and what is wrong with a container's own description."""
        hostvars = task_vars["hostvars"]
        observed = hostvars[node].get("ansible_facts", {}).get("phoenix_observed") or {}
        found, faults = [], []
        for host in hosts:
            variables = own_variables.of_host(hostvars, host)
            plan = (observed.get(str(host)) or {}).get("plan")
            if plan is None:
                faults += self._fault(host, hostvars, list(hosts))
                continue
            gpu = self._gpu(variables, hostvars)
            on_node = any(entry["op"] in ON_NODE for step in plan["steps"] for entry in step["entries"])
            if plan.get("error") or on_node or gpu:
                config = dict(variables.get("phoenix_config") or {})
                item = {"ctid": variables.get("phoenix_ctid"), "config": config, "plan": plan, **gpu}
                outside = [ctid for ctid in config.get("dependencies") or () if str(ctid) not in hostvars]
                found.append({**item, "outside": outside} if outside else item)
        return found, faults

    def _gpu(self, variables: Mapping[str, Any], hostvars: Mapping[str, Any]) -> dict[str, Any]:
        """What the preflight must know of a container that takes memory of GPUs; empty for any other.

        With a server's key the node is asked even where only work inside the container is due.
        """
        config = variables.get("phoenix_config") or {}
        speaking = [server for server in _servers(variables) if server.speaks_of_gpus(config)]
        if not speaking:
            return {}
        names = [str(name) for name in config.get("features") or ()]
        needs = container_needs(names, search_of(variables), inherited(variables, hostvars))
        assigned = assignment(variables, hostvars)
        needed = vendors.of_classes(set(core_features.device_classes([needs], assigned)))
        if not needed:
            return {}
        servers = [server.to_json() for server in speaking]
        classes = sorted(vendor.device_class for vendor in needed)
        return {"assignment": assigned, "classes": classes, "servers": servers}

    def _neighbors(self, node: str, mine: Container[Any], hostvars: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The other containers of the file on this node that say what they take of their GPUs' memory."""
        found = []
        for host in hostvars:
            variables = hostvars.raw_get(host) if hasattr(hostvars, "raw_get") else hostvars[host]
            own_variables.check(variables)
            config, ctid = variables.get("phoenix_config") or {}, variables.get("phoenix_ctid")
            if not config or ctid in mine or str(variables.get("phoenix_node")) != node:
                continue
            shares = [share for share in (server.share(config) for server in _servers(variables)) if share is not None]
            if shares:
                found.append({"ctid": ctid, "share": sum(shares)})
        return found

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


def _servers(variables: Mapping[str, Any]) -> tuple[Server, ...]:
    """The servers whose keys a container can have."""
    names = (variables.get("phoenix_config") or {}).get("features") or ()
    return manifests.servers([str(name) for name in names], search_of(variables))


def _texts(findings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """{container: everything that is wrong with it}, from findings with their places."""
    lines: dict[str, list[str]] = {}
    for finding in findings:
        text = f"{finding.get('place') or ''}  {finding['text']}".strip()
        for ctid in finding["ctids"]:
            lines.setdefault(str(ctid), []).append(text)
    return {
        ctid: "\n".join([f"Preflight failed for container {ctid}; it is not touched.", "", *own, "", _count(len(own))])
        for ctid, own in lines.items()
    }


def _count(number: int) -> str:
    return f"{number} error{'' if number == 1 else 's'}"


def _templates(observed: Mapping[str, Any], hosts: Iterable[str]) -> dict[str, list[int]]:
    """{volume of a template: the containers that are created from it}."""
    found: dict[str, list[int]] = {}
    for host in hosts:
        for step in ((observed.get(host) or {}).get("plan") or {}).get("steps") or ():
            for entry in step.get("entries") or ():
                volume = (entry.get("params") or {}).get("ostemplate")
                if volume:
                    found.setdefault(str(volume), []).append(int(host))
    return found


def coming(config: Mapping[str, Any]) -> Iterator[str]:
    """The names of storages, bridges and folders that the hypervisor's configuration makes."""
    yield from (str(row["storage"]) for row in hoststorage.storages(config))
    for row in hoststorage.datasets(config):
        yield hoststorage.folder(config, row["name"])
    interfaces = (config.get("network") or {}).get("interfaces") or ()
    for item in [interfaces] if isinstance(interfaces, Mapping) else interfaces:
        if item.get("name"):
            yield str(item["name"])
    yield from subids.coming(config.get("subids") or ())
    if (config.get("model_store") or {}).get("path"):
        yield str(config["model_store"]["path"])
    for volume in (config.get("shared_volumes") or {}).values():
        yield str(volume.get("host_path"))
