# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of the features that are applied in a container, run inside it before and after an update."""

from __future__ import annotations

from ..._core.container.applied import ledger as ledgers
from ..._core.container.model import Observation, Wanted
from ..failure import NodeError
from ..guest import featurecheck


def prove(wanted: Wanted, seen: Observation) -> None:
    """Run each check. Raises NodeError with the first one that fails."""
    applied = (seen.ledger or ledgers.empty())["features"]
    for feature in wanted.features:
        check = feature.rest.get("check") or {}
        if not check.get("command") or feature.name not in applied:
            continue
        why = featurecheck.check(wanted.ctid, check["command"], float(check.get("timeout") or featurecheck.TIMEOUT))
        if why:
            raise NodeError(f"the check of feature {feature.name} ({check['command'].strip()}) {why}")
