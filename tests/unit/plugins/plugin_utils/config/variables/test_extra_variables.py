# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that people give to a run by mistake."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables, sharedfacts
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables.extra_variables import (
    faults,
    misspelled,
    mistyped,
)


def test_a_name_near_a_known_one_is_refused_and_others_are_left_alone():
    found = misspelled(["phoenix_target_sate", "phoenix_recreate_ctid", "phoenix_models_of_ours", "vllm_port"])
    assert [(fault.name, fault.remedy) for fault in found] == [
        ("phoenix_recreate_ctid", "Rename it to phoenix_recreate_ctids."),
        ("phoenix_target_sate", "Rename it to phoenix_target_state."),
    ]
    assert misspelled([*runvariables.BY_NAME]) == []


def test_what_the_collection_sets_itself_is_not_given_to_a_run():
    own = set(sharedfacts.BY_NAME) - set(runvariables.BY_NAME) - {"phoenix_plan", "phoenix_source_slice"}
    found = {fault.name: fault for fault in faults(["vllm_port", *sharedfacts.BY_NAME, *runvariables.BY_NAME])}
    assert own <= found.keys()
    assert not found.keys() & runvariables.BY_NAME.keys()
    assert "JSON files" in found["phoenix_ctid"].remedy
    assert "JSON files" not in found["phoenix_stage"].remedy


def test_a_tag_near_a_known_one_is_refused_and_others_are_left_alone():
    known = ["containers", "hypervisor", "hypervisor_storage"]
    found = mistyped("--tags", ["container", "hypervisor_storge", "own", "all", *known], known)
    assert [(fault.name, fault.remedy) for fault in found] == [
        ("--tags", "Write containers."),
        ("--tags", "Write hypervisor_storage."),
    ]
