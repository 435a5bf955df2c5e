# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first task of every playbook: everything that can be known to be wrong before a node is asked, in one report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.role_declarations import host_roles
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import show
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import extra_variables, runvariables
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container import steered
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.in_play import in_play
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.wanted import search_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.skipped_tags import features_with
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import plan_file, this_run
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import controller, polling

# Tags that Ansible gives a meaning.
_EVERY = frozenset(("all", "tagged", "untagged", "never"))
_NO_INVENTORY = (
    "the inventory has neither nodes nor containers of phoenix.hypervisor. Name the inventory source, for example "
    "-i inventory/phoenix.yml; it is a YAML file with the line 'plugin: phoenix.hypervisor.phoenix'"
)

# The process that runs the play loads the action plugins itself, and every playbook calls this one first. Only a file
# can set it otherwise, and users of an installed collection need not have one.
polling.relax()


class ActionModule(ActionBase):
    """Runs on the controller alone. Leaves the containers in play, by node, as the fact C(phoenix_fleet)."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fail with the whole report, or return without a word."""
        variables = task_vars or {}
        result = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec({"files": {"type": "bool", "default": True}})
        orders: set[str] = set()
        merged: list[str] = []
        if args["files"] and "hostvars" in variables:
            reach = str(self._templar.template(variables.get("phoenix_missing_node")) or "") == "reach"
            hosts = variables.get("ansible_play_hosts_all") or ()
            fleet = in_play(hosts, variables["hostvars"], variables.get("groups") or {}, reach)
            if fleet.foreign:
                result.update(failed=True, changed=False, msg="\n".join(fleet.foreign))
                return result
            orders, merged = fleet.orders, fleet.merged
            result["ansible_facts"] = {"phoenix_fleet": fleet.as_fact()}
        reported = str(variables.get("phoenix_config_report") or "") if args["files"] else ""
        groups = variables.get("groups") or {}
        values, wrong = self._variables(variables, groups, orders)
        errors = [_line(error) for error in wrong]
        lacks = [str(lack) for lack in controller.lacks()]
        empty = not reported and not groups.get("containers") and not groups.get("hypervisors")
        parts = [
            reported,
            _section("Variables of the run:", errors),
            _section("The controller lacks what this run needs:", lacks),
            _section("", [_NO_INVENTORY] if empty else []),
            _section("", [_two_sources(merged)] if merged and not reported else []),
        ]
        found = [part for part in parts if part]
        result.update(changed=False, variables=values)
        if found:
            if not reported:
                found.insert(0, "The run can't begin; nothing was touched.")
            result.update(failed=True, msg="\n\n".join(found))
        return result

    def _variables(
        self, variables: Mapping[str, Any], groups: Mapping[str, Any], orders: Iterable[str]
    ) -> tuple[dict[str, Any], list[runvariables.RunVariableError]]:
        """The variables that were given to the run, without secrets, and what is wrong with them."""
        values, found = {}, []
        for name in runvariables.BY_NAME:
            if name not in variables:
                continue
            try:
                values[name] = self._templar.template(variables[name])
            except AnsibleError as error:
                words = " ".join(str(error).split())
                found.append(runvariables.RunVariableError(name, f"a template that fails ({words})", "a value", ""))
        found += runvariables.faults(values)
        given = load_extra_vars(self._loader)
        found += extra_variables.faults(given)
        found += _lasting(orders, given)
        found += _unknown(values, {str(host) for host in groups.get("containers") or ()})
        found += steered.faults(values, variables)
        found += self._tags(variables)
        if found:
            return {}, found
        read = {name: runvariables.value_of(name, value) for name, value in values.items()}
        found = _unreported(read)
        return {
            name: value for name, value in read.items() if value is not None and not runvariables.BY_NAME[name].secret
        }, found

    def _tags(self, variables: Mapping[str, Any]) -> list[runvariables.RunVariableError]:
        """What is wrong with the tags of this run, such as those of tasks that a feature would be applied without."""
        run, tags = ([str(tag) for tag in variables.get(f"ansible_{name}_tags") or ()] for name in ("run", "skip"))
        if run == ["all"] and not tags:
            return []  # none was given: the declarations of the roles need not be read
        known = {"containers", "hypervisor", *(role.name for role in host_roles()), *self._task.tags}
        if not known.union(_EVERY).intersection(run):
            shown = ", ".join(sorted(run))
            self._display.warning(f"no play of phoenix.hypervisor has a tag of this run ({shown}), so it does nothing")
        wrong = [
            *extra_variables.mistyped("--tags", run, known),
            *extra_variables.mistyped("--skip-tags", tags, known),
        ]
        features = steered.features_in_play(variables) if tags else []
        remedy = "Leave it out: the feature would be recorded as applied without these tasks."
        return wrong + [
            runvariables.RunVariableError(
                "--skip-tags", f"{tag}, a tag in feature {', '.join(names)}", "no tag of a feature", remedy
            )
            for tag, names in features_with(tags, features, search_of(variables), self._loader).items()
        ]


def _unreported(values: Mapping[str, Any]) -> list[runvariables.RunVariableError]:
    """Why the plan that the run is asked for could not be gathered or written at its end."""
    found = []
    path, asked = values.get("phoenix_plan_file"), values.get("phoenix_fail_on_changes")
    if (path or asked) and this_run.gathered() is None:
        name = "phoenix_plan_file" if path else "phoenix_fail_on_changes"
        got = "a run without the callback phoenix.hypervisor.phoenix_plan"
        remedy = "Add it to callbacks_enabled in ansible.cfg, or to ANSIBLE_CALLBACKS_ENABLED."
        found.append(runvariables.RunVariableError(name, got, "the callback to be enabled", remedy))
    problem = plan_file.problem(path) if path else ""
    if problem:
        remedy = "Name a file in an existing folder that this user may write to."
        got = f"{show(('phoenix_plan_file',), path)} ({problem})"
        found.append(runvariables.RunVariableError("phoenix_plan_file", got, "a file that can be written", remedy))
    return found


def _lasting(orders: Iterable[str], given: Iterable[str]) -> list[runvariables.RunVariableError]:
    """Orders to destroy that are in a file of variables."""
    remedy = "Remove it there, and give it with -e to the run that is to destroy."
    got, expected = "a value from the inventory, group_vars, host_vars or a play", "an extra variable of one run"
    return [runvariables.RunVariableError(name, got, expected, remedy) for name in sorted(set(orders) - set(given))]


def _unknown(values: Mapping[str, Any], containers: set[str]) -> list[runvariables.RunVariableError]:
    """CTIDs to recreate, to forget something of or to take a new key of that are no containers of the inventory."""
    return [
        error
        for name in ("phoenix_recreate_ctids", "phoenix_forget_ctids", "phoenix_new_host_key_ctids")
        for error in _no_ctids(name, values, containers)
    ]


def _no_ctids(name: str, values: Mapping[str, Any], containers: set[str]) -> list[runvariables.RunVariableError]:
    try:
        named = [str(ctid) for ctid in runvariables.value_of(name, values.get(name), [])]
    except runvariables.RunVariableError:
        return []  # reported already
    strange = [ctid for ctid in named if ctid not in containers]
    if not strange:
        return []
    got = f"{', '.join(strange)}, which the inventory does not have as a container"
    return [runvariables.RunVariableError(name, got, "CTIDs of the inventory", "Name exact CTIDs, such as 950,951.")]


def _two_sources(merged: list[str]) -> str:
    """The report for an inventory that was merged of two sources."""
    some = ", ".join(merged[:5]) + (f" and {len(merged) - 5} more" if len(merged) > 5 else "")
    return (
        f"the inventory holds two sources of phoenix.hypervisor: the nodes that it knows for containers {some}, or the "
        "containers that it knows for their nodes, are those of the other source; expected one source in an inventory. "
        "Keep each source in an inventory of its own, or put the containers into one file and all nodes into one source"
    )


def _line(error: runvariables.RunVariableError) -> str:
    text = f"{error.name}  got {error.got}, expected {error.expected}"
    text += f"  remedy: {error.remedy}" if error.remedy else ""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _section(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    return "\n".join([*([title] if title else []), *lines])
