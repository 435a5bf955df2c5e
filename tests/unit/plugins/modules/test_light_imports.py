# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module loads that every run calls on every node. Each file of ours costs a millisecond of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PREFIX = "ansible_collections.phoenix.hypervisor.plugins."
CODE = """
import json, sys
from ansible.module_utils import basic
before = set(sys.modules)
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.mark.parametrize(("name", "most"), [("phoenix_lxc_info", 135), ("phoenix_lxc_state", 150)])
def test_a_module_of_each_run_loads_little(name: str, most: int) -> None:
    code = CODE.format(module=f"{PREFIX}modules.{name}")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[7])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    loaded = json.loads(done.stdout)
    own = [module for module in loaded if module.startswith(PREFIX)]
    assert len(own) <= most, "the module imports more of the collection than it did"
    heavy = {"ssl", "http.client", "email", "urllib.request", "asyncio", "multiprocessing", "concurrent", "ctypes"}
    assert heavy & set(loaded) == set()
