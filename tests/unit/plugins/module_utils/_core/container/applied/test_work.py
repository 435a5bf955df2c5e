# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features and applications in both directions: what the controller gives comes back to the play."""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import digest
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import (
    Application,
    Feature,
    features_of,
)

PARTS = digest.components("f" * 64, {"a": 1}, under=[("base", "0" * 64)])
GIVEN: dict[str, Any] = {
    "name": "gpu",
    "role": "phoenix.hypervisor.gpu",
    "digest": digest.digest(PARTS),
    "components": PARTS,
    "container": {"features": {"nesting": True, "mount": "nfs"}, "devices": ["/dev/fuse"], "facts": {"v": "driver"}},
    "services": ["a.service"],
    "check": None,
    "network": False,
}


def test_a_feature_comes_back_as_it_was_given() -> None:
    (feature,) = features_of([GIVEN])
    assert feature.to_json() == GIVEN
    assert Feature.from_json(feature.to_json()) == feature
    assert (feature.flags, feature.devices, feature.facts) == (
        {"nesting": "1", "mount": "nfs"},
        ("/dev/fuse",),
        {"v": "driver"},
    )


def test_a_feature_without_needs_has_none() -> None:
    feature = Feature.from_json({"name": "one", "digest": "d1"})
    assert (feature.flags, feature.devices, feature.facts) == ({}, (), {})
    assert feature.to_json() == {"name": "one", "digest": "d1"}


def test_a_fact_of_the_node_changes_the_digest_and_nothing_given() -> None:
    feature = Feature.from_json(GIVEN)
    known = feature.with_facts({"driver": "570"})
    assert known.variables == {"v": "570"}
    assert known.digest not in (feature.digest, feature.with_facts({}).digest)
    assert feature.to_json() == GIVEN
    assert known.to_json() == {
        **GIVEN,
        "digest": known.digest,
        "components": known.components,
        "variables": {"v": "570"},
    }


def test_another_digest_below_changes_what_lies_on_top() -> None:
    feature = Feature.from_json(GIVEN)
    assert feature.on_top_of({"other": "1" * 64}).digest == feature.digest
    assert feature.on_top_of({"base": "1" * 64}).digest != feature.digest


def test_an_application_comes_back_as_it_was_given() -> None:
    given = {"name": "a.sh", "digest": "d", "components": PARTS, "health": True}
    assert Application.from_json(given).to_json() == given
    # What is not known here goes no further.
    assert "environment" not in Application.from_json({**given, "environment": {"A": "b"}}).to_json()
