# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fetches the templates that the preflight found missing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, Protocol

from ..._core.container import summary
from ..._core.container.model import Entry, Plan, Step
from ..._core.preflight import judgement
from ..._core.pve.storagecfg import Storage
from ..audit import Audit
from ..failure import NodeError
from ..pve.client import Client, PveError
from ..pve.tasks import is_upid, log_tail, wait_task


class Source(Protocol):
    """The templates of a node."""

    node: str

    @property
    def client(self) -> Client:
        """The control plane."""

    def storages(self) -> dict[str, Storage]:
        """The storages by name."""

    def templates(self, storage: Storage) -> Mapping[str, int] | None:
        """The templates of a storage with their sizes in bytes; None where they can't be listed."""


def fetch(
    gatherer: Source,
    items: Sequence[Mapping[str, Any]],
    audit: Audit,
    timeout: float,
    check: bool,
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """Download what is named; in check mode return the calls. Raises NodeError with all that failed."""
    steps = [judgement.download(gatherer.node, item["storage"], item["template"]) for item in items]
    plan = Plan(state="", steps=tuple(steps))
    journal = [entry.as_dict() for step in steps for entry in step.entries]
    problems = []
    if not check:
        journal = []
        downloads = Downloads(gatherer, audit, timeout)
        for item, step in zip(items, steps):
            try:
                made, warnings = downloads.run([step])
            except PveError as error:
                problems.append({**item, "msg": f"the download of {item['template']} failed: {error}"})
                continue
            journal += made
            for warning in warnings:
                warn(warning)
    lines = summary.summary(plan)
    diff = [{"prepared": "\n".join([f"node {gatherer.node}:", *lines]) + "\n"}] if lines else []
    result: dict[str, Any] = {"changed": bool(journal), "plan": plan.as_dict(), "journal": journal, "diff": diff}
    if problems:
        raise NodeError("\n".join(item["msg"] for item in problems), problems=problems, **result)
    return result


class Downloads:
    """Fetches templates, each once: one that exists meanwhile is left, one that an earlier run fetches is awaited."""

    def __init__(self, gatherer: Source, audit: Audit, timeout: float) -> None:
        self._gatherer = gatherer
        self._audit = audit
        self._timeout = timeout

    def run(self, steps: Iterable[Step]) -> tuple[list[dict[str, Any]], list[str]]:
        """(journal, warnings). Raises PveError when a download fails."""
        journal: list[dict[str, Any]] = []
        warnings: list[str] = []
        for step in steps:
            for entry in step.entries:
                storage, template = str(entry.params["storage"]), str(entry.params["template"])
                event = f"download {storage}:vztmpl/{template}"
                started = time.monotonic()
                self._audit.write(None, event, "begin")
                try:
                    made, told = self._fetch(entry, storage, template)
                except PveError as error:
                    seconds = time.monotonic() - started
                    self._audit.write(None, event, "failed", seconds, "ERROR", {"error": str(error)[:2000]})
                    raise
                self._audit.write(None, event, "ok", time.monotonic() - started)
                warnings += told
                if made:
                    journal.append(entry.as_dict())
        return journal, warnings

    def _fetch(self, entry: Entry, storage: str, template: str) -> tuple[bool, list[str]]:
        client, node = self._gatherer.client, self._gatherer.node
        warnings: list[str] = []
        upid = self._under_way(template)
        if upid is not None:
            warnings = wait_task(client, node, upid, "the download of an earlier run", self._timeout)
        if self._there(storage, template):
            return False, warnings
        if entry.call is None:
            return False, warnings
        answer = client.request(entry.call.method, entry.call.path, entry.call.params)
        if is_upid(answer):
            warnings += wait_task(client, node, answer, f"{entry.what} ({template})", self._timeout)
        return True, warnings

    def _there(self, storage: str, template: str) -> bool:
        described = self._gatherer.storages().get(storage)
        return described is not None and template in (self._gatherer.templates(described) or {})

    def _under_way(self, template: str) -> str | None:
        """The worker that fetches this template already. Its UPID doesn't name it, the first line of its log does."""
        client, node = self._gatherer.client, self._gatherer.node
        query = {"source": "active", "typefilter": "download"}
        for task in client.request("GET", f"/nodes/{node}/tasks", query) or ():
            upid = str(task.get("upid"))
            if any(template in line for line in log_tail(client, node, upid)):
                return upid
        return None
