# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the node, options of disks and mounts, and an emptied list of capabilities, in real containers."""

from __future__ import annotations

import re

from support.figures import FIGURES
from support.site import Lab, Project

DATA = {'name': 'data', 'pool': 'local', 'size_gb': 1, 'mount_point': '/data', 'backup': True}
MEDIA = {'host_path': '/srv/media', 'container_path': '/media', 'owner_uid': 1000, 'owner_gid': 1001}
LINES = ['lxc.cap.drop:', 'lxc.cap.drop: sys_time sys_module']
# Made in the test: the lab's node has few devices of its own.
PVECFG = '/usr/share/perl5/PVE/pvecfg.pm'  # a real node has it
STICK, TUNER = '/dev/serial/by-id/usb-ACME_Stick-if00', '/dev/dvb0'
DEVICES = [{'path': STICK, 'mode': '0640', 'gid': 5}, {'path': TUNER}]


def asked(**changes: object) -> dict[str, object]:
    """The container with everything of this page; changes of its keys."""
    return {
        'devices': DEVICES,
        'volumes': [{**DATA, 'mount_options': ['noexec', 'nosuid']}],
        'mount_points': [MEDIA],
        'rootfs_options': {'mount_options': ['noatime']},
        'lxc_options': LINES,
        'restart_policy': 'if_needed',
        **changes,
    }


def slots(lab: Lab, kind: str) -> dict[str, str]:
    """The options of a kind of container 950."""
    return {key: value for key, value in lab.config(950).items() if re.fullmatch(rf'{kind}\d+', key)}


def test_devices_mount_options_and_an_emptied_list(lab: Lab, project: Project) -> None:
    lab.sh(f'mkdir -p /dev/serial/by-id && ln -sf ../../ttyLAB0 {STICK}')
    lab.sh(f'for node in /dev/ttyLAB0 {TUNER}; do test -c $node || mknod -m 600 $node c 1 3; done')
    lab.sh(f'rm -rf /srv/media {PVECFG}')
    project.containers(_950=asked())
    project.play().good()
    assert slots(lab, 'dev') == {'dev0': f'{STICK},gid=5,mode=0640', 'dev1': TUNER}
    volume = next(value for value in slots(lab, 'mp').values() if value.startswith('local:'))
    assert re.fullmatch(r'local:950/[^,]*,mp=/data,backup=1,mountoptions=noexec;nosuid,size=1G', volume)
    assert re.search(r',mountoptions=noatime,size=', lab.config(950)['rootfs'])
    assert lab.guest(950, f'stat -c "%a %g" {STICK}').split() == ['640', '5']
    assert lab.guest(950, 'stat -c "%u %g" /media').split() == ['1000', '1001']
    # The list of LXC's own configuration is empty but for these two: mac_admin is back, sys_time is not.
    bounds = int(re.search(r'CapBnd:\s*(\w+)', lab.guest(950, 'cat /proc/1/status')).group(1), 16)
    assert (bounds >> 33 & 1, bounds >> 25 & 1) == (1, 0)
    lab.forget_requests()
    assert project.play().good().changed == 0
    assert lab.mutations() == []

    # By raw lines, as on a node whose Proxmox VE has no devN yet, and one of them alone.
    lab.sh(f'mkdir -p {PVECFG.rpartition("/")[0]} && chmod 666 {TUNER}')
    lab.sh(f'echo "sub version {{ return \'8.1.10\'; }}" > {PVECFG}')
    project.containers(_950=asked(devices=[{'path': TUNER}]))
    project.play().good()
    assert slots(lab, 'dev') == {}
    assert lab.guest(950, f'stat -c %F {TUNER}').strip() == 'character special file'
    lab.forget_requests()
    assert project.play().good().changed == 0
    assert lab.mutations() == []

    # The upgrade of the node.
    lab.sh(f'rm {PVECFG}')
    project.play().good()
    assert slots(lab, 'dev') == {'dev0': TUNER}
    assert 'lxc.mount.entry' not in lab.sh('cat /etc/pve/lxc/950.conf')
    lab.forget_requests()
    assert project.play().good().changed == 0
    assert lab.mutations() == []

    # A missing device stops the run before anything is touched.
    project.containers(_950=asked(devices=[{'path': TUNER}, {'path': '/dev/ttyUSB9'}]))
    run = project.play()
    assert run.rc != 0
    assert '/lxc_configs/950/devices/1/path' in run.output
    assert 'device /dev/ttyUSB9 does not exist on node' in run.output
    assert lab.mutations() == []
    FIGURES.append('devices by devN and by raw lines, mount options and an emptied list: second runs make no call')
