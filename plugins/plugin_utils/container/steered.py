# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with `phoenix_force` and `phoenix_forget`, as far as the files say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables

from ..untrusted import own_variables

APPLICATION = "application"
FORCE, FORGET, CTIDS = "phoenix_force", "phoenix_forget", "phoenix_forget_ctids"


def faults(values: Mapping[str, Any], variables: Mapping[str, Any]) -> list[runvariables.RunVariableError]:
    """Names that no container of the run has, and a request without the containers that it is for.

    ``values`` are the run variables as they were given, ``variables`` those of the task that checks them.
    """
    try:
        force, forget, ctids = (runvariables.value_of(name, values.get(name), []) for name in (FORCE, FORGET, CTIDS))
    except runvariables.RunVariableError:
        return []  # reported already
    found = []
    if force:
        known = features_in_play(variables)
        strange = [name for name in force if name not in known]
        got = f"{', '.join(strange)}, which no container of this run lists"
        expected = f"one of {', '.join(known)}" if known else "containers with features"
        found += (
            [runvariables.RunVariableError(FORCE, got, expected, "Correct the name or --limit.")] if strange else []
        )
    if bool(forget) != bool(ctids):
        name, other = (FORGET, CTIDS) if forget else (CTIDS, FORGET)
        got = f"{name} without {other}"
        found.append(runvariables.RunVariableError(name, got, "both", f"Add {other}."))
    in_play = set(map(str, variables.get("ansible_play_hosts_all") or ()))
    out = [str(ctid) for ctid in ctids if in_play and str(ctid) not in in_play]
    if forget and out:
        got = f"{', '.join(out)}, which this run leaves out"
        found.append(runvariables.RunVariableError(CTIDS, got, "containers of the run", "Correct it or --limit."))
    return found


def features_in_play(variables: Mapping[str, Any]) -> list[str]:
    """The features that the containers of the run list, and the application where one has it, in order."""
    hostvars, found = variables.get("hostvars") or {}, set()
    for host in variables.get("ansible_play_hosts_all") or ():
        raw = getattr(hostvars, "raw_get", hostvars.__getitem__)(str(host))
        if "phoenix_ctid" not in raw:
            continue
        config = own_variables.of_host(hostvars, str(host)).get("phoenix_config") or {}
        found |= {str(name) for name in config.get("features") or ()}
        found |= {APPLICATION} if config.get("application_script") else set()
    return sorted(found)
