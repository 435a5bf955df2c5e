# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a clone is skipped, where its source said how it ended only after the last slice of waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ansible_collections.phoenix.hypervisor as collection

HERE = Path(next(iter(collection.__path__)))


def play(tasks: Path, told: str | None) -> list[dict[str, object]]:
    """The source reports what it must, the clone saw nothing of it yet: exactly the order that a run has by chance."""
    tell = [{"phoenix.hypervisor.phoenix_lineage": {"tell": told}, "when": "inventory_hostname == 'parent'"}]
    vanish = {"ansible.builtin.meta": "end_host", "when": "inventory_hostname == 'parent'"}
    clone = {"phoenix_ctid": 912, "phoenix_name": "child", "phoenix_config": {"clone_from_ctid": "parent"}}
    seen = {"ansible.builtin.set_fact": {**clone, "phoenix_source": {"outcome": "waiting"}}}
    return [
        {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [*(tell if told else []), vanish, seen, {"ansible.builtin.include_tasks": str(tasks)}],
        }
    ]


@pytest.mark.parametrize(("told", "words"), [("skipped", "was skipped"), (None, "failed")])
def test_the_reason_is_the_one_that_the_source_told(tmp_path: Path, told: str | None, words: str):
    (tmp_path / "play.json").write_text(json.dumps(play(HERE / "playbooks" / "tasks" / "skip_clone.yml", told)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(HERE.parents[2])
    environment |= {"ANSIBLE_HOME": str(tmp_path / "home"), "COLUMNS": "400"}
    result = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "parent,clone,", "play.json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"Container 912 (child) is skipped: its clone source parent {words}." in result.stdout
