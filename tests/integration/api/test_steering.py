# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``phoenix_force`` and ``phoenix_forget``: predicted, done once, resumed after a cut at any point, refused."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from fake_node import TEMPLATE, FakeNode, predicted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import (
    Application,
    Feature,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted

BOTH = (Feature("base", "b1"), Feature("serve", "s1"))
PLAIN = Wanted(
    950,
    "pve",
    {"name": "web", "template": TEMPLATE, "storage_pool": "tank", "storage_size_gb": 4},
    features=BOTH,
    application=Application("script", "a1"),
)


@pytest.fixture
def settled(node: FakeNode) -> FakeNode:
    """A node on which the container is complete."""
    node.drive(PLAIN)
    assert node.check(PLAIN).first.steps == ()
    return node


def named(plan):
    return [f"{step.kind} {step.name}".strip() for step in plan.steps]


def test_a_feature_is_applied_again_once_in_the_run_that_names_it(settled):
    asked = dataclasses.replace(PLAIN, force=("base",), run="run-2")
    check = settled.check(asked)
    assert named(check.first) == ["forget", "feature base", "complete"]
    assert "applied again, whatever the ledger says" in check.first.steps[0].reason
    assert check.first.steps[1].reason == "phoenix_force names it"
    before = settled.books[950]["features"]["serve"]
    journal, outcome = settled.drive(asked, run="run-2")
    assert journal == predicted(check.first)
    assert outcome.last.steps == ()
    assert settled.books[950]["features"]["serve"] == before
    assert settled.check(asked).first.steps == ()  # the same run does it once
    assert settled.check(PLAIN).first.steps == ()
    assert named(settled.check(dataclasses.replace(asked, run="run-3")).first)[0] == "forget"


def test_the_application_is_applied_again(settled):
    asked = dataclasses.replace(PLAIN, force=("application",), run="run-2")
    check = settled.check(asked)
    assert named(check.first) == ["forget", "application script", "complete"]
    journal, outcome = settled.drive(asked, run="run-2")
    assert journal == predicted(check.first)
    assert outcome.last.steps == ()


def test_a_run_that_is_cut_off_after_the_ledger_forgot_is_resumed(settled, monkeypatch):
    asked = dataclasses.replace(PLAIN, force=("serve",), run="run-2")
    store = type(settled.store)
    update = store.update_record

    def cut(self, ctid, **values):
        if values.get("forced"):
            raise KeyboardInterrupt
        update(self, ctid, **values)

    with monkeypatch.context() as patch:
        patch.setattr(store, "update_record", cut)
        with contextlib.suppress(KeyboardInterrupt):
            settled.executor(run="run-2").run(asked)
    assert "serve" not in settled.books[950]["features"]
    assert named(settled.check(PLAIN).first) == ["feature serve", "complete"]  # without the variable, too
    again = dataclasses.replace(asked, run="run-3")
    _journal, outcome = settled.drive(again, run="run-3")
    assert outcome.last.steps == ()
    assert settled.check(PLAIN).first.steps == ()


def test_a_stopped_container_that_stays_stopped_says_that_it_was_not_done(settled):
    settled.drive(dataclasses.replace(PLAIN, power="stop", run="halt"))
    plan = settled.check(dataclasses.replace(PLAIN, force=("serve",), run="run-2")).first
    assert plan.steps == ()
    assert any("not done for serve" in note for note in plan.notes)


def test_what_is_no_longer_listed_is_forgotten_and_nothing_else_changes(settled):
    less = dataclasses.replace(PLAIN, features=BOTH[:1])
    assert any("serve is no longer listed" in note for note in settled.check(less).first.notes)
    asked = dataclasses.replace(less, forget=("serve",), run="run-2")
    check = settled.check(asked)
    assert named(check.first) == ["forget"]
    assert "nothing is removed inside" in check.first.steps[0].reason
    settled.forget_requests()
    journal, _outcome = settled.drive(asked, run="run-2")
    assert journal == predicted(check.first)
    assert settled.mutations() == []
    assert list(settled.books[950]["features"]) == ["base"]
    assert settled.check(less).first.notes == ()
    assert settled.check(asked).first.error is None  # the same command again
    assert settled.check(asked).first.steps == ()


@pytest.mark.parametrize(
    ("names", "features", "words"),
    [
        (("serve",), BOTH, "which the configuration of container 950 lists"),
        (("srve",), BOTH[:1], "does not have; name one of these: application, base, serve"),
    ],
)
def test_what_is_listed_and_what_is_unknown_is_not_forgotten(settled, names, features, words):
    settled.forget_requests()
    _journal, outcome = settled.drive(dataclasses.replace(PLAIN, features=features, forget=names, run="run-2"))
    assert words in (outcome.last.error or "")
    assert settled.mutations() == []
    assert sorted(settled.books[950]["features"]) == ["base", "serve"]
