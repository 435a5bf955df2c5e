# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tests of the state machine over both transports, and the cases that a token can't do.

A case in REFUSED must be refused over the API, with these words and before anything is touched; any other must do over
the API what it does on the node. So neither a lost refusal nor a new one goes unseen. ONLY_SSH has the tests of what a
run by a token does not have at all.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

SSH, TOKEN = "ssh", "token"
LONG = os.environ.get("PHOENIX_PROOFS", "") == "long"
VERSION = 9  # of the short form; the long one has both
EIGHTH = 8
# Proofs, whose short form is one of fewer examples.
FEWER = frozenset({"test_kills", "test_convergence", "test_dry_run"})
BOTH = FEWER | frozenset(
    f"test_{name}"
    for name in ("executor", "options", "firewall", "volumes", "ha", "ha_rules", "recreate", "restore", "faults")
)


@dataclass(frozen=True)
class Refusal:
    """What is refused: a row of the table in docs/token-access.md, words of the message, and since which version."""

    row: str
    words: str
    since: int = 8


ROOT = Refusal("keys that only root@pam sets", "can't be set by automation@pve!phoenix, expected root@pam itself")
IDS = Refusal(ROOT.row, ROOT.words, 9)  # version 8 has no such key at all
RAW = Refusal("keys that only root@pam sets", "raw lines")
PRIVILEGED = Refusal("preflight", "has no Sys.Modify on /", 9)
COPY = Refusal("clones and restored backups", "the host keys and the machine-id of a copy")

# Name of a test, or of one of its cases -> why.
REFUSED: dict[str, Refusal] = {
    "test_each_change_is_made_once_and_then_settled keyctl=1": ROOT,
    "test_each_change_is_made_once_and_then_settled fuse=1": ROOT,
    "test_each_change_is_made_once_and_then_settled mount_points": ROOT,
    "test_each_change_is_made_once_and_then_settled lxc_options": RAW,
    "test_numbers_of_users_on_a_disk_need_pve_9 mount_points": IDS,
    "test_raw_lines_go_to_the_head_section_and_only_ours_are_removed": RAW,
    "test_raw_lines_of_a_running_container_wait_and_are_told_until_its_restart": RAW,
    "test_a_source_with_a_bind_mount_is_refused": ROOT,
    "test_a_clone_that_stayed_stopped_is_predicted_with_what_its_source_had": COPY,
    "test_a_chain_is_predicted_before_its_source_exists": COPY,
    "test_a_source_of_somebody_else_will_do": COPY,
    "test_a_clone_that_ended_after_its_run_was_killed_still_gets_an_identity": COPY,
    "test_the_whole_of_it_is_predicted_and_made": PRIVILEGED,
    "test_an_option_is_set_changed_and_removed hookscript": ROOT,
    "test_all_of_them_at_once": ROOT,
    "test_what_only_waits_goes_when_its_key_goes": ROOT,
    "test_a_clone_has_its_sources_rules_and_its_own_in_front": COPY,
    "test_a_backup_of_another_container_becomes_one_of_its_own": COPY,
    "test_it_grows_at_the_restore_and_never_shrinks": COPY,
    "test_a_recreation_restores_it_again": COPY,
    "test_a_source_and_its_clone_made_anew_in_one_run_are_predicted": COPY,
    "test_a_clone_of_a_container_that_is_still_to_be_restored_is_predicted": COPY,
    "test_the_worker_of_a_killed_clone_is_not_mistaken_for_another_clones": COPY,
    "test_a_clones_source_that_is_still_to_come_is_predicted_with_its_rules": COPY,
    "test_the_interface_of_a_source_is_switched_without_touching_the_rest": COPY,
    "test_who_it_is_privileged_for_comes_from_the_backup_unless_the_file_says_it": COPY,
    "test_another_backup_in_the_file_is_reported_and_not_restored": COPY,
}

CLIENT = "the connection of the node to itself"
INSIDE = "features and the ledger inside the container"
TICKET = "the ticket of a user"
BOOT = "the boot that a container is in"
FILES = "files of the node"
LAYERS = "layers"
ONLY_SSH: dict[str, str] = {
    "test_a_certificate_that_is_not_the_nodes_gets_no_ticket": CLIENT,
    "test_an_expired_ticket_is_minted_again": CLIENT,
    "test_an_error_of_the_connection_is_no_traceback": CLIENT,
    "test_the_audit_trail_has_every_transition": FILES,
    "test_a_config_changed_between_looking_and_writing_is_looked_at_again": CLIENT,
    "test_an_expired_ticket_is_renewed_in_the_middle_of_a_run": TICKET,
    "test_a_ticket_that_is_always_refused_is_told": TICKET,
    "test_missing_privileges_are_told_at_each_call": TICKET,
    "test_what_only_root_may_is_told": TICKET,
    "test_a_connection_that_pveproxy_closed_meanwhile_is_replaced_before_a_write": CLIENT,
    "test_the_predicted_journal_is_the_real_one_with_layers": LAYERS,
    "test_a_container_from_a_layer_converges_to_what_it_would_be_without": LAYERS,
    "test_a_fault_of_a_container_from_a_layer": LAYERS,
    "test_a_fault_while_a_layer_is_left_is_a_warning": LAYERS,
    "test_each_error_of_an_archive_costs_the_layer_alone": LAYERS,
    "test_a_state_file_lost_truncated_or_from_the_future": FILES,
    "test_a_record_lost_or_truncated_makes_the_container_foreign_not_ours": FILES,
    "test_a_lease_of_a_clock_that_was_set_back_holds_nobody_up": FILES,
    "test_a_completed_template_is_never_started_again": INSIDE,
    "test_an_adopted_container_is_assumed_complete_or_done_again": INSIDE,
    "test_dhcp_on_a_further_interface_waits_for_the_next_start": BOOT,
    "test_a_stale_template_says_how_it_is_made_anew": INSIDE,
    "test_the_ledger_in_the_backup_counts": INSIDE,
    "test_a_dry_run_lists_the_features_that_the_ledger_in_the_backup_lacks": INSIDE,
    "test_a_ledger_that_a_dry_run_cant_use_lists_every_feature": INSIDE,
    "test_reapply_runs_the_features": INSIDE,
    "test_a_recreation_that_did_not_end_goes_on_unless_it_can_not_reach_what_is_wanted": INSIDE,
}

# By token in the long form alone, since they take long.
ONLY_LONG = frozenset(
    {
        "test_a_success_that_was_reported_and_not_recorded_is_adopted",
        "test_a_ledger_unreadable_or_forged_costs_its_guest_the_features_again",
        "test_a_running_application_is_adopted",
    }
)

# Where a run by a token once failed.
FAULTS = frozenset(
    {
        "test_a_container_is_made_in_its_pool_moves_and_leaves",
        "test_a_container_comes_into_ha_changes_and_leaves",
        "test_the_words_with_which_pve_refuses_a_rule_reach_the_user",
        "test_a_lock_of_somebody_else_is_told_when_it_stays",
        "test_one_that_is_not_there_is_just_made",
    }
)


def is_by_token(item: Any) -> bool:
    """Whether a case runs over the API."""
    return getattr(getattr(item, "callspec", None), "params", {}).get("transport") == TOKEN


def left_out(items: list[Any]) -> list[Any]:
    """The cases that are not to run over the API: those that do not concern it, and what only the long form has.

    The short form has one version: all cases that are refused, those of FAULTS, those of the modules FEWER, and of each
    other module every eighth.
    """
    left, counts = [], Counter[str]()
    for item in filter(is_by_token, items):
        name, module = item.originalname, item.module.__name__
        if name in ONLY_SSH or (name in ONLY_LONG and not LONG):
            left.append(item)
        elif not LONG:
            params = item.callspec.params
            if params.get("version", params.get("fault_version")) != VERSION:
                left.append(item)
            elif refusal(item) is None and name not in FAULTS and module.rpartition(".")[2] not in FEWER:
                counts[module] += 1
                if counts[module] % EIGHTH != 1:
                    left.append(item)
    return left


def refusal(item: Any) -> Refusal | None:
    """Why a case must be refused."""
    if not is_by_token(item):
        return None
    for key, why in REFUSED.items():
        name, _space, case = key.partition(" ")
        if item.originalname == name and case in item.name[len(name) :]:
            return why if item.callspec.params.get("version", VERSION) >= why.since else None
    return None
