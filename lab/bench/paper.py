# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading, validating and planning, without a node."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.configuration import (
    Chosen,
    ConfigurationReader,
)
from bench.figures import Figure, seconds


def entry(index: int) -> dict[str, object]:
    """A container as people write them: a tenth of them templates, from which the others are cloned."""
    own = {
        'name': f'guest-{index}',
        'memory_mb': 2048,
        'cores': 2,
        'network_config': {
            'name': 'eth0',
            'bridge': 'vmbr0',
            'ip': f'10.20.{index // 250}.{index % 250 + 2}/16',
            'gw': '10.20.255.254',
        },
    }
    if index % 10:
        return {**own, 'clone_from_ctid': 1000 + index // 10 * 10, 'features': ['docker']}
    return {**own, 'template': 'local:vztmpl/t.tar.zst', 'storage_size_gb': 8, 'features': ['base_setup']}


def measure(containers: int) -> list[Figure]:
    """Read and validate a fleet's file, and plan every container of it from nothing."""
    with tempfile.TemporaryDirectory(prefix='phoenix-bench-') as folder:
        fleet = {'lxc_configs': {str(1000 + index): entry(index) for index in range(containers)}}
        Path(folder, 'lxc.json').write_text(json.dumps(fleet, indent=1), encoding='utf-8')
        source = {'plugin': 'phoenix.hypervisor.phoenix', 'lxc_config': 'lxc.json', 'nodes': {'pve': {}}}
        Path(folder, 'phoenix.yml').write_text(json.dumps(source), encoding='utf-8')

        def work() -> None:
            reader = ConfigurationReader(DataLoader(), str(Path(folder, 'phoenix.yml')), lambda _data: Chosen())
            found = reader.read()
            if found.findings or len(found.fleet.containers) != containers:
                raise RuntimeError(f'the file is not as it was to be: {found.findings[:3]}')
            for ctid, container in found.fleet.containers.items():
                wanted = Wanted(ctid=int(ctid), node='pve', config=container.config)
                planner.plan(wanted, Observation(ctid=int(ctid)), Record())

        taken = seconds(work, 3)
    return [Figure(f'reading, validating and planning {containers} containers', taken, 2.0, ' s')]
