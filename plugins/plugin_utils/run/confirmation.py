# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries out a change that rolls back unless it is confirmed, and confirms it over new connections."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

# Seconds that a connection may take to come about; that a dead one is noticed after; between two attempts; and that the
# node is given, after its own time-out, to come back with its old state.
CONNECT, ALIVE, PAUSE, GRACE = 5, 2, 0.5, 75
# The shortest time-out: less can't be met, and would roll back good changes.
LEAST = 5
CONFIRM = "phoenix.hypervisor.phoenix_confirm"


class ConfirmedAction(ActionBase):
    """The module of the same name compares and arms; this connects again and confirms."""

    TRANSFERS_FILES = False
    CHANGE = ""  # what phoenix_confirm calls it
    WHAT = ""  # what people call it

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compare, change, confirm."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        given = self._task.args.get("timeout")
        if given is not None and int(given) < LEAST:
            msg = f"timeout: got {given}, expected at least {LEAST} seconds: a change needs as many to be confirmed."
            return {**result, "failed": True, "msg": msg}
        arguments = self.arguments(dict(self._task.args))
        result.update(self._module({**arguments, "apply": False}, variables))
        if self._task.check_mode or result.get("failed") or not result.get("changed"):
            return result
        if self._connection.transport == "local":
            msg = (
                f"The node's {self.WHAT} is not changed by a run on the node itself: nobody could confirm the change "
                "over the network. Run from another machine, over SSH. Nothing is touched; --check --diff shows what "
                "would be."
            )
            return {**result, "changed": False, "failed": True, "msg": msg}
        return {**result, **self._change(arguments, variables)}

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """The module's arguments."""
        return given

    def _module(self, arguments: dict[str, Any], variables: dict[str, Any], name: str | None = None) -> dict[str, Any]:
        return dict(
            self._execute_module(module_name=name or self._task.action, module_args=arguments, task_vars=variables)
        )

    def _change(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        token = uuid.uuid4().hex
        timeout = int(arguments.get("timeout") or 90)
        self._watch_connection()
        deadline = time.monotonic() + timeout + GRACE
        self._reconnect()
        elsewhere = arguments.get("confirm_host")
        try:
            result = self._module({**arguments, "apply": True, "token": token}, variables)
            if result.get("failed") or not result.get("armed"):
                return result
        except AnsibleConnectionFailure as error:  # the change may have come quicker than the answer
            result = {"changed": True, "lost": str(error)}
        hosts = [elsewhere, self._connection.get_option("host")] if elsewhere else []
        return self._outcome(result, token, timeout, deadline, variables, hosts)

    def _outcome(
        self,
        result: dict[str, Any],
        token: str,
        timeout: int,
        deadline: float,
        variables: dict[str, Any],
        hosts: list[str],
    ) -> dict[str, Any]:
        last, old = "", hosts[-1] if hosts else ""
        while time.monotonic() < deadline:
            self._reconnect()
            question: dict[str, Any] = {"change": self.CHANGE, "token": token}
            if hosts:  # the new address in turn with the old one, which comes back with the old state
                self._connection.set_option("host", hosts[0])
                question["look"] = hosts[0] == old
                hosts.reverse()
            try:
                answer = self._module(question, variables, CONFIRM)
            except AnsibleError as error:  # no connection, or one that died under the module
                last = str(error)
                time.sleep(PAUSE)
                continue
            outcome = answer.get("outcome")
            if outcome == "confirmed":
                return {**result, "changed": True, "outcome": outcome}
            if outcome in ("reverted", "unknown"):
                return self._taken_back(result, outcome, answer, timeout, last)
            last = str(answer.get("reason") or answer.get("msg") or last)
            if outcome != "reconnect":
                time.sleep(PAUSE)
        msg = (
            f"The node can't be reached after a change of its {self.WHAT}, {GRACE} s after it should have taken the "
            f"change back by itself. Look at its console: {self._place()}. The last attempt: {last}"
        )
        return {**result, "failed": True, "outcome": "lost", "msg": msg}

    def _taken_back(
        self, result: dict[str, Any], outcome: str, answer: dict[str, Any], timeout: int, last: str
    ) -> dict[str, Any]:
        if outcome == "unknown":
            msg = f"The connection ended before the node's {self.WHAT} was changed. {result.get('lost', last)}"
            return {**result, "changed": False, "failed": True, "outcome": outcome, "msg": msg}
        why = answer.get("reason") or (
            f"no new SSH connection confirmed it within {timeout} s" + (f" ({last.strip()})" if last else "")
        )
        msg = (
            f"The node rolled back the change of its {self.WHAT}: {why}. Its old {self.WHAT} is in force again; "
            f"the rejected files are in {self._place()}/rejected on the node."
        )
        return {**result, "changed": False, "failed": True, "outcome": outcome, "msg": msg}

    def _place(self) -> str:
        return f"/var/lib/phoenix_hypervisor/revert/{self.CHANGE}"

    # -- the connection ----------------------------------------------------------------------------------------------

    def _watch_connection(self) -> None:
        """A connection that the change cuts must end soon, not when TCP gives up: an option of OpenSSH."""
        with contextlib.suppress(KeyError, AnsibleError):
            self._connection.set_option("timeout", CONNECT)
        with contextlib.suppress(KeyError, AnsibleError):
            given = self._connection.get_option("ssh_extra_args") or ""
            alive = f"-o ServerAliveInterval={ALIVE} -o ServerAliveCountMax={ALIVE}"
            self._connection.set_option("ssh_extra_args", f"{given} {alive}".strip())

    def _reconnect(self) -> None:
        """End the present connection, ControlPersist's too: an old one proves nothing."""
        with contextlib.suppress(AnsibleError, AttributeError):
            self._connection.reset()
