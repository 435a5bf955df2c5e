# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that limits the ARC, beside whatever else the file says."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system.arc_limit import with_limit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "options zfs zfs_arc_max=64\n"),
        ("options zfs zfs_arc_min=1 zfs_arc_max=5\n", "options zfs zfs_arc_min=1 zfs_arc_max=64\n"),
        ("  options zfs zfs_arc_max=5 zfs_arc_min=1", "  options zfs zfs_arc_max=64 zfs_arc_min=1\n"),
        # The last one counts, and the others stay.
        (
            "options zfs zfs_arc_max=1\noptions zfs zfs_arc_max=2\n",
            "options zfs zfs_arc_max=1\noptions zfs zfs_arc_max=64\n",
        ),
        (
            "# options zfs zfs_arc_max=5\noptions zfs xzfs_arc_max=5\n",
            "# options zfs zfs_arc_max=5\noptions zfs xzfs_arc_max=5\noptions zfs zfs_arc_max=64\n",
        ),
        ("options zfs zfs_arc_max=64\n", "options zfs zfs_arc_max=64\n"),
    ],
)
def test_the_last_limit_is_replaced_else_one_is_added(text: str, expected: str) -> None:
    assert with_limit(text, 64) == expected
    assert with_limit(expected, 64) == expected
