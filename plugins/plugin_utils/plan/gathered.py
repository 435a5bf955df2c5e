# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would change, or has changed, gathered from the results of its tasks. Pure.

Values are taken over, never texts: what the planner returns of a container, and what the modules of the node return of
their changes. Results that came from inside a container count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..untrusted.shown_text import printable

OWN = "phoenix.hypervisor."
OBSERVES = "phoenix.hypervisor.phoenix_lxc_info"
DRIVES = "phoenix.hypervisor.phoenix_lxc_state"
PREPARES = "phoenix.hypervisor.phoenix_preflight"
CHECKS = "phoenix.hypervisor.phoenix_check"
RECORDS = "phoenix.hypervisor.phoenix_feature"

#: What a result of a node's task says of its change, where it is a value: calls, files, packages, accounts, items.
TOLD = ("calls", "written", "removed", "missing", "set", "gone", "models", "path", "file", "image")

MESSAGE_LIMIT = 2000


@dataclass
class Subject:
    """A node or a container: what is changed of it, and what failed."""

    node: str = ""
    name: str = ""
    previous_state: str = ""
    state: str = ""
    entries: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refusal: dict[str, Any] | None = None
    failures: list[str] = field(default_factory=list)


@dataclass
class Gathered:
    """Everything of a run so far.

    Attributes:
        dry: whether it is a dry run, whose entries are predictions.
        variables: the checked variables of the run.
    """

    dry: bool = False
    variables: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Subject] = field(default_factory=dict)
    containers: dict[str, Subject] = field(default_factory=dict)

    def changes(self) -> int:
        """How many entries there are."""
        return sum(len(one.entries) for one in (*self.nodes.values(), *self.containers.values()))

    def subject(self, host: str, is_container: bool) -> Subject:
        """The node or container of that name."""
        return (self.containers if is_container else self.nodes).setdefault(host, Subject())

    def take_checked(self, data: Mapping[str, Any]) -> None:
        """The run's variables, as the first task has checked them."""
        given = data.get("variables")
        if isinstance(given, Mapping):
            self.variables.update(given)

    def take_observed(self, node: str, data: Mapping[str, Any]) -> None:
        """The plans that the observation of a node returned, of the containers without work too."""
        self.nodes.setdefault(node, Subject())
        facts = data.get("ansible_facts") or {}
        for ctid, seen in (facts.get("phoenix_observed") or {}).items():
            container = self.containers.setdefault(str(ctid), Subject())
            container.node = node
            container.name = str(seen.get("name") or "")
            plan = seen.get("plan")
            if isinstance(plan, Mapping):
                self._planned(container, plan)
        for ctid in facts.get("phoenix_faults") or {}:
            self.containers.setdefault(str(ctid), Subject()).node = node

    def take_driven(self, ctid: str, node: str, data: Mapping[str, Any]) -> None:
        """What the module that drives a container returned."""
        container = self.containers.setdefault(ctid, Subject())
        container.node = container.node or node
        plan = data.get("plan")
        if isinstance(plan, Mapping) and not container.entries:
            self._planned(container, plan)
        if data.get("state"):
            container.state = str(data["state"])
        container.entries += _entries(data)

    def take_recorded(self, ctid: str, data: Mapping[str, Any]) -> None:
        """What the module of the ledger has written; a dry run has predicted it with the container's plan."""
        if not self.dry:
            self.containers.setdefault(ctid, Subject()).entries += _entries(data)

    def take_prepared(self, node: str, data: Mapping[str, Any]) -> None:
        """What was downloaded onto a node."""
        self.nodes.setdefault(node, Subject()).entries += _entries(data)

    def take_task(self, node: str, task: str, action: str, data: Mapping[str, Any]) -> None:
        """A task of a node's set-up that changed something."""
        params = {key: data[key] for key in TOLD if data.get(key)} if action.startswith(OWN) else {}
        items = data.get("results")
        if isinstance(items, list):
            params["items"] = sum(1 for item in items if isinstance(item, Mapping) and item.get("changed") is True)
        if "censored" in data:
            params = {}
        entry = {"op": "task", "what": task, "action": action, "params": params}
        self.nodes.setdefault(node, Subject()).entries.append(entry)

    def take_failure(self, host: str, is_container: bool, data: Mapping[str, Any]) -> None:
        """Why a task failed, as its reader sees it."""
        message = data.get("msg")
        text = printable(message, MESSAGE_LIMIT) if isinstance(message, str) and "censored" not in data else "hidden"
        self.subject(host, is_container).failures.append(text)

    def _planned(self, container: Subject, plan: Mapping[str, Any]) -> None:
        container.previous_state = str(plan.get("state") or "")
        container.state = str(plan.get("final_state") or "") if self.dry else container.previous_state
        container.waiting = [str(item) for item in plan.get("waiting") or ()]
        container.notes = [str(item) for item in plan.get("notes") or ()]
        container.refusal = dict(plan["refusal"]) if plan.get("refusal") else None


def items_of(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The results of a task's items, or the result itself."""
    items = data.get("results")
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, Mapping))
    else:
        yield data


def delegated_to(data: Mapping[str, Any]) -> str:
    """The host that a result was delegated to, '' without delegation."""
    told = data.get("_ansible_delegated_vars")
    return str(told.get("ansible_delegated_host") or "") if isinstance(told, Mapping) else ""


def _entries(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    journal = data.get("journal")
    return [dict(entry) for entry in journal if isinstance(entry, Mapping)] if isinstance(journal, list) else []
