# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of ansible-playbook with faulty files: they end with the report and an exit code other than 0, whatever
`--limit` says and without any ansible.cfg, before a node is asked anything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ansible_collections.phoenix.hypervisor as collection
from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.documents.faults import (
    FAULTS,
    GOOD,
    GOOD_HOST,
    dump,
)
from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.documents.fleet_faults import (
    CROSS_FAULTS,
)

BY_NAME = {fault.name: fault for fault in [*FAULTS, *CROSS_FAULTS]}
SOURCE = """
plugin: phoenix.hypervisor.phoenix
lxc_config: lxc.json
hypervisor_config: host.json
nodes:
  pve: {ansible_host: 192.0.2.10}
"""
# With a limit the faults of a file and those between containers: one that cannot be read, and one that can.
LIMIT = ("--limit", "950")
SAMPLE = ("truncated", "latin-1", "same CTID twice", "CTID 0950", "cycle of clones", "host: time zone")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`ansible-playbook phoenix.hypervisor.containers` as somebody without an ansible.cfg starts it."""
    root = Path(next(iter(collection.__path__))).parents[2]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    (folder / "empty.cfg").touch()
    environment.update(
        ANSIBLE_COLLECTIONS_PATH=os.pathsep.join([str(root), os.environ.get("ANSIBLE_COLLECTIONS_PATH", "")]),
        ANSIBLE_CONFIG=str(folder / "empty.cfg"),
        ANSIBLE_HOME=str(folder / "home"),
        COLUMNS="400",
    )
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "phoenix.yml", "phoenix.hypervisor.containers"]
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def site(folder: Path, lxc: bytes | None = None, host: bytes | None = None) -> Path:
    """A folder with the good configuration, or with these files."""
    (folder / "phoenix.yml").write_text(SOURCE)
    (folder / "lxc.json").write_bytes(lxc if lxc is not None else dump(GOOD))
    (folder / "host.json").write_bytes(host if host is not None else dump(GOOD_HOST))
    return folder


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The output of a run that was refused before anything was asked of a node."""
    output = result.stdout + result.stderr
    assert result.returncode not in (0, 250), output  # 250 is Ansible's own fault
    assert "nothing was touched" in result.stdout, output
    assert "Observe" not in result.stdout, output
    return output


@pytest.mark.parametrize(
    ("name", "limit"), [*((name, ()) for name in SAMPLE), ("truncated", LIMIT), ("same CTID twice", LIMIT)]
)
def test_a_faulty_configuration_ends_the_run(tmp_path: Path, name: str, limit: tuple[str, ...]):
    fault = BY_NAME[name]
    output = refused(run(site(tmp_path, fault.lxc, fault.host), *limit))
    assert fault.at in output
    assert fault.remedy in output


def test_many_faults_in_three_hundred_containers(tmp_path: Path):
    containers: dict[str, Any] = {}
    for number in range(300):
        containers[str(1000 + number)] = {
            "name": "same",
            "clone_from_ctid": str(1000 + (number + 1) % 300),
            "memory_mb": "8G",
            "features": ["base_setup", "nowhere"],
            "application_script": "lost.sh",
            "dependencies": ["99"],
        }
    output = refused(run(site(tmp_path, dump({"lxc_configs": containers})), "--limit", "lineage_1000"))
    for text in ("Write 8192.", "lost.sh", "nowhere", "another name", "a cycle: ", "errors in 1 file"):
        assert text in output


def test_five_megabytes_of_one_fault(tmp_path: Path):
    one = {"name": "a", "template": "local:vztmpl/a.tar.zst", "vllm_args": ["x" * 100] * 10}
    document = {"lxc_configs": {str(1000 + number): {**one, "name": f"ct{number}"} for number in range(4500)}}
    data = json.dumps(document).encode()
    assert len(data) > 5_000_000
    assert "a string that does not end" in refused(run(site(tmp_path, data[:-200]), "--limit", "1000"))
