# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake node as a controller with an API token sees it: the same cases, driven over the API alone."""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path
from typing import Any

from fake_node import MUTATING, FakeNode

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote import notes
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import by_api
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.judgement import Facts
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api import api_survey
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api.api_place import ApiPlace
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api.notes_store import NotesStore
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.outcome import Outcome, on_container
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.access import ApiAccess
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.api_client import ApiClient

USER = "automation@pve"
TOKEN = f"{USER}!phoenix"
SECRET = "b4c9a7d2-only-in-the-source"
# Those of docs/token-access.md, and what pools and the HA manager need.
ROLES = {"/vms": "PVEVMAdmin", "/storage": "PVEDatastoreUser", "/sdn/zones/localnetwork": "PVESDNUser"}
MORE = {"/pool": ("Pool.Allocate", "Pool.Audit"), "/": ("Sys.Audit", "Sys.Console")}
_KEPT = re.compile(r"^#[^\n]*phoenix_hypervisor[^\n]*\n", re.MULTILINE)


class RefusedError(NodeError):
    """What a run by a token refuses before anything is touched."""


def plain(wanted: Wanted) -> Wanted:
    """A case without its inside, which is the same work whichever way the calls to Proxmox VE take."""
    source = plain(wanted.source) if wanted.source else None
    return dataclasses.replace(wanted, features=(), application=None, inherited=(), source=source)


class TokenNode(FakeNode):
    """What a node with the same name does, asked by a token that has the roles of the documentation."""

    renews = False

    def __init__(self, directory: Path, version: int, time_scale: float = 0.005) -> None:
        self._runs: list[str] = []
        super().__init__(directory, version, time_scale)
        self.pve.add_token(TOKEN, SECRET)
        self.grant()

    def grant(self) -> None:
        """Give user and token their roles."""
        self.pve.acl.clear()
        for who in (USER, TOKEN):
            for path, role in ROLES.items():
                self.pve.grant_role(who, path, role)
            for path, names in MORE.items():
                self.pve.grant(who, path, *names)

    def wipe(self) -> None:
        """A new node."""
        super().wipe()
        self._runs.clear()
        self.grant()

    def connect(self) -> Any:
        """A connection as the controller makes it."""
        made = ApiClient(ApiAccess("pve", "127.0.0.1", USER, "phoenix", SECRET, self.pve.port, self.fingerprint))
        self._clients.append(made)  # type: ignore[arg-type]  # both are closed
        return made

    def call(self, method: str, path: str, params: Any = None) -> Any:
        """A call of root."""
        before = list(self.pve.asked)
        answer = FakeNode.connect(self).request(method, path, params)
        self.run(self.pve.settled())
        self.pve.asked[:] = before
        return answer

    @functools.cached_property
    def _held(self) -> dict[str, dict[str, Any]]:
        return dict(self.connect().request("GET", "/access/permissions"))

    @property
    def store(self) -> Any:
        """What runs keep, in the descriptions."""
        return NotesStore(FakeNode.connect(self), "pve", {"id": "run-1"})

    def lose_record(self, ctid: int) -> None:
        """Remove the description, and what runs keep in it."""
        self.call("PUT", f"/nodes/pve/lxc/{ctid}/config", {"delete": "description"})

    def conf(self, ctid: int) -> str | None:
        """The text of a container's config without what runs keep in it."""
        text = super().conf(ctid)
        return None if text is None else _KEPT.sub("", text)

    def mutations(self) -> list[tuple[str, str, dict[str, str]]]:
        """What the control plane was asked to change, without what runs keep in descriptions."""
        return [call for call in map(_without_notes, super().mutations()) if call is not None]

    def settled_calls(self) -> list[Any]:
        """What a run without anything to do must not have called: to look it asks, and it writes nothing at all."""
        return [call for call in self.pve.asked if call[0] in MUTATING]

    def check(self, wanted: Wanted) -> Any:
        """Check mode."""
        return self.apply(wanted, check=True)

    def drive(self, wanted: Wanted, client: Any = None, **options: Any) -> tuple[list[dict[str, Any]], Any]:
        """A whole run for one container."""
        outcome = self.apply(wanted, client=client, **options)
        return outcome.journal, outcome

    def apply(self, wanted: Wanted, check: bool = False, client: Any = None, **options: Any) -> Any:
        """A run as the playbooks make it: the observation, the preflight, the changes."""
        wanted, asked = plain(wanted), len(self.pve.asked)
        run = wanted.run or "run-1"
        self._runs += [] if check or run in self._runs else [run]
        with on_container(wanted.ctid):
            about = {"id": run, "user": "me", "controller": "here", "pid": 1}
            place = ApiPlace((client or self.connect)(), "pve", about, self._runs, None, 1.0)
            looks = self._look(wanted, place)
            plan = looks.plan(wanted.ctid)
            if check:
                return Outcome(plan, plan, looks.of(wanted.ctid).seen)
            try:
                if not plan.error:
                    self._preflight(wanted, plan)
                folder = str(self.directory / "busy")
                settings = {"lock_wait": 1.0, "ready_timeout": 0.2, "password": self.password, **options}
                return api_survey.carry_out(place, looks, wanted.ctid, folder, **settings)
            except api_survey.BeyondTokenError as error:
                assert [call for call in self.pve.asked[asked:] if call[0] in MUTATING] == []
                raise RefusedError(str(error)) from error

    def _look(self, wanted: Wanted, place: ApiPlace) -> api_survey.Looks:
        looks = api_survey.Looks(place.observer.client, "pve", observer=place.observer)
        each: Wanted | None = wanted
        while each is not None:
            looks.look_at(each)
            each = each.source
        return looks

    def _preflight(self, wanted: Wanted, plan: Any) -> None:
        """Judge what the token may do: all else that the preflight asks for is another test's."""
        shown = plan.as_dict()
        items = [Candidate.from_options({"ctid": wanted.ctid, "config": dict(wanted.config), "plan": shown})]
        if not any(entry.op == "pve" for step in plan.steps for entry in step.entries):
            return
        facts = Facts("pve", credential=TOKEN, permissions=self._held, version=f"{self.pve.pve_version}.0")
        known = by_api.judge(items, dataclasses.replace(facts, permissions=None), {}).findings
        found = [one.line() for one in by_api.judge(items, facts, {}).findings if one not in known]
        if found:
            raise api_survey.BeyondTokenError("; ".join(found))


def _without_notes(call: tuple[str, str, dict[str, str]]) -> tuple[str, str, dict[str, str]] | None:
    """A call without the record that its description carries; None where it has nothing else."""
    method, path, params = call
    text, kept = notes.split(params.get("description"))
    if not kept:
        return call
    rest = {key: value for key, value in params.items() if key != "description"}
    if method == "PUT" and not rest and not text.strip("\n"):
        return None
    return method, path, {**rest, **({"description": text} if text else {})}
