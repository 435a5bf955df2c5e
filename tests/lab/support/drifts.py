# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person can change on a node that `field_host` has set up, each with what finds it. One run has them all."""

from __future__ import annotations

import json
from typing import Any

from . import field_host
from .site import Project

# Shell commands -> the beginning of what the look says, by role. All of them at once: one call compares every state.
STATES = {
    'hypervisor_base': {
        'dpkg --remove --force-depends tree >/dev/null': 'the package tree is missing',
        'ln -sfn /usr/share/zoneinfo/Europe/Paris /etc/localtime': 'the time zone is not Europe/Berlin',
        'chmod 600 /etc/tmpfiles.d/phoenix_hypervisor.conf': '/etc/tmpfiles.d/phoenix_hypervisor.conf differs',
        'sed -i s/no/yes/ /etc/apt/sources.list.d/proxmox.sources': '/etc/apt/sources.list.d/proxmox.sources differs',
        'touch /etc/apt/sources.list.d/pve-enterprise.list': '/etc/apt/sources.list.d/pve-enterprise.list exists',
    },
    'hypervisor_users': {
        'usermod --shell /bin/sh admin': 'the account admin differs',
        'gpasswd --delete admin sudo >/dev/null': 'the account admin differs',
        ': > ~admin/.ssh/authorized_keys': 'the SSH keys of admin differ',
        'echo "admin ALL=(ALL:ALL) ALL" > /etc/sudoers.d/phoenix_admin': '/etc/sudoers.d/phoenix_admin differs',
    },
    'hypervisor_shares': {
        'systemctl --quiet stop smbd': 'smbd is not running and enabled',
        'systemctl --quiet disable nfs-server': 'nfs-server is not running and enabled',
        'chmod 600 /etc/samba/phoenix.conf': '/etc/samba/phoenix.conf is not a file of root',
        'sed -i /phoenix/d /etc/samba/smb.conf': '/etc/samba/smb.conf lacks the block',
    },
}
INITRAMFS = '/usr/sbin/update-initramfs'
# A network that the file does not manage has nothing to find: test_host_network has one.
# Role, module, and the commands that break what only this module finds, and that put it back.
MODULES = (
    ('storage', 'phoenix_zfs_survey', 'zfs set quota=19M quick/models', 'zfs set quota=20M quick/models'),
    (
        'storage',
        'phoenix_zfs_arc',
        'cp /etc/modprobe.d/zfs.conf /run/kept; sed -i s/max=.*/max=5/ /etc/modprobe.d/zfs.conf',
        'mv /run/kept /etc/modprobe.d/zfs.conf',
    ),
    (
        'storage',
        'phoenix_initramfs',
        f'touch -d 2020-01-01 /boot/initrd.img-lab; ln -s /bin/true {INITRAMFS}',
        f'rm /boot/initrd.img-lab {INITRAMFS}',
    ),
    (
        'storage',
        'phoenix_pve_storage',
        'pvesh set /storage/bulk-images --content iso',
        'pvesh set /storage/bulk-images --content iso,vztmpl',
    ),
    (
        'users',
        'phoenix_pve_access',
        'pvesh set /access/acl --path /storage --roles Watcher --groups operators --delete 1',
        'pvesh set /access/acl --path /storage --roles Watcher --groups operators',
    ),
    (
        'shares',
        'phoenix_shares_survey',
        'chmod 700 /srv/exchange',
        'chmod 775 /srv/exchange',
    ),
    (
        'shares',
        'phoenix_samba_users',
        'printf "a\\na\\n" | smbpasswd -s share',
        f"printf '%s\\n%s\\n' '{field_host.SECRET}' '{field_host.SECRET}' | smbpasswd -s share",
    ),
)
LOOK = {
    'name': 'Look',
    'phoenix.hypervisor.phoenix_host_look': {
        'roles': '{{ phoenix_hypervisor_config | phoenix.hypervisor.host_roles }}',
        'config': '{{ phoenix_hypervisor_config }}',
        'inventory': '{{ phoenix_inventory_id }}',
    },
}


def found(project: Project, *between: str) -> list[dict[str, Any]]:
    """What a look finds, and another one after each of these commands."""
    steps: list[dict[str, Any]] = [LOOK]
    for command in between:
        steps += [{'name': 'Change', 'ansible.builtin.shell': command}, LOOK]
    play = [{'hosts': 'hypervisors', 'gather_facts': False, 'tasks': steps}]
    run = project.play(playbook=str(project.write('look.yml', json.dumps(play)))).good()
    return run.of('phoenix.hypervisor.phoenix_host_look', project.lab.variables['PHOENIX_LAB_NODE'])


def missed(project: Project) -> list[str]:
    """The changes that a look does not find, or takes for another one."""
    commands = [text for _role, _module, *pair in MODULES for text in pair]
    broken = '\n'.join(['set -e', *(command for rows in STATES.values() for command in rows)])
    first, *looks, last = found(project, *commands, broken)
    faults = [f'before: {first["due"]}'] if first['due'] else []
    for (role, module, command, _back), on, off in zip(MODULES, looks[::2], looks[1::2], strict=True):
        reasons = on['due'].get(f'hypervisor_{role}', [])
        if list(on['due']) != [f'hypervisor_{role}'] or not reasons[0].startswith(f'phoenix.hypervisor.{module} '):
            faults.append(f'{command}: {on["due"]}')
        if off['due']:
            faults.append(f'after {command}: {off["due"]}')
    for role, rows in STATES.items():
        reasons = last['due'].get(role, [])
        faults += [
            f'{command}: {reasons}' for command, text in rows.items() if not any(r.startswith(text) for r in reasons)
        ]
    return faults
