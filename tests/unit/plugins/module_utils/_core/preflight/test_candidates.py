# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight reads its containers as values: a key or a plan of another form is an error with its place."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.asked_options import WANTED_OPTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Entry,
    Plan,
    Step,
    on_container,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.errors import KnownError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import SERVER_OPTIONS, Server
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import (
    CANDIDATE_OPTIONS,
    Candidate,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.apicalls import Kind

PARAMS = {"memory": "512"}
STEP = Step(
    "configure",
    "memory differs",
    (
        on_container(Kind.CONFIG, "pve", 950, PARAMS),
        Entry("conf", "raw lines", {"add": ["lxc.a: b"]}),
        Entry("folder", "make /srv/a", {"path": "/srv/a", "uid": 0, "gid": 0}),
        Entry("node", "state", {"word": "configured"}),
    ),
)
PLAN = Plan("created", (STEP,), final_state="completed").as_dict()


def test_a_plan_is_read_as_it_is_shown() -> None:
    candidate = Candidate.from_options({"ctid": 950, "config": {"name": "web"}, "plan": PLAN, "outside": [1000]})
    assert list(candidate.calls()) == [(Kind.CONFIG, 950, PARAMS)]
    assert list(candidate.edits()) == [{"add": ["lxc.a: b"]}]
    assert candidate.made() == {"/srv/a"}
    assert (candidate.desired.name, candidate.outside) == ("web", (1000,))


def entry(**changed: Any) -> dict[str, Any]:
    call = on_container(Kind.CONFIG, "pve", 950, PARAMS).as_dict()
    return {"ctid": 950, "plan": {"steps": [{"entries": [{**call, **changed}]}]}}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"ctid": 950, "plan": {}, "gpu": {}}, "container 950: unknown keys: gpu; expected only assignment, classes"),
        ({"ctid": 950}, "container 950: plan: expected a mapping, not NoneType"),
        ({"ctid": 950, "plan": {"stepz": []}}, "container 950: plan: unknown keys: stepz"),
        ({"ctid": 950, "plan": {"steps": ["x"]}}, "container 950: plan.steps[0]: expected a mapping, not str"),
        ({"ctid": 950, "plan": {"steps": [{"entry": []}]}}, "container 950: plan.steps[0]: unknown keys: entry"),
        (entry(call="x"), "container 950: plan.steps[0].entries: unknown keys: call"),
        (entry(kind="konfig"), "call to Proxmox VE without a known kind and a CTID"),
        (entry(ctid=None), "call to Proxmox VE without a known kind and a CTID"),
    ],
)
def test_what_is_unknown_is_refused_with_its_place(given: dict[str, Any], text: str) -> None:
    with pytest.raises(KnownError) as refused:
        Candidate.from_options(given)
    assert text in str(refused.value)


def test_an_option_is_spelled_as_for_phoenix_lxc_state() -> None:
    shared = {name for name in CANDIDATE_OPTIONS if name in WANTED_OPTIONS}
    assert shared == {"ctid", "config", "classes", "assignment"}
    assert all(CANDIDATE_OPTIONS[name] is WANTED_OPTIONS[name] for name in shared)


def test_every_value_of_a_server_but_its_settings_is_an_option() -> None:
    assert list(SERVER_OPTIONS) == [one.name for one in dataclasses.fields(Server) if one.name != "settings"]
    server = Server("one", memory_share="share", default_memory_share=0.9, ranks="ranks", model="model")
    assert Server.from_json(server.to_json()) == server
