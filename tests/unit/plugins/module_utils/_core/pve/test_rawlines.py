# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw lines without a value, which empty a list of LXC: their order against the other lines of the key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import rawlines
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf

EMPTY = ("lxc.cap.drop", "")
ADMIN = ("lxc.cap.drop", "sys_admin")
TIME = ("lxc.cap.drop", "sys_time")
OTHER = ("lxc.apparmor.profile", "unconfined")
LINES = st.lists(st.sampled_from([EMPTY, ADMIN, TIME, OTHER, ("lxc.apparmor.profile", "")]), unique=True)


def test_a_line_without_a_value() -> None:
    assert rawlines.parse_line("lxc.cap.drop:") == rawlines.parse_line("lxc.cap.drop = ") == EMPTY
    assert rawlines.parse_line("lxc.cap.drop") is None
    # As PVE writes it: the blank stays.
    text = rawlines.edit("memory: 512\n\n[snap]\nmemory: 16\n", [EMPTY, ADMIN], [])
    assert text == "memory: 512\nlxc.cap.drop: \nlxc.cap.drop: sys_admin\n\n[snap]\nmemory: 16\n"
    assert parse_conf(text).raw == (EMPTY, ADMIN)


def test_it_stands_before_what_it_must_not_empty() -> None:
    """Appended behind a line of ours it would take that one away: all lines of the key are written again."""
    assert rawlines.changes([EMPTY, ADMIN], [ADMIN, OTHER], [ADMIN]) == ([EMPTY, ADMIN], [ADMIN])
    assert rawlines.changes([EMPTY, ADMIN], [EMPTY, OTHER, ADMIN], []) == ([], [])
    # A foreign line of the key stays where it is.
    assert rawlines.changes([EMPTY, ADMIN], [TIME, EMPTY, ADMIN], []) == ([], [])
    # Without it the order means nothing, and foreign lines stay.
    assert rawlines.changes([TIME, ADMIN], [ADMIN, TIME], []) == ([], [])
    assert rawlines.changes([ADMIN], [EMPTY, ADMIN], [EMPTY, ADMIN]) == ([], [EMPTY])


@given(LINES, LINES, LINES)
def test_the_second_run_changes_nothing(
    wanted: list[rawlines.Line], there: list[rawlines.Line], applied: list[rawlines.Line]
) -> None:
    start = "".join(f"{key}: {value}\n" for key, value in there)
    text = rawlines.edit(start, *rawlines.changes(wanted, there, applied))
    after = list(parse_conf(text).raw)
    assert rawlines.changes(wanted, after, wanted) == ([], [])
    assert set(after) == (set(there) - set(applied)) | set(wanted)
    for key, value in wanted:
        if not value:
            own = [line for line in wanted if line[0] == key]
            assert [line for line in after if line in own] == own
