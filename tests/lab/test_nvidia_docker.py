# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The features nvidia and docker together, in both orders, and the driver from packages; simulated GPUs.

Two guests are made in one run: 953 lists nvidia first and has its driver from packages; 954 lists docker first, and is
privileged.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

import pytest
from support import aptrepo
from support.site import Lab, Project, Run

OLD, NEW, NEWEST = '570.124.06', '575.51.03', '580.65.06'
PORT = 8092
SERVER = 'lab-packages'
FILES = '/srv/packages'
ORDERS = {953: ['base_setup', 'nvidia', 'docker'], 954: ['base_setup', 'docker', 'nvidia']}
PRIVILEGED = 954


@dataclass
class Pair:
    """The two guests, and the runs that made them."""

    lab: Lab
    project: Project
    dry: Run
    real: Run

    def guest(self, ctid: int, script: str) -> str:
        """A shell script in a guest."""
        return self.lab.guest(ctid, script)

    def versions(self, ctid: int) -> list[str]:
        """The versions of the driver's packages."""
        found = self.guest(ctid, 'dpkg-query --show libcuda1 libnvcuvid1 nvidia-driver-cuda').split()
        return found[1::2]


def from_runfile(lab: Lab, url: str) -> dict[str, str]:
    """Variables of a container that takes its driver from a run file."""
    checksum = lab.sha256(f'{FILES}/{url.rpartition("/")[2]}')
    return {'nvidia_source': 'runfile', 'nvidia_runfile_url': url, 'nvidia_runfile_sha256': checksum}


@pytest.fixture(scope='module')
def pair(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A GPU, a repository and a run file on the node; then both guests in one run."""
    site_lab.run('reset')
    site_lab.run('gpu', 'on', '1', '--driver', OLD)
    project = Project(site_lab, tmp_path_factory.mktemp('nvidia-docker'))
    packages = aptrepo.write(project.folder / 'packages', [OLD, NEW, NEWEST])
    push(site_lab, packages)
    site_lab.run('gpu', 'runfile', OLD, FILES)
    site_lab.sh(
        f'systemctl stop {SERVER} 2>/dev/null; systemd-run --quiet --collect --unit={SERVER} '
        f'python3 -m http.server --directory {FILES} {PORT}'
    )
    site_lab.await_port(PORT)
    address = f'http://{site_lab.variables["PHOENIX_LAB_NODE_IP"]}:{PORT}'
    everyone = {
        'nvidia_toolkit_repo_url': address,
        'nvidia_toolkit_key_url': f'{address}/{aptrepo.KEY}',
        'nvidia_toolkit_key_fingerprints': aptrepo.fingerprints(packages),
        'nvidia_repo_key_fingerprints': aptrepo.fingerprints(packages),
    }
    project.write('group_vars/containers.yml', json.dumps(everyone))
    runfile = f'{address}/NVIDIA-Linux-x86_64-{OLD}.run'
    project.write('host_vars/954.yml', json.dumps(from_runfile(site_lab, runfile)))
    both = {'storage_size_gb': 4, 'memory_mb': 1024, 'cores': 2, 'pct_options': ['nesting=1', 'keyctl=1']}
    project.containers(
        **{
            f'_{ctid}': {**both, 'name': f'g{ctid}', 'features': names, 'unprivileged': ctid != PRIVILEGED}
            for ctid, names in ORDERS.items()
        }
    )
    file = project.folder / 'phoenix_lxc_configs.json'
    file.write_text(json.dumps({**json.loads(file.read_text()), 'nvidia_repo_url': address}), encoding='utf-8')
    dry = project.play('--check').good()
    return Pair(site_lab, project, dry, project.play().good())


def push(lab: Lab, folder: object) -> None:
    """Copy a folder of this machine to the node."""
    command = ['ssh', '-F', lab.variables['PHOENIX_LAB_SSH_CONFIG'], lab.variables['PHOENIX_LAB_NODE']]
    unpack = f'rm -rf {FILES} && mkdir -p {FILES} && tar -C {FILES} -xf -'
    with subprocess.Popen(['tar', '-C', str(folder), '-cf', '-', '.'], stdout=subprocess.PIPE) as packed:
        subprocess.run([*command, unpack], stdin=packed.stdout, check=True, timeout=120)


def test_the_driver_comes_from_packages_of_the_nodes_version(pair: Pair) -> None:
    """Although the repository has newer ones, and whatever an upgrade of the system would like."""
    assert pair.versions(953) == [f'{OLD}-1'] * 3
    assert f'Candidate: {OLD}-1' in pair.guest(953, 'apt-cache policy libcuda1')
    assert 'libcuda1' not in pair.guest(953, 'apt-get -s -q dist-upgrade')


@pytest.mark.parametrize('ctid', ORDERS)
def test_docker_has_the_runtime_in_either_order(pair: Pair, ctid: int) -> None:
    info = json.loads(pair.guest(ctid, 'docker info --format "{{json .}}"'))
    assert info['Runtimes']['nvidia']['path'] == 'nvidia-container-runtime'
    config = json.loads(pair.guest(ctid, 'cat /etc/docker/daemon.json'))
    assert config['runtimes'] == {'nvidia': {'path': 'nvidia-container-runtime', 'args': []}}
    assert config['storage-driver'] == 'overlay2'


@pytest.mark.parametrize('ctid', ORDERS)
def test_unprivileged_containers_leave_cgroups_alone(pair: Pair, ctid: int) -> None:
    """A privileged one gives its devices out itself."""
    ids = pair.guest(ctid, 'cat /proc/self/uid_map').split()
    assert (ids[1] == '0') == (ctid == PRIVILEGED)
    lines = pair.guest(ctid, 'cat /etc/nvidia-container-runtime/config.toml').splitlines()
    section = lines[lines.index('[nvidia-container-cli]') : lines.index('[nvidia-container-runtime]')]
    wanted = f'no-cgroups = {"false" if ctid == PRIVILEGED else "true"}'
    assert [line for line in lines if 'no-cgroups' in line] == [wanted]
    assert wanted in section


def test_second_run_makes_no_mutating_call(pair: Pair) -> None:
    pair.lab.forget_requests()
    assert pair.project.play().good().changed == 0
    assert pair.lab.mutations() == []


def test_packages_follow_the_nodes_driver(pair: Pair) -> None:
    """To the node's version and no further; Docker's part is there already and goes on undisturbed."""
    daemon = pair.guest(953, 'cat /run/docker.pid')
    pair.lab.run('gpu', 'driver', NEW)
    pair.project.play('--limit', '953').good()
    assert pair.versions(953) == [f'{NEW}-1'] * 3
    assert pair.guest(953, 'nvidia-smi --query-gpu=driver_version --format=csv,noheader').strip() == NEW
    assert pair.guest(953, 'cat /run/docker.pid') == daemon


def test_from_packages_to_a_run_file(pair: Pair) -> None:
    """The packages go, with their repository, and the toolkit's stays."""
    pair.lab.run('gpu', 'runfile', NEW, FILES)
    url = f'http://{pair.lab.variables["PHOENIX_LAB_NODE_IP"]}:{PORT}/NVIDIA-Linux-x86_64-{NEW}.run'
    pair.project.write('host_vars/953.yml', json.dumps(from_runfile(pair.lab, url)))
    pair.project.play('--limit', '953').good()
    assert 'libcuda1' not in pair.guest(953, 'dpkg-query --show --showformat "${Package} " ')
    assert pair.guest(953, 'ls /usr/bin/nvidia-uninstall /etc/apt/sources.list.d').split() == [
        '/usr/bin/nvidia-uninstall',
        '/etc/apt/sources.list.d:',
        'phoenix-nvidia-toolkit.sources',
    ]
    assert pair.guest(953, 'nvidia-smi --query-gpu=driver_version --format=csv,noheader').strip() == NEW
