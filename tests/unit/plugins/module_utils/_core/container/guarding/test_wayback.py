# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of a container that was rolled back."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config.compare import Comparison
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.guarding import wayback
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Record, Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile

BEFORE = {"memory": "512", "description": "old"}
AFTER = {"memory": "1024", "description": "new"}


def test_the_description_that_pve_keeps_in_a_rollback_stays_ours():
    record = Record("completed", True, AFTER, guarding={"stage": "back", "applied": BEFORE})
    known = wayback.remembered(record)
    assert known.applied == {"memory": "512", "description": "new"}
    there = ConfFile(head={"memory": "512", "description": "new\n"})
    assert Comparison(Wanted(950, "pve", {"memory_mb": 512}), there, known, True).changes.delete == ("description",)
