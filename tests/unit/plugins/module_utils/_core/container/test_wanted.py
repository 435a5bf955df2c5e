# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wanted container from the options of a module: each option counts, for a clone source as well."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.asked_options import WANTED_OPTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted

GIVEN: dict[str, Any] = {
    "ctid": 951,
    "state": "running",
    "config": {"name": "web"},
    "features": [{"name": "base", "digest": "d1"}],
    "application": {"name": "a.sh", "digest": "d2"},
    "source": {"ctid": 900, "clone_snapshot": "ready"},
    "clone_snapshot": "done",
    "inherited": ["base"],
    "classes": ["/dev/fuse"],
    "assignment": "none",
    "adopt": "record",
    "confirm": [950],
    "recreate": [950],
    "power": "stop",
    "update": "begin",
    "force": ["base"],
    "forget": ["application"],
    "layers": {"storage": "local"},
}


def test_nothing_given_is_a_container_without_a_configuration() -> None:
    assert Wanted.from_options({"ctid": 950}, "pve") == Wanted(950, "pve", {})
    checked = ArgumentSpecValidator(WANTED_OPTIONS).validate({"ctid": "950"})
    assert Wanted.from_options(checked.validated_parameters, "pve") == Wanted(950, "pve", {})


def test_each_option_has_a_case() -> None:
    assert GIVEN.keys() == WANTED_OPTIONS.keys()


@pytest.mark.parametrize("name", WANTED_OPTIONS)
def test_each_option_counts(name: str) -> None:
    given = {"ctid": 950, name: GIVEN[name]}
    assert ArgumentSpecValidator(WANTED_OPTIONS).validate(given).error_messages == []
    changed = Wanted.from_options(given, "pve")
    assert changed != Wanted(950, "pve", {})
    # A clone source is described by the same options.
    above = Wanted.from_options({"ctid": 1, "source": given}, "pve")
    assert above.source == changed
