# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake node as a controller with an API token sees it: the same cases, driven over the API alone."""

from __future__ import annotations

import contextlib
import functools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from fake_node import MUTATING, FakeNode

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote import notes
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import by_api
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.judgement import Facts
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api import api_survey
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api.api_place import ApiPlace
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api.guest_ssh import GuestSsh, SshWay
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api.notes_store import NotesStore
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import applying
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
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOurPublicKeyForGuests"
KEPT = re.compile(r"^#[^\n]*phoenix_hypervisor[^\n]*\n", re.MULTILINE)


def grant(pve: Any) -> None:
    """Give the token and its user their roles."""
    pve.add_token(TOKEN, SECRET)
    pve.acl.clear()
    for who in (USER, TOKEN):
        for path, role in ROLES.items():
            pve.grant_role(who, path, role)
        for path, names in MORE.items():
            pve.grant(who, path, *names)


class RefusedError(NodeError):
    """What a run by a token refuses before anything is touched."""


def with_key(wanted: Wanted) -> Wanted:
    """A case with the key of guest_ssh, as the inventory gives it to each container that comes from a template."""
    source = with_key(wanted.source) if wanted.source else None
    config = {**wanted.config, **({"ssh_public_keys": [KEY]} if "template" in wanted.config else {})}
    return replace(wanted, config=config, source=source)


def plain(wanted: Wanted) -> Wanted:
    """A case without its inside, which is the same work whichever way the calls to Proxmox VE take."""
    source = plain(wanted.source) if wanted.source else None
    return replace(wanted, features=(), application=None, inherited=(), source=source)


class PaperWay(SshWay):
    """Into guests on paper: ``edges`` of fake_node answers for them."""

    def key(self, ctid: int) -> str | None:
        """The host key with which each answers."""
        return f"ssh-ed25519 host-key-of-{ctid}"


class TokenNode(FakeNode):
    """What a node with the same name does, asked by a token that has the roles of the documentation.

    ``enters``: whether runs enter its containers, by guest_ssh.
    """

    renews = False

    def __init__(self, directory: Path, version: int, time_scale: float = 0.005, enters: bool = False) -> None:
        self._runs: list[str] = []
        self._enters = self.renews = enters
        super().__init__(directory, version, time_scale)
        grant(self.pve)

    def wipe(self) -> None:
        """A new node."""
        super().wipe()
        self._runs.clear()
        grant(self.pve)

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
        return None if text is None else KEPT.sub("", text)

    def able(self, config: dict[str, Any]) -> dict[str, Any]:
        """The part of a config that a token can apply: neither what only root@pam sets, nor a guard."""
        kept = {key: value for key, value in config.items() if key not in ("lxc_options", "mount_points", "guard")}
        flags = [flag for flag in config.get("pct_options", ()) if flag.startswith("nesting")]
        return {**kept, **({"pct_options": flags} if "pct_options" in config else {})}

    def retold(self, ctid: int, text: str) -> str:
        """Who writes it leaves alone the line that runs keep in it."""
        return notes.join(text, self._noted(ctid))

    def ident(self, ctid: int) -> str | None:
        """The instance id, which the description has."""
        return notes.instance_of(self._noted(ctid))

    def _noted(self, ctid: int) -> dict[str, Any]:
        text = parse_conf(super().conf(ctid) or "").head.get("description")
        return notes.split(text)[1]

    def mutations(self) -> list[tuple[str, str, dict[str, str]]]:
        """What the control plane was asked to change, without what runs keep in descriptions."""
        return without_notes(super().mutations())

    def settled_calls(self) -> list[Any]:
        """What a run without anything to do must not have called: to look it asks, and it writes nothing at all."""
        return [call for call in self.pve.asked if call[0] in MUTATING]

    def check(self, wanted: Wanted) -> Any:
        """Check mode."""
        return self.apply(wanted, check=True)

    def drive(self, wanted: Wanted, client: Any = None, **options: Any) -> tuple[list[dict[str, Any]], Any]:
        """A whole run for one container, its work inside too. What PVE warns of is kept."""
        wanted = replace(wanted, run=options.pop("run", wanted.run))

        def act(left: Any) -> Any:
            outcome = self.apply(wanted, client=client, release=left == [], **options)
            self.warnings += outcome.warnings
            return outcome

        return self.driven(wanted, act)

    def apply(
        self, wanted: Wanted, check: bool = False, client: Any = None, release: bool = True, **options: Any
    ) -> Any:
        """A run as the playbooks make it: the observation, the preflight, the changes."""
        asked = len(self.pve.asked)
        wanted = with_key(wanted) if self._enters else plain(wanted)
        with on_container(wanted.ctid):
            lock_wait = options.get("lock_wait", 1.0)
            place = self._place(wanted, check, client, lock_wait)
            looks = self._look(wanted, place)
            plan = looks.plan(wanted.ctid)
            if check:
                return Outcome(plan, plan, looks.of(wanted.ctid).seen)
            try:
                if not plan.error:
                    self._preflight(wanted, plan, looks)
                folder = str(self.directory / "busy")
                settings = {"lock_wait": 1.0, "ready_timeout": 0.2, "password": self.password, **options}
                inside = bool(wanted.features or wanted.application)
                return api_survey.carry_out(place, looks, wanted.ctid, folder, release or not inside, **settings)
            except api_survey.BeyondTokenError as error:
                assert [call for call in self.pve.asked[asked:] if call[0] in MUTATING] == []
                raise RefusedError(str(error)) from error

    def _place(self, wanted: Wanted, check: bool = False, client: Any = None, lock_wait: float = 1.0) -> ApiPlace:
        run = wanted.run or "run-1"
        self._runs += [] if check or run in self._runs else [run]
        about = {"id": run, "user": "me", "controller": "here", "pid": 1}
        way = PaperWay(GuestSsh(str(self.directory / "known"), "pve")) if self._enters else None
        return ApiPlace((client or self.client)(), "pve", about, self._runs, way, lock_wait)

    def play(self, wanted: Wanted, step: Any) -> None:
        """What the play does for a step, by the operations of phoenix_feature."""
        if step.kind == "feature":
            work: Any = next(item for item in wanted.features if item.name == step.name)
        else:
            work = wanted.application
        place = self._place(wanted)
        held = {"ctid": wanted.ctid, "run": place.run, "dead_runs": place.dead, "kind": step.kind}
        about = {"name": step.name, "digest": work.digest if work else None, "components": None, "output": None}
        for operation in ("begin", "record") if step.kind != "health" else ("record",):
            with contextlib.ExitStack() as hold:
                params = {**held, **about, "operation": operation, "network": False, "check": None, "error": None}
                applying.operate(place, params, False, hold)

    def _look(self, wanted: Wanted, place: ApiPlace) -> api_survey.Looks:
        looks = api_survey.Looks(place.observer.client, "pve", observer=place.observer)
        each: Wanted | None = wanted
        while each is not None:
            looks.look_at(each)
            each = each.source
        return looks

    def _preflight(self, wanted: Wanted, plan: Any, looks: api_survey.Looks) -> None:
        """Judge what the token may do: all else that the preflight asks for is another test's."""
        shown = plan.as_dict()
        items = [Candidate.from_options({"ctid": wanted.ctid, "config": dict(wanted.config), "plan": shown})]
        if not any(entry.op == "pve" for step in plan.steps for entry in step.entries):
            return
        heads = {ctid: seen.conf.head for ctid, seen in looks.seen.items() if seen.exists}
        facts = Facts("pve", heads=heads, credential=TOKEN, permissions=self._held, version=f"{self.pve.pve_version}.0")
        known = by_api.judge(items, replace(facts, permissions=None), {}).findings
        found = [one.line() for one in by_api.judge(items, facts, {}).findings if one not in known]
        if found:
            raise api_survey.BeyondTokenError("; ".join(found))


def without_notes(calls: list[tuple[str, str, dict[str, str]]]) -> list[tuple[str, str, dict[str, str]]]:
    """Calls without what runs keep in descriptions, and without those that write nothing else.

    The first write of a run on a container that exists is its lease, so it has the text as it was.
    """
    texts: dict[str, str] = {}
    found = []
    for method, path, params in calls:
        text, kept = notes.split(params.get("description"))
        rest = {key: value for key, value in params.items() if key != "description"}
        before = texts.setdefault(path, text)
        if kept:
            texts[path] = text
            if method == "PUT" and not rest and text == before:
                continue
            params = {**rest, **({"description": text} if text else {})}
        found.append((method, path, params))
    return found
