# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA driver of a node of the module's own; the tests are steps, in this order. Driver, kernel headers and
nouveau are simulated by the lab (lab/README.md); apt, DKMS' package, modinfo, the units and the reboot are real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.site import Lab, Project, Run

OLD, NEW = '570.124.06', '575.51.03'
FILES = '/srv/nvidia'
UNITS = ('phoenix-nvidia-devices', 'nvidia-persistenced')
PLACES = '/etc /usr/bin /lib/modules /var/cache/phoenix_hypervisor /var/lib/phoenix_hypervisor'


def files(lab: Lab) -> str:
    """A fingerprint of what the role could touch: modes, times of change, content. Each real run keeps bytecode."""
    return lab.sh(
        f'for place in {PLACES}; do [ -e $place ] || continue; '
        "find $place -xdev -path '*/phoenix_hypervisor/bytecode' -prune -o "
        "-printf '%p %y %m %s %C@ %l\\n' | sort; done; "
        'dpkg-query -W | sha256sum; ls -l /dev/nvidia* 2>&1 || true'
    )


def play(lab: Lab, folder: Path, version: str, *words: str) -> Run:
    """The role alone, for a driver of this version."""
    own = folder / f'run-{len(list(folder.iterdir()))}'
    own.mkdir()
    project = Project(lab, own)
    project.containers()
    url = f'file://{FILES}/NVIDIA-Linux-x86_64-{version}.run'
    config = {'nvidia': {'driver_version': version, 'runfile_url': url, 'kernel_module_type': 'open'}}
    project.write('hypervisor_config.json', json.dumps(config))
    return project.play('--tags', 'hypervisor_nvidia', '--diff', *words, playbook='playbooks/hypervisor.yml')


def changed_tasks(run: Run) -> list[str]:
    """What the recap counts as changed, by name."""
    return [e['task'] for e in run.events if e['status'] == 'ok' and e['result'].get('changed')]


@pytest.fixture(scope='module')
def node(host_lab: Lab) -> Lab:
    """A node with nouveau in its kernel, which apt can get headers for."""
    host_lab.disconnect()  # the node is rebooted
    host_lab.sh('/opt/phoenix-lab/bin/proxmox-headers')
    for version in (OLD, NEW):
        host_lab.run('gpu', 'runfile', version, FILES)
    host_lab.run('gpu', 'nouveau')
    return host_lab


def test_check_mode_shows_the_plan_and_changes_nothing(node: Lab, tmp_path: Path) -> None:
    before = files(node)
    run = play(node, tmp_path, OLD, '--check').good()
    text = ' '.join(run.output.split())
    for words in (
        '+blacklist nouveau', 'proxmox-default-headers', 'dkms', 'a reboot of the node is needed',
        f'install driver {OLD} by its run file, instead of none',
        '+Before=pve-guests.service', '+WantedBy=multi-user.target',
    ):  # fmt: skip  # laid out to be read
        assert words in text, f'{words} is not in {run.output}'
    assert files(node) == before


def test_a_reboot_that_is_not_allowed_is_told_and_awaited(node: Lab, tmp_path: Path) -> None:
    boot = node.sh('cat /proc/sys/kernel/random/boot_id')
    run = play(node, tmp_path, OLD).good()
    assert 'Reboot it, or allow it' in run.output
    assert 'ii' in node.sh("dpkg-query -W -f '${db:Status-Abbrev}' dkms")
    again = play(node, tmp_path, OLD).good()
    assert changed_tasks(again) == []
    refused = play(node, tmp_path, OLD, '-e', 'hypervisor_reboot=never')
    assert refused.rc != 0
    assert 'hypervisor_reboot is never' in refused.output
    assert node.sh('ls /usr/bin/nvidia-smi 2>/dev/null || true') == ''
    assert node.sh('cat /proc/sys/kernel/random/boot_id') == boot


def test_an_allowed_reboot_is_done_and_the_run_goes_on(node: Lab, tmp_path: Path) -> None:
    boot = node.sh('cat /proc/sys/kernel/random/boot_id')
    play(node, tmp_path, OLD, '-e', 'hypervisor_reboot=allowed').good()
    assert node.sh('cat /proc/sys/kernel/random/boot_id') != boot
    assert node.sh('modinfo -F version nvidia').strip() == OLD
    assert OLD in node.sh('cat /proc/driver/nvidia/version')
    assert len(node.sh('ls /dev/nvidia0 /dev/nvidia1 /dev/nvidia-uvm').split()) == 3
    for unit in UNITS:
        assert node.sh(f'systemctl is-active {unit}; systemctl is-enabled {unit}').split() == ['active', 'enabled']
    assert 'pve-guests.service' in node.sh('systemctl show -p Before phoenix-nvidia-devices')
    node.sh('systemd-analyze verify --recursive-errors=no /etc/systemd/system/phoenix-nvidia-devices.service')


def test_second_run_changes_nothing(node: Lab, tmp_path: Path) -> None:
    before = files(node)
    assert changed_tasks(play(node, tmp_path, OLD, '-e', 'hypervisor_reboot=allowed').good()) == []
    assert files(node) == before


def test_a_boot_makes_the_nodes_again(node: Lab) -> None:
    node.run('gpu', 'off')
    node.run('gpu', 'on', '2', '--driver', OLD)
    node.sh('rm /dev/nvidia0 /dev/nvidia1; systemctl restart phoenix-nvidia-devices')
    assert node.sh('ls /dev/nvidia0 /dev/nvidia1').split() == ['/dev/nvidia0', '/dev/nvidia1']


def test_the_driver_is_not_changed_under_a_program_that_computes(node: Lab, tmp_path: Path) -> None:
    node.sh('systemd-run --quiet --unit=lab-computes sh -c "exec 3<>/dev/nvidia0; exec sleep infinity"')
    before = files(node)
    refused = play(node, tmp_path, NEW)
    assert refused.rc != 0
    assert 'sleep (process ' in refused.output
    assert files(node) == before
    node.sh('systemctl stop lab-computes')
    play(node, tmp_path, NEW).good()
    assert node.sh('modinfo -F version nvidia').strip() == NEW
    assert NEW in node.sh('cat /proc/driver/nvidia/version')
    assert node.sh('systemctl is-active nvidia-persistenced').strip() == 'active'
