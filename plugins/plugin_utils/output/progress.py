# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has done so far: from results of tasks to lines. Pure: times come from the caller."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.summary import summary
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.output import wording

BEGIN = "phoenix.hypervisor.phoenix_feature"
STATE = "phoenix.hypervisor.phoenix_lxc_state"
LINEAGE = "phoenix.hypervisor.phoenix_lineage"
OBSERVE = "phoenix.hypervisor.phoenix_lxc_info"
_INSIDE = frozenset({"feature", "application", "health", "update"})
"""Steps of a plan that the play makes inside the container: the node's module ends before them."""
_QUIET = frozenset({"complete", "record"})
"""Steps that only note something."""


@dataclass
class Step:
    """A step of one container that is under way."""

    label: str
    since: float
    changes: int = 0


@dataclass
class Failure:
    """What went wrong on one host, by its first and its last message."""

    who: str
    host: str
    task: str
    step: str
    message: list[str]
    of_run: bool = False
    unreachable: bool = False


@dataclass
class Counts:
    """The containers of a run by what became of them."""

    observed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    due: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)


class Progress:
    """The events of a run in, lines out."""

    def __init__(self, check: bool = False, diff: bool = False) -> None:
        self.check, self.diff = check, diff
        self.order: list[str] = []
        self.steps: dict[str, Step] = {}
        self.tasks: dict[str, tuple[str, float]] = {}
        self.names: dict[str, str] = {}
        self.plans: dict[str, Mapping[str, Any]] = {}
        self.failures: dict[str, Failure] = {}
        self.counts = Counts()
        self.hosts: set[str] = set()
        self.changed_hosts: set[str] = set()
        self.waits: dict[str, str] = {}

    def who(self, host: str) -> str:
        """A host as people know it: a container with its name."""
        name = self.names.get(host, "")
        return f"{host} {name}".strip()

    # ---------------------------------------------------------------- events
    def began(self, host: str, name: str | None, task: str, now: float, source: str = "") -> list[str]:
        """A task begins. ``name`` is the container's, None for a host that is none; ``source`` what it waits for."""
        if name is None:
            self.hosts.add(host)
        elif host not in self.order:
            self.names[host] = wording.one_line(name, 63)
            self.order.append(host)
        self.tasks[host] = (wording.one_line(task), now)
        if not source or host in self.waits:
            return []
        self.waits[host] = f"waits for {self.who(source)}"
        return [wording.step_line(self.who(host), self.waits[host])]

    def ended(self, host: str, action: str, result: Mapping[str, Any], now: float, own: bool) -> list[str]:
        """A task is done. ``own``: its result is that of a module of this collection on a node."""
        task, since = self.tasks.pop(host, ("", now))
        changed = bool(result.get("changed"))
        kind = action if own else ""
        if host not in self.names:
            return self._of_host(host, task, since, changed, kind, result, now)
        if changed:
            self.counts.changed.add(host)
        if kind == OBSERVE:
            return []
        if result.get("outcome") != "waiting" or kind != LINEAGE:
            self.waits.pop(host, None)
        if kind == STATE:
            return self._of_state(host, result, since, now)
        if kind == BEGIN:
            name = result.get("name") or result.get("kind") or ""
            return self._of_feature(host, str(result.get("operation")), name, now)
        step = self.steps.get(host)
        if step is not None:
            step.changes += changed
            return []
        return [wording.step_line(self.who(host), task, now - since)] if changed and not self.check else []

    def observed(self, results: Any) -> None:
        """What the nodes were observed to have: results of phoenix_lxc_info, one a node."""
        for item in results if isinstance(results, list) else [results]:
            facts = item.get("ansible_facts") if isinstance(item, Mapping) else None
            if not isinstance(facts, Mapping) or "phoenix_observed" not in facts:
                continue
            self.counts.due.update(map(str, facts.get("phoenix_due") or ()))
            self.counts.lost.update({str(k): str(v) for k, v in (facts.get("phoenix_faults") or {}).items()})
            for ctid, seen in (facts.get("phoenix_observed") or {}).items():
                self.counts.observed[str(ctid)] = seen
                name = seen.get("name") or seen.get("hostname")
                if name and str(ctid) not in self.names:
                    self.names[str(ctid)] = wording.one_line(name, 63)
                self._note(str(ctid), seen.get("plan") or {}, seen)

    def failed(self, host: str, task: str, result: Mapping[str, Any], now: float, **flags: bool) -> list[str]:
        """A task failed. What a rescue says of the failure before it replaces its message and keeps its place."""
        self.tasks.pop(host, None)
        self.waits.pop(host, None)
        step = self.steps.pop(host, None)
        before = self.failures.get(host)
        message = wording.messages(result)
        if before is not None and flags.get("by_rescue"):
            told = "\n".join(message)
            kept = [line for text in before.message for line in text.splitlines() if line.strip() not in told]
            before.message = [*message, *(["\n".join(kept)] if kept else [])] if message else before.message
            return []
        who = "the run" if flags.get("of_run") else self.who(host)
        label = step.label if step else ""
        self.failures[host] = Failure(
            who,
            host,
            wording.one_line(task),
            label,
            message,
            flags.get("of_run", False),
            flags.get("unreachable", False),
        )
        word = "unreachable" if flags.get("unreachable") else "FAILED"
        return [
            wording.step_line(who, f"{label or wording.one_line(task)}  {word}", now - step.since if step else None)
        ]

    # ---------------------------------------------------------------- parts
    def _of_host(
        self, host: str, task: str, since: float, changed: bool, kind: str, result: Mapping[str, Any], now: float
    ) -> list[str]:
        if kind == OBSERVE or not changed:
            return []
        self.changed_hosts.add(host)
        word = "would change" if self.check else "changed"
        return [wording.step_line(self.who(host), f"{task}  {word}", now - since)]

    def _of_state(self, host: str, result: Mapping[str, Any], since: float, now: float) -> list[str]:
        plan = result.get("plan") or {}
        self._note(host, {**plan, "waiting": result.get("waiting") or plan.get("waiting") or ()}, {})
        lines = self._of_feature(host, "record", result["recorded"], now) if result.get("recorded") else []
        if self.check:
            if plan:
                self.plans.setdefault(host, plan)
        else:
            lines += self._of_plan(host, plan, result, now - since)
        return [*lines, *(self._of_feature(host, "begin", result["begun"], now) if result.get("begun") else [])]

    def _of_plan(self, host: str, plan: Mapping[str, Any], result: Mapping[str, Any], seconds: float) -> list[str]:
        journal = result.get("journal") or ()
        kinds = [str(step.get("kind")) for step in plan.get("steps") or ()]
        before = itertools.takewhile(lambda kind: kind not in _INSIDE, kinds)
        made = [kind for kind in before if kind not in _QUIET]
        if not journal or not made:
            return []
        return [wording.step_line(self.who(host), ", ".join(dict.fromkeys(made)), seconds)]

    def _of_feature(self, host: str, operation: str, name: object, now: float) -> list[str]:
        label = wording.one_line(name, 60)
        if operation == "begin":
            self.steps[host] = Step(label, now)
        elif operation == "record" and host in self.steps:
            step = self.steps.pop(host)
            more = f", {step.changes} changes" if step.changes > 1 else ", 1 change" if step.changes else ""
            word = "would be applied" if self.check else "applied"
            return [wording.step_line(self.who(host), f"{step.label}  {word}{more}", now - step.since)]
        return []

    def _note(self, ctid: str, plan: Mapping[str, Any], seen: Mapping[str, Any]) -> None:
        (self.counts.waiting.add if plan.get("waiting") else self.counts.waiting.discard)(ctid)
        if seen.get("held"):
            self.counts.held.add(ctid)

    # ---------------------------------------------------------------- ends
    def plan_lines(self) -> list[str]:
        """The plans of a dry run in the order of the play, which is that of the lineage; with --diff every call."""
        lines: list[str] = []
        for host in [host for host in self.order if host in self.plans]:
            plan = self.plans.pop(host)
            head = f"{self.who(host)}: {plan.get('state')} -> {plan.get('final_state')}"
            lines.append(head)
            lines += [f"  {wording.clean(line)}" for line in summary(plan, calls=self.diff)]
        return lines

    def now_line(self, now: float) -> str:
        """What is under way, on one line."""
        parts = []
        for host, (task, since) in list(self.tasks.items()):
            step = self.steps.get(host)
            what = self.waits.get(host) or (f"{step.label}: {task}" if step else task)
            begun = step.since if step else since
            parts.append(f"{self.who(host)} {what} {wording.took(now - begun)}")
        return " | ".join(parts)
