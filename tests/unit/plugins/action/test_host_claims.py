# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run limited by tags is judged by the sections that it would touch, and by no others."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.action.phoenix_host_claims import selected
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.ownership import SECTIONS


@pytest.mark.parametrize(
    ("run", "skipped", "expected"),
    [
        (["all"], [], set(SECTIONS)),
        ([], [], set(SECTIONS)),
        (["hypervisor"], [], set(SECTIONS)),
        (["hypervisor_shares"], [], {"nfs", "samba"}),
        (["hypervisor_base", "hypervisor_network"], [], {"ntp", "sysctl", "network"}),
        (["all"], ["hypervisor_network"], set(SECTIONS) - {"network"}),
        (["all"], ["hypervisor"], set()),
    ],
)
def test_sections_of_the_tags(run: list[str], skipped: list[str], expected: set[str]) -> None:
    assert set(selected(dict.fromkeys(SECTIONS, 1), run, skipped)) == expected
