# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command that has read the configuration ends without looking through all of its objects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ansible_collections.phoenix.hypervisor as collection

SOURCE = "plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes: {pve: {ansible_host: 192.0.2.10}}\n"
LAST = "import atexit, gc, sys\natexit.register(lambda: print('left out', gc.get_freeze_count(), file=sys.stderr))\n"


def test_what_is_left_is_left_out_of_the_last_collection(tmp_path: Path) -> None:
    (tmp_path / "phoenix.yml").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "lxc.json").write_text('{"schema_version": "2.0.0", "lxc_configs": {}}', encoding="utf-8")
    # What is registered first runs last.
    (tmp_path / "sitecustomize.py").write_text(LAST, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(Path(next(iter(collection.__path__))).parents[2]),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "ansible", "inventory", "-i", "phoenix.yml", "--list"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split("left out ")[1].split()[0]) > 1000, done.stderr
