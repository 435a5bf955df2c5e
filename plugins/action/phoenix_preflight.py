# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Completes phoenix_preflight on the controller: the plans of the containers, and what the host's own play makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import chosen
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container import demanded
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.wanted import templates_of, wanted
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import payloads
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.nodes import node_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.run_identity import run_identity
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import own_variables

NAME = "phoenix.hypervisor.phoenix_preflight"


class ActionModule(ActionBase):
    """With C(hosts) (inventory names of containers) the module's C(containers) are made of their observations.

    When none of them has anything to create or to change on the node, the node isn't asked at all.

    With C(downloads) and C(by_container) nothing fails here: what goes wrong is added to the fact C(phoenix_faults) of
    the node, for each container that needs the template, and the play fails those containers by name.
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
            self._fetch(result, node, options, task_vars)
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
        pointers = [pointer for pointer, _text in faults]
        demanded.place(result, self._loader, task_vars.get("phoenix_config_file"), pointers)
        if hosts is not None:
            result["ansible_facts"] = {"phoenix_downloads": result.get("downloads") or []}
        return result

    def _fetch(self, result: dict[str, Any], node: str, options: dict[str, Any], task_vars: dict[str, Any]) -> None:
        """Download for the containers without a fault; what goes wrong is a fault of those that need it."""
        facts = task_vars["hostvars"][node].get("ansible_facts", {})
        faults = {str(host): str(text) for host, text in (facts.get("phoenix_faults") or {}).items()}
        due = [str(host) for host in facts.get("phoenix_due") or ()]
        needed = {
            str(host)
            for item in options.get("downloads") or ()
            for host in item.get("ctids") or ()
            if str(host) in due and str(host) not in faults
        }
        answer = self._execute(options, task_vars) if needed else {}
        for problem in answer.pop("problems", None) or ():
            for host in problem.get("ctids") or ():
                faults.setdefault(str(host), f"Container {host} is not touched: {problem['msg']}")
        if answer.pop("failed", False):
            # Nothing is known of any of them then.
            words = str(answer.get("msg") or answer.get("module_stderr") or "no answer").strip()
            for host in needed:
                faults.setdefault(host, f"Container {host} is not touched: node {node}: {words}")
        hostvars = task_vars["hostvars"]
        sources = {host: demanded.source_of(hostvars[host]) for host in due}
        demanded.with_clones(faults, due, sources, facts.get("phoenix_observed") or {})
        # Each fault is printed once, by the container that it concerns.
        for key in ("msg", "exception"):
            answer.pop(key, None)
        result.update(answer)
        result["ansible_facts"] = {"phoenix_faults": faults}

    def _completed(self, options: dict[str, Any], node: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The module's options with what the controller alone knows."""
        if any("servers" in item for item in options["containers"]):
            options.setdefault("neighbors", demanded.neighbors(node, task_vars["hostvars"]))
        config = task_vars["hostvars"][node].get("phoenix_hypervisor_config") or {}
        options.setdefault("coming", sorted(set(demanded.coming(config))))
        return options

    def _execute(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
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
        seen, configs, needs, faults = {}, {}, [], []
        for host in map(str, hosts):
            variables = own_variables.of_host(hostvars, host)
            if (observed.get(host) or {}).get("plan") is None:
                faults += self._fault(host, hostvars, list(hosts))
                continue
            seen[host] = observed[host]
            configs[host] = dict(variables.get("phoenix_config") or {})
            needs.append(demanded.needs(variables, hostvars))
        return chosen(seen, configs, [need for need in needs if need]), faults

    def _fault(self, host: str, hostvars: Mapping[str, Any], in_play: list[str]) -> list[tuple[str, str]]:
        """Why a container could not even be planned for."""
        try:
            wanted(hostvars[host], templates_of(self._templar, hostvars), self._loader, hostvars, in_play)
        except AnsibleError as error:
            return [(f"/lxc_configs/{host}", str(error))]
        return []
