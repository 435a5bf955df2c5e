# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules of a node do, done by its API from the controller, for a node that is reached by a token."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display

from ...module_utils._core.errors import KnownError
from ...module_utils._core.preflight import by_api
from ...module_utils._core.preflight.candidates import Candidate, chosen
from ...module_utils._node.api import api_import, api_survey
from ...module_utils._node.api.api_gatherer import ApiGatherer
from ...module_utils._node.api.guest_ssh import GuestSsh, SshWay
from ...module_utils._node.audit import Audit
from ...module_utils._node.container import collected
from ...module_utils._node.failure import NodeError
from ...module_utils._node.preflight.fetching import fetch
from ...module_utils._node.preflight.judging import as_result
from ..run.run_identity import run_identity, run_is_alive
from ..run.user_folder import GUESTS, TURNS, folder
from .access import ApiAccess
from .api_client import ApiClient


class TokenNode:
    """A node that is reached by a token. ``name`` is its name in the inventory and in PVE.

    ``inside``: the entry that says how its containers are entered, None where nobody enters them.
    """

    def __init__(self, at: ApiAccess, inside: Mapping[str, Any] | None = None) -> None:
        self.name = at.node
        self.credential = at.credential
        self.client = ApiClient(at)
        self._way = SshWay(_guest_ssh(inside)) if inside else None

    def survey(self, options: Mapping[str, Any], acts: bool = False, dry: bool = False) -> dict[str, Any]:
        """The result of phoenix_lxc_info. ``acts``: changes follow."""
        containers = options.get("containers")
        if containers is None and options.get("ctids") is not None:
            containers = [{"ctid": ctid} for ctid in options["ctids"]]
        brief, explains = bool(options.get("brief")), bool(options.get("explain"))
        found = _result(lambda: api_survey.survey(self.client, self.name, containers, brief, explains, acts, self._way))
        asked = options.get("preflight")
        if asked is not None and not found.get("failed"):
            configs = {str(item["ctid"]): item.get("config") or {} for item in containers or ()}
            found["preflight"] = self._preflight(chosen(found["containers"], configs, asked["needs"]), asked, dry)
        return found

    def _preflight(self, containers: list[dict[str, Any]], asked: Mapping[str, Any], dry: bool) -> dict[str, Any]:
        """What phoenix_lxc_info returns of the check of what it has planned."""
        if not containers:
            return {"findings": [], "downloads": []}
        answer = self.check({**asked, "containers": containers}, dry)
        found = {"findings": answer.get("findings") or [], "downloads": answer.get("downloads") or []}
        if answer.get("failed") and not found["findings"]:
            found.update(problem=str(answer.get("msg")), ctids=[item["ctid"] for item in containers])
        return found

    def logs(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The result of phoenix_logs."""

        def collect() -> dict[str, Any]:
            parts = collected.collect_by_api(int(options["ctid"]), self.name, self.client)
            return {"changed": False, "notes": parts.pop("notes"), "parts": parts}

        return _result(collect)

    def imported(self, ctids: Collection[int] | None) -> dict[str, Any]:
        """The result of phoenix_import_info."""
        return _result(lambda: api_import.survey(self.client, self.name, ctids))

    def preview(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The result of phoenix_lxc_state in check mode."""
        given = self._of_a_state(options)
        result = _result(lambda: api_survey.preview(self.client, self.name, given, self._way))
        error = result.pop("error", None)
        return {**result, "failed": True, "msg": error} if error else result

    def drive(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The result of phoenix_lxc_state; a lease of an interrupted run on this controller is taken over."""
        given = self._of_a_state(options)
        password = str(given.pop("root_password", None) or "")
        if given.pop("failed", False):
            return {"changed": False, "guarded": "", "journal": []}
        return self._as_run(lambda run, dead: self._driven(given, run, dead, password))

    def _of_a_state(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of phoenix_lxc_state in their types. Where nobody enters, nothing begins inside."""
        given = {**options, "ctid": int(options["ctid"])}
        for name in ("release", "enter", "leave_layer", "failed"):
            given[name] = boolean(given.get(name) or False)
        return given if self._way is not None else {**given, "enter": False, "release": True}

    def _driven(self, given: Mapping[str, Any], run: dict[str, Any], dead: list[str], password: str) -> dict[str, Any]:
        result, warnings = api_survey.drive(
            self.client, self.name, given, run, dead, folder(TURNS), password, self._way, _is_dead
        )
        for warning in warnings:
            Display().warning(warning)
        return result

    def operate(self, options: Mapping[str, Any], dry: bool) -> dict[str, Any]:
        """The result of phoenix_feature."""
        given = {**options, "ctid": int(options["ctid"]), "network": boolean(options.get("network") or False)}
        return self._as_run(
            lambda run, dead: api_survey.operate(self.client, self.name, given, run, dead, dry, self._way)
        )

    def _as_run(self, work: Callable[[dict[str, Any], list[str]], dict[str, Any]]) -> dict[str, Any]:
        """What work returns to this run, which takes over what a dead one of this controller has left."""
        run = dict(run_identity())
        result = _result(lambda: work(run, []))
        holder = result.get("holder")
        if isinstance(holder, Mapping) and _is_dead(holder):
            result = _result(lambda: work(run, [str(holder.get("id"))]))
        error = result.pop("error", None)
        return {**result, "failed": True, "msg": error} if error else result

    def check(self, options: Mapping[str, Any], dry: bool) -> dict[str, Any]:
        """The result of phoenix_preflight where it checks containers."""
        return _result(lambda: self._check(options, dry))

    def _check(self, options: Mapping[str, Any], dry: bool) -> dict[str, Any]:
        candidates = [Candidate.from_options(item) for item in options.get("containers") or ()]
        gatherer = ApiGatherer(self.client, self.name)
        facts = gatherer.gather(candidates, options.get("coming") or (), self.credential)
        verdict = by_api.judge(candidates, facts, gatherer.unseen, dry)
        result = as_result(verdict, self.name, Display().warning)
        report = result.pop("report", "")
        if report:
            raise NodeError(report, **result)
        return result

    def fetch(self, options: Mapping[str, Any], dry: bool) -> dict[str, Any]:
        """The result of phoenix_preflight where it downloads templates."""
        # The audit trail of a node is a file of it: the controller's copy has the task.
        trail = Audit(str((options.get("run") or {}).get("id") or "manual"), quiet=True)
        timeout = float(options.get("task_timeout") or 3600)
        source = ApiGatherer(self.client, self.name)
        warn = Display().warning
        return _result(lambda: fetch(source, options["downloads"], trail, timeout, dry, warn))


def _result(work: Any) -> dict[str, Any]:
    """What work returns, or a failed result with the message of its error."""
    try:
        found: dict[str, Any] = work()
    except KnownError as error:
        return {"changed": False, **error.fields, "failed": True, "msg": str(error)}
    return found


def _is_dead(holder: Mapping[str, Any]) -> bool:
    """Whether a run of this controller is known to be gone."""
    return run_is_alive(holder) is False


def _guest_ssh(entry: Mapping[str, Any]) -> GuestSsh:
    """How the containers of a node are entered over SSH."""
    private = os.path.expanduser(str(entry.get("private_key_file") or ""))
    common = tuple(shlex.split(str(entry.get("common_args") or "")))
    return GuestSsh(folder(GUESTS), str(entry["ident"]), private, int(entry["port"]), common)
