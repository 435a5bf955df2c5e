# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observes a node for all containers in play at once, and reports which of them have work to do."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container import demanded
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.read_once import HostsReadOnce, many_hosts
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.wanted import templates_of, wanted
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import packed, payloads
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import this_run
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.access import entry_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.nodes import node_of

NAME = "phoenix.hypervisor.phoenix_lxc_info"


class ActionModule(ActionBase):
    """With C(in_play) the module's C(containers) are made from the variables of the node's containers in play.

    The playbook says by its variables whether it acts, or explains: an expression in the task would load Ansible's
    filters, in a run that has nothing to do.

    What is wrong with one container is the fact C(phoenix_faults) by its name, and a node that can't be reached is a
    fault of each of its containers: neither ends the task, so that all other containers go on.

    With C(destroy) (CTIDs) the plans are those of their removal, and a node that can't be reached answers C(lost).
    """

    TRANSFERS_FILES = False
    _acts = False  # whether changes follow this observation

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once for the node."""
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        options = dict(self._task.args)
        is_play = bool(options.pop("in_play", False))
        hosts = self._hosts_in_play(task_vars) if is_play else None
        _ensure_checked(is_play and hosts is None, str(task_vars.get("phoenix_config_report") or ""))
        if "destroy" in options:
            confirm = [int(ctid) for ctid in options.pop("destroy")]
            options["containers"] = [
                {"ctid": ctid, "state": "absent", "config": {}, "confirm": confirm} for ctid in confirm
            ]
            result.update(self._observe(options, task_vars), node_asked=str(self._task.delegate_to))
            return result
        if hosts is None:
            result.update(self._answer(options, task_vars))
            self._host_is_left(result, task_vars)
            return result
        acts, explain = (
            self._templar.template(task_vars.get(name, False)) for name in ("phoenix_acts", "phoenix_explain")
        )
        options.update(brief=acts, explain=explain)
        self._acts = bool(acts)
        if acts:
            given = self._templar.template(task_vars.get("phoenix_credential"))
            options["preflight"] = {"credential": runvariables.value_of("phoenix_credential", given, "root@pam")}
        result.update(self._of_hosts(hosts, options, task_vars))
        return result

    def _hosts_in_play(self, task_vars: dict[str, Any]) -> list[str] | None:
        """The containers in play of the node by their names, None where no task has found that out."""
        facts = task_vars["hostvars"].raw_get("localhost").get("ansible_facts") or {}
        nodes = (facts.get("phoenix_fleet") or {}).get("nodes") or {}
        hosts = nodes.get(str(self._task.delegate_to))
        return None if hosts is None else [str(host) for host in hosts]

    def _of_hosts(self, mine: list[str], options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The answer for containers by their names, with the facts of the node; one without due work costs little."""
        node = str(self._task.delegate_to)
        result: dict[str, Any] = {}
        faults: dict[str, str] = {}
        options["containers"] = []
        preflight = options.get("preflight")
        needs: list[dict[str, Any]] = []
        sources: dict[str, str] = {}
        if this_run.reports():
            options["brief"] = False  # the plan of a run has the containers without work too
        once = HostsReadOnce(task_vars["hostvars"])
        with many_hosts():
            for host in mine:
                try:
                    item = self._wanted(host, mine, once, task_vars["hostvars"])
                except AnsibleError as error:
                    faults[host] = f"Container {host} is not touched: {error}"
                    continue
                options["containers"].append(item)
                if preflight is not None:
                    needs.append(demanded.needs(once[host], once, bool(item["classes"])))
                    sources[host] = demanded.source_of(once[host])
        if preflight is not None:
            options["preflight"] = self._completed(preflight, [need for need in needs if need], node, task_vars)
        observed = self._observe(options, task_vars)
        lost = observed.get("lost", "")
        # Once, as the fact: a result goes through each callback, and a fleet's is large.
        by_ctid = observed.pop("containers", {})
        result.update(observed)
        for host in mine:
            why = by_ctid.get(host, {}).get("error")
            if lost:
                faults[host] = f"Container {host} is not touched: {lost}"
            elif why:
                faults[host] = f"Container {host} is not touched: it can't be observed on node {node} ({why})"
        due = [host for host in mine if host in faults or by_ctid.get(host, {}).get("due")]
        facts: dict[str, Any] = {"phoenix_due": due, "phoenix_faults": faults, "phoenix_observed": by_ctid}
        if preflight is not None:
            checked = result.pop("preflight", None) or {}
            facts["phoenix_downloads"] = self._checked(checked, node, facts, sources, task_vars)
        result["ansible_facts"] = facts
        return result

    def _checked(
        self,
        checked: dict[str, Any],
        node: str,
        facts: dict[str, Any],
        sources: dict[str, str],
        task_vars: dict[str, Any],
    ) -> list[Any]:
        """Add to the faults what the check of the node has found, and return the templates to download."""
        faults, due, observed = facts["phoenix_faults"], facts["phoenix_due"], facts["phoenix_observed"]
        demanded.place(checked, self._loader, task_vars.get("phoenix_config_file"))
        faults.update({host: text for host, text in demanded.faults(checked, node).items() if host not in faults})
        demanded.with_clones(faults, due, sources, observed)
        sound = [host for host in due if host not in faults]
        return demanded.downloads(checked.get("downloads") or (), observed, sound)

    def _completed(
        self, preflight: dict[str, Any], needs: list[dict[str, Any]], node: str, task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        """What the check is asked with, beside the containers."""
        servers = any("servers" in need for need in needs)
        config = task_vars["hostvars"][node].get("phoenix_hypervisor_config") or {}
        return {
            "needs": needs,
            "neighbors": demanded.neighbors(node, task_vars["hostvars"]) if servers else [],
            "coming": sorted(set(demanded.coming(config))),
            **preflight,
        }

    def _wanted(self, host: str, in_play: list[str], once: HostsReadOnce, hostvars: Any) -> dict[str, Any]:
        """One element of ``containers``, from the variables of that host."""
        return wanted(once[host], templates_of(self._templar, hostvars), self._loader, once, in_play)

    def _answer(self, options: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """The module's answer, by the API for a node that is reached by a token."""
        by_token = node_of(self, task_vars or {})
        if by_token is None:
            packed.keep()  # what the roles of the node have used before
            with payloads.kept(NAME):
                answer: dict[str, Any] = self._execute_module(
                    module_name=NAME, module_args=options, task_vars=task_vars
                )
            return answer
        acts = self._acts and not self._task.check_mode
        return by_token.survey(options, acts=acts, dry=bool(self._task.check_mode))

    def _host_is_left(self, result: dict[str, Any], task_vars: dict[str, Any]) -> None:
        """A node that is reached by a token is not configured: a dry run says so, and a real one fails."""
        config = task_vars.get("phoenix_hypervisor_config") or {}
        sections = sorted(str(key) for key in config if not str(key).startswith("$"))
        if result.get("failed") or not sections or entry_of(task_vars) is None:
            return
        text = (
            f"node {task_vars.get('inventory_hostname')} is reached by an API token, so its own configuration is not "
            f"compared and not changed ({', '.join(sections)} of hypervisor_config.json): that needs root over SSH"
        )
        if self._task.check_mode:
            self._display.warning(text)
        else:
            remedy = "Run the playbook containers, or remove the entry api of the node from the inventory source."
            result.update(failed=True, msg=f"{text}. {remedy}")

    def _observe(self, options: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """The module's answer; of a node that can't be observed, why."""
        node = str(self._task.delegate_to)
        try:
            answer = self._answer(options, task_vars)
        except AnsibleConnectionFailure as error:
            return {"changed": False, "lost": f"node {node} is unreachable: {_words(error)}"}
        if answer.get("unreachable"):
            return {"changed": False, "lost": f"node {node} is unreachable: {_words(answer.get('msg'))}"}
        if answer.get("failed"):
            said = (answer.get("msg"), answer.get("module_stderr"))
            detail = " ".join(_words(text) for text in said if text) or "no answer"
            return {"changed": False, "lost": f"node {node} can't be observed: {detail}"}
        return answer


def _ensure_checked(unchecked: bool, report: str) -> None:
    """Fail with the report about the configuration, as the first task of the playbook does, unless that is skipped."""
    if report:
        raise AnsibleActionFail(report)
    if unchecked:
        raise AnsibleActionFail(
            "the first task of the playbook, which checks the configuration, did not run; nothing was done. Run "
            "without --start-at-task, and without 'always' in --skip-tags"
        )


def _words(text: object) -> str:
    """A message on one line, of a length that a person reads for each container."""
    line = " ".join(str(text or "no answer").split())
    return line if len(line) <= 500 else line[:497] + "..."
