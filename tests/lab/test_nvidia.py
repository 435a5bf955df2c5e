# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs and their driver in guests, through site.yml; the GPUs are simulated by the lab (lab/README.md).

One fleet serves all of these, in order: 950 and 951 have the feature, 952 has none of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.site import Lab, Project, Run

OLD, NEW = '570.124.06', '575.51.03'
PORT = 8091
SERVER = 'lab-drivers'
FILES = '/srv/nvidia'
LOG = '/run/lab-drivers.log'
CACHE = '/var/cache/phoenix_hypervisor'
INSTANCE = ['/dev/nvidia-caps/nvidia-cap12', '/dev/nvidia-caps/nvidia-cap13']  # MIG, on the first GPU
COMMON = ['/dev/nvidiactl', '/dev/nvidia-uvm', '/dev/nvidia-uvm-tools', '/dev/nvidia-modeset']


@dataclass
class Fleet:
    """The three guests, and the runs that made them."""

    lab: Lab
    project: Project
    dry: Run
    real: Run
    keys: dict[str, Any] = field(default_factory=dict)

    def write(self, version: str, top: dict[str, Any] | None = None, **changes: Any) -> None:
        """The containers, 950 with these changes, and the keys at the top: the run file of that version."""
        self.keys.update(changes)
        gpu = {'features': ['base_setup', 'nvidia']}
        self.project.containers(
            _950={**gpu, 'name': 'one', 'gpu_assignment': '0', **self.keys},
            _951={**gpu, 'name': 'two', 'gpu_assignment': '1'},
            _952={'name': 'none'},
        )
        file = self.project.folder / 'phoenix_lxc_configs.json'
        whole = json.loads(file.read_text(encoding='utf-8'))
        node = self.lab.variables['PHOENIX_LAB_NODE_IP']
        whole['nvidia_driver_version'] = version
        whole['nvidia_runfile_url'] = f'http://{node}:{PORT}/NVIDIA-Linux-x86_64-{version}.run'
        whole['nvidia_runfile_sha256'] = self.lab.sha256(f'{FILES}/NVIDIA-Linux-x86_64-{version}.run')
        file.write_text(json.dumps({**whole, **(top or {})}), encoding='utf-8')

    def devices(self, ctid: int) -> list[str]:
        """The paths of its devN, in order."""
        config = self.lab.config(ctid)
        keys = sorted((key for key in config if key.startswith('dev')), key=lambda key: int(key[3:]))
        return [config[key].partition(',')[0].removeprefix('path=') for key in keys]

    def driver(self, ctid: int) -> str:
        """What nvidia-smi in a guest says, to a user without any rights."""
        command = 'nvidia-smi --query-gpu=driver_version,uuid --format=csv,noheader'
        return self.lab.guest(ctid, f'setpriv --reuid 65534 --clear-groups {command} 2>&1 || true').strip()

    def downloads(self, name: str) -> int:
        """How often the server was asked for a file."""
        log = self.lab.sh(f'cat {LOG}')
        return sum(f'GET /{name} ' in line for line in log.splitlines())


def told(run: Run) -> str:
    """What a run printed, wherever it was wrapped."""
    return ' '.join(run.output.split())


@pytest.fixture(scope='module')
def fleet(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """GPUs, run files and a server for them on the node; then all of the fleet in one run."""
    site_lab.run('reset')
    site_lab.run('gpu', 'on', '2', '--driver', OLD, '--mig')
    for version in (OLD, NEW):
        site_lab.run('gpu', 'runfile', version, FILES)
    site_lab.sh(
        f'rm -rf {CACHE}; systemctl stop {SERVER} 2>/dev/null; systemd-run --quiet --collect --unit={SERVER} '
        f'sh -c "exec python3 -u -m http.server --directory {FILES} {PORT} 2>{LOG}"'
    )
    site_lab.await_port(PORT)
    project = Project(site_lab, tmp_path_factory.mktemp('nvidia'))
    found = Fleet(site_lab, project, Run(0, '', project.results), Run(0, '', project.results))
    found.write(OLD)
    found.dry = project.play('--check', '--diff').good()
    found.real = project.play().good()
    return found


def test_dry_run_shows_the_devices(fleet: Fleet) -> None:
    assert 'dev0=/dev/nvidia0,mode=0666' in fleet.dry.output
    assert 'feature nvidia' in fleet.dry.output


def test_each_has_its_device_and_the_driver(fleet: Fleet) -> None:
    assert fleet.devices(950) == ['/dev/nvidia0', *COMMON, *INSTANCE]
    assert fleet.devices(951) == ['/dev/nvidia1', *COMMON]
    assert fleet.devices(952) == []
    assert fleet.driver(950) == f'{OLD}, GPU-00000000-aaaa-bbbb-cccc-0123456789ab'
    assert fleet.driver(951) == f'{OLD}, GPU-00000001-aaaa-bbbb-cccc-0123456789ab'


def test_one_download_for_both(fleet: Fleet) -> None:
    assert fleet.downloads(f'NVIDIA-Linux-x86_64-{OLD}.run') == 1
    assert 'driver.run' not in fleet.lab.guest(950, 'ls -R /var/cache')


def test_second_run_makes_no_mutating_call(fleet: Fleet) -> None:
    fleet.lab.forget_requests()
    run = fleet.project.play().good()
    assert run.changed == 0
    assert fleet.lab.mutations() == []
    assert run.of('ansible.builtin.find') == []


def test_another_assignment_takes_the_device_away(fleet: Fleet) -> None:
    """The driver inside is current, so no role runs."""
    fleet.write(OLD, gpu_assignment='0000:02:00.0', restart_policy='if_needed')
    run = fleet.project.play('--limit', '950').good()
    assert sorted(fleet.devices(950)) == sorted(['/dev/nvidia1', *COMMON])
    assert fleet.driver(950) == f'{OLD}, GPU-00000001-aaaa-bbbb-cccc-0123456789ab'
    assert 'nvidia0' not in fleet.lab.guest(950, 'ls /dev')
    assert run.of('ansible.builtin.find') == []
    assert fleet.project.play('--limit', '950').good().changed == 0


def test_a_version_that_is_not_the_nodes_is_refused(fleet: Fleet) -> None:
    before = fleet.lab.guest(950, 'ls -l --time-style=full-iso /usr/lib/x86_64-linux-gnu | sha256sum')
    fleet.write(NEW)
    run = fleet.project.play('--limit', '950')
    assert run.rc != 0
    assert f'nvidia_driver_version is {NEW}, but the node' in told(run)
    assert fleet.lab.guest(950, 'ls -l --time-style=full-iso /usr/lib/x86_64-linux-gnu | sha256sum') == before
    fleet.write(OLD)
    fleet.project.play('--limit', '950').good()


def test_a_missing_device_is_named_before_anything_is_done(fleet: Fleet) -> None:
    fleet.lab.sh('rm /dev/nvidia1')
    fleet.lab.forget_requests()
    run = fleet.project.play()
    fleet.lab.sh('nvidia-modprobe -u -c 1')
    assert run.rc != 0
    assert "gpu_assignment the node's device /dev/nvidia1 is missing" in told(run)
    assert 'un nvidia-modprobe -u -c 1 on the node' in told(run)
    assert fleet.lab.mutations() == []
    assert fleet.project.play().good().changed == 0


def test_the_plan_after_an_upgrade_names_exactly_the_gpu_containers(fleet: Fleet) -> None:
    fleet.lab.run('gpu', 'driver', NEW)
    fleet.write(NEW)
    run = fleet.project.play('--check')
    states = 'phoenix.hypervisor.phoenix_lxc_state'
    assert [bool(run.of(states, ctid)) for ctid in ('950', '951', '952')] == [True, True, False]
    for ctid in ('950', '951'):
        (due,) = run.state(ctid)['due_features']
        assert due['name'] == 'nvidia'
        assert 'variable nvidia_kernel_version changed' in due['reason']
    assert 'mismatch' in fleet.driver(950)


def test_a_run_file_that_is_not_the_expected_one_reaches_no_container(fleet: Fleet) -> None:
    fleet.write(NEW, {'nvidia_runfile_sha256': '0' * 64})
    run = fleet.project.play('--limit', '951')
    assert run.rc != 0
    assert f'and {"0" * 64} is expected; it is not kept' in told(run)
    assert NEW not in fleet.lab.sh(f'ls {CACHE}/*.run')
    assert 'phoenix-nvidia' not in fleet.lab.guest(951, 'ls /var/cache')
    assert OLD in fleet.lab.guest(951, 'ls /usr/lib/x86_64-linux-gnu')
    fleet.write(NEW)


def test_no_driver_is_changed_under_a_program_that_computes(fleet: Fleet) -> None:
    """951 is brought up to date meanwhile; 950 after the program has ended."""
    before = fleet.downloads(f'NVIDIA-Linux-x86_64-{NEW}.run')
    fleet.lab.guest(950, 'systemd-run --quiet --unit=computes sh -c "exec sleep infinity </dev/nvidia1"')
    run = fleet.project.play()
    assert run.rc != 0
    assert 'the driver is not changed under programs that use a GPU: sleep (process ' in told(run)
    assert 'pct exec 950 -- systemctl stop computes.service. Nothing has been changed.' in told(run)
    assert fleet.lab.guest(950, 'systemctl is-active computes').strip() == 'active'
    assert OLD in fleet.lab.guest(950, 'ls /usr/lib/x86_64-linux-gnu')
    assert fleet.driver(951).startswith(f'{NEW}, ')
    fleet.lab.guest(950, 'systemctl stop computes')
    fleet.project.play().good()
    assert fleet.driver(950).startswith(f'{NEW}, ')
    assert OLD not in fleet.lab.guest(950, 'ls /usr/lib/x86_64-linux-gnu')
    assert fleet.downloads(f'NVIDIA-Linux-x86_64-{NEW}.run') == before + 1
    fleet.lab.forget_requests()
    assert fleet.project.play().good().changed == 0
    assert fleet.lab.mutations() == []


def test_raw_lines_instead_of_devn(fleet: Fleet) -> None:
    """The devices are the same, no devN is left, and the driver sees them after the restart."""
    fleet.write(NEW, gpu_passthrough='raw')
    fleet.project.play('--limit', '950').good()
    assert fleet.devices(950) == []
    lines = fleet.lab.sh('grep ^lxc /etc/pve/lxc/950.conf').splitlines()
    assert [line.split()[1] for line in lines if 'mount.entry' in line] == ['/dev/nvidia1', *COMMON]
    # One for all: in the lab they have one number.
    assert [line for line in lines if 'cgroup2' in line] == ['lxc.cgroup2.devices.allow: c 1:7 rw']
    assert fleet.driver(950) == f'{NEW}, GPU-00000001-aaaa-bbbb-cccc-0123456789ab'
    fleet.lab.forget_requests()
    assert fleet.project.play('--limit', '950').good().changed == 0
    assert fleet.lab.mutations() == []
    fleet.write(NEW, gpu_passthrough='dev', gpu_assignment='none', features=['base_setup'])
    fleet.project.play('--limit', '950').good()
    assert fleet.devices(950) == []
    assert 'nvidia' not in fleet.lab.sh('cat /etc/pve/lxc/950.conf')
