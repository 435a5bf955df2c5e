# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of the variables that were given to a run: those that nobody reads, and those that are not for people."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables, sharedfacts

# Variables that are no run variables, and whose names are close to one.
# The last one is an artifact, which AWX hands to the next job of a workflow.
_OTHERS = ("phoenix_application", "phoenix_plan")
# Variables of the collection's own that are given to a run nevertheless: an artifact, and one for tests.
_GIVEN = ("phoenix_plan", "phoenix_source_slice")


def faults(given: Iterable[str]) -> list[runvariables.RunVariableError]:
    """Return what is wrong with the names of extra variables."""
    names = sorted(set(given))
    return [*misspelled(names, _OTHERS), *_overriding(names)]


def misspelled(given: Iterable[str], known: Iterable[str] = ()) -> list[runvariables.RunVariableError]:
    """The given names that are none of the table's, and look like one. ``known``: other names that have a meaning."""
    others = set(known)
    found = []
    for name in sorted(set(given)):
        if not name.startswith("phoenix_") or name in runvariables.BY_NAME or name in others:
            continue
        matches = get_close_matches(name, runvariables.BY_NAME, 1, 0.85)
        if matches:
            got = f"unknown variable (did you mean {matches[0]}?)"
            found.append(runvariables.RunVariableError(name, got, "a variable of a run", f"Rename it to {matches[0]}."))
    return found


def mistyped(option: str, tags: Iterable[str], known: Iterable[str]) -> list[runvariables.RunVariableError]:
    """Return the tags that are none of the known ones, and look like one: Ansible runs nothing for them, or all."""
    names = sorted(set(known))
    found = []
    for tag in sorted(set(tags) - set(names)):
        matches = get_close_matches(tag, names, 1, 0.85)
        if matches:
            got = f"{tag} (did you mean {matches[0]}?)"
            found.append(runvariables.RunVariableError(option, got, "a tag", f"Write {matches[0]}."))
    return found


def _overriding(given: Iterable[str]) -> list[runvariables.RunVariableError]:
    """Extra variables in the place of what the inventory or the playbooks set: they would be those of every host."""
    found = []
    for name in sorted({*given} & sharedfacts.BY_NAME.keys() - runvariables.BY_NAME.keys() - {*_GIVEN}):
        is_read = sharedfacts.BY_NAME[name].kind is sharedfacts.Kind.INVENTORY
        got = f"a value for all hosts, which would replace {'that of the inventory' if is_read else 'an internal one'}"
        remedy = f"Remove {name} from the extra variables."
        if is_read:
            remedy += " Change the JSON files or the inventory source instead."
        found.append(runvariables.RunVariableError(name, got, "no such variable", remedy))
    return found
