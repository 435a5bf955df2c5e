# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A secret in every place that takes one: it turns up in no log, record, plan, journal, result or list of processes."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from fault_node import FaultNode, wanted
from proof_counts import COUNTS
from pure_parts import Application, direct, local_client
from pure_parts import client as client_errors

REPO = Path(__file__).resolve().parents[3]
CANARY = "canary-c0ffee-%s"
WORDS = ("password", "passwd", "token", "secret", "credential", "api_key", "hash")


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The argv and environment of every process that is started."""
    seen: list[str] = []
    real = subprocess.Popen.__init__

    def spy(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        seen.append(f"{args} {options.get('env')}")
        real(self, args, *rest, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", spy)
    return seen


def everything(node: FaultNode) -> str:
    """All that the product left on the node."""
    found = []
    for root in ("state", "log", "busy", "lock", "pve"):
        found += [path.read_text(errors="replace") for path in (node.directory / root).rglob("*") if path.is_file()]
    return "\n".join(found)


def test_a_ticket_is_in_no_file_message_or_process(faults: FaultNode, spawned: list[str]) -> None:
    """Of a run that ends well, and of one that fails at each of its calls."""
    faults.fresh()
    tickets: list[str] = []
    real = faults.pve.mint_ticket

    def mint(who: str) -> tuple[str, str]:
        pair = real(who)
        tickets.extend(pair)
        return pair

    faults.pve.mint_ticket = mint
    try:
        shown = [str(faults.attempt(wanted()))]
        for method, suffix in (("PUT", "/950/config"), ("POST", "/status/start"), ("POST", "/nodes/pve/lxc")):
            for status in (401, 403, 500, 595, 596):
                faults.fresh()
                faults.pve.fail(method, suffix, status, "refused")
                shown.append(str(faults.attempt(wanted(tags=["x"]))))
        text = "\n".join([*shown, everything(faults), *spawned])
    finally:
        del faults.pve.mint_ticket
    assert len(tickets) > 30
    for ticket in tickets:
        COUNTS["canaries"] += 1
        assert ticket not in text


def test_the_values_of_a_call_are_in_no_message(faults: FaultNode, spawned: list[str]) -> None:
    """A call with a secret that is refused, and one that is not answered: names of parameters, never values."""
    faults.fresh()
    client = faults.client()
    for number, (method, path, params) in enumerate(
        [
            ("POST", "/access/users", {"userid": "a@pve", "password": CANARY % 0}),
            ("PUT", "/access/password", {"userid": "nobody@pve", "password": CANARY % 1}),
            ("POST", "/nodes/pve/lxc", {"vmid": 950, "ostemplate": "x", "password": CANARY % 2}),
            ("POST", "/storage", {"storage": "s", "type": "cifs", "password": CANARY % 3}),
        ]
    ):
        COUNTS["canaries"] += 1
        for fault in (lambda: None, lambda: faults.pve.flaky_network(drop_rate=1.0)):
            fault()
            said = ""
            try:
                client.request(method, path, params)
            except client_errors.PveError as error:
                said = f"{error} {error!r}"
            assert CANARY % number not in said
            faults.calm()
    assert not any("canary" in process for process in spawned)
    assert "canary" not in everything(faults)


def test_without_https_a_secret_is_not_sent_at_all(monkeypatch: pytest.MonkeyPatch, spawned: list[str]) -> None:
    """pvesh would show it in the list of processes."""
    COUNTS["canaries"] += 1

    def none() -> Any:
        raise local_client.UnavailableError("no ticket here")

    monkeypatch.setattr(local_client, "mint_ticket", none)
    with pytest.raises(local_client.UnavailableError):
        direct.client_for(secret=True)
    assert spawned == []


def test_secrets_of_a_feature_and_an_application_are_in_no_file(faults: FaultNode) -> None:
    """What reaches the node of them is a digest with a key: neither the value nor its plain hash."""
    import hashlib

    faults.fresh()
    COUNTS["canaries"] += 2
    secret = CANARY % "feature"
    application = {"name": "serve", "digest": "a1", "environment": {"HF_TOKEN": CANARY % "application"}}
    faults.drive(dataclasses.replace(wanted(), application=Application.from_json(application)))
    text = everything(faults)
    assert "canary" not in text
    assert hashlib.sha256(secret.encode()).hexdigest() not in text


def options() -> list[tuple[str, str, dict[str, Any]]]:
    """(where, name, specification) of each option of a role or module whose name says that it is a secret."""
    found: list[tuple[str, str, dict[str, Any]]] = []

    def walk(where: str, given: dict[str, Any]) -> None:
        for name, spec in (given or {}).items():
            if any(word in name for word in WORDS) and spec.get("type", "str") in ("str", "dict"):
                found.append((where, name, spec))
            walk(f"{where}.{name}", spec.get("options") or {})

    for path in sorted(REPO.glob("roles/*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            walk(path.parts[-3], entry.get("options") or {})
    return found


@pytest.mark.parametrize(("where", "name", "spec"), options(), ids=lambda value: str(value)[:40])
def test_each_secret_option_of_a_role_is_no_log(where: str, name: str, spec: dict[str, Any]) -> None:
    COUNTS["canaries"] += 1
    assert spec.get("no_log") is True, f"{where}: {name}"


def test_a_plan_and_its_json_have_no_more_than_the_file_says(faults: FaultNode) -> None:
    faults.fresh()
    COUNTS["canaries"] += 1
    application = {"name": "serve", "digest": "a1", "environment": {"K": CANARY % "plan"}}
    want = dataclasses.replace(wanted(), application=Application.from_json(application))
    outcome = faults.check(want)
    assert "canary" not in json.dumps(outcome.first.as_dict())
    assert "canary" not in json.dumps(outcome.journal)
