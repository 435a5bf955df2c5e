# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of an installed collection, without an ansible.cfg, waits as cheaply as one of a clone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ansible_collections.phoenix.hypervisor as collection
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import polling

HERE = Path(next(iter(collection.__path__)))
PLAY = """[{hosts: localhost, gather_facts: false, tasks: [
  {phoenix.hypervisor.phoenix_check: , ignore_errors: true}, {ansible.builtin.debug: }]}]"""
CALLBACK = """
from ansible import constants
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "notification", "interval"

    def v2_playbook_on_stats(self, stats):
        print("interval", constants.DEFAULT_INTERNAL_POLL_INTERVAL)
"""


@pytest.mark.parametrize(("setting", "interval"), [("", polling.INTERVAL), ("internal_poll_interval = 0.05", 0.05)])
def test_the_process_that_waits_uses_it_unless_a_file_has_one(tmp_path: Path, setting: str, interval: float) -> None:
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    (tmp_path / "interval.py").write_text(CALLBACK, encoding="utf-8")
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\n{setting}\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(HERE.parents[2]),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_CALLBACK_PLUGINS": str(tmp_path),
    }
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", "play.yml"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert f"interval {interval}\n" in done.stdout, done.stdout + done.stderr
