# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people name as the file of a plan, and is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import plan_file


@pytest.mark.parametrize("content", [b"", b"not json", b"[1]", b"{}", b"\xff\xfe{}", b"[" * 100_000, b'{"version":99}'])
def test_a_file_of_another_form_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(plan_file.PlanFileError, match=r"plan\.json: "):
        plan_file.read(str(path))


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(plan_file.PlanFileError, match="it is not a plain file"):
            plan_file.read(str(path))
