# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record of a container keeps when the container is recreated."""

from __future__ import annotations

from dataclasses import fields

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Record
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import recreate

# Fields of a Record that are not in its file: they come from the state file, the file's time and the planner.
_ELSEWHERE = {"word", "written", "replaced"}
_NAMES = {"identity_due": "identity"}  # in the file under another name


def test_each_field_of_the_record_is_kept_or_dropped_by_decision():
    """A new field fails here until it is named in FORGOTTEN or KEPT."""
    names = {_NAMES.get(item.name, item.name) for item in fields(Record)} - _ELSEWHERE
    assert names == {*recreate.FORGOTTEN, *recreate.KEPT}
    assert not {*recreate.FORGOTTEN} & {*recreate.KEPT}
