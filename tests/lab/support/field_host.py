# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host file of the field's shape, with invented disks: two pools, nine datasets, seven NFS and five Samba shares, in
the dialects of both generations. For lz4 and records of 1M, which zfs-fuse lacks, the lab's `zfs` stands in."""

from __future__ import annotations

from typing import Any

DISKS = ('nvme-INVENTED_A1', 'nvme-INVENTED_A2', 'ata-INVENTED_B1', 'ata-INVENTED_B2', 'ata-INVENTED_B3')
FASTER = ('nvme-INVENTED_L1', 'nvme-INVENTED_L2')
SECRET = 'canary-5d1e %x;y'
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2b5v4q0kqz4o1b0m1hQm8m7rYJ1c5l0k9w3x2y1z0A admin@example'
# Pool, name, properties and storage of each dataset; the first pool's in the newer dialect, the second's in the older.
QUICK = (
    ('guests', {'recordsize': '16K', 'compression': 'on'}, 'zfspool', ['rootdir', 'images']),
    ('models', {'recordsize': '1M', 'compression': 'lz4', 'atime': False, 'quota': '20M'}, None, None),
    ('shared', {'atime': 'off'}, 'dir', 'iso,vztmpl,snippets'),
    ('shared/projects', {'quota': '10M'}, None, None),
)
BULK = (
    ('backups', 'compression=gzip,atime=off', 'dir:backup'),
    ('iso', 'recordsize=128K', 'dir:iso,vztmpl'),
    ('media', 'compression=lz4,recordsize=1M,atime=off,quota=16M', ''),
    ('home', 'compression=on', ''),
    ('export', '', 'nfs:images'),
)


def config() -> dict[str, Any]:
    """The file."""
    datasets: list[dict[str, Any]] = []
    for name, properties, kind, content in QUICK:
        row = {'name': name, 'pool': 'quick', 'properties': properties}
        datasets.append({**row, 'proxmox_storage_type': kind, 'proxmox_content_type': content} if kind else row)
    datasets += [{'name': f'bulk/{name}', 'properties': properties} for name, properties, _type in BULK]
    network = '10.0.0.0/8'
    return {
        '$schema': './hypervisor_config.schema.json',
        'version': '2.0.0',
        'author': 'somebody',
        'timezone': 'Europe/Berlin',
        'packages': ['jq', 'tree'],
        'repositories': [
            {'name': 'pve-enterprise', 'enabled': False},
            {'name': 'pve-no-subscription', 'enabled': False},
        ],
        'users': [
            {
                'username': 'admin',
                'password_hash': 'NOT_SET',
                'sudo_access': True,
                'sudo_nopasswd': True,
                'ssh_public_key': KEY,
            },
            {'username': 'share', 'shell': '/usr/sbin/nologin'},
        ],
        'pve': {
            'groups': [{'groupid': 'operators'}],
            'roles': [{'roleid': 'Watcher', 'privs': ['VM.Audit', 'Datastore.Audit']}],
            'users': [{'userid': 'ops@pve', 'comment': 'operator', 'groups': ['operators']}],
            'acls': [
                {'path': '/vms', 'role': 'PVEVMAdmin', 'user': 'ops@pve'},
                {'path': '/storage', 'role': 'Watcher', 'group': 'operators'},
            ],
            'api_token': {'userid': 'phoenix@pve', 'tokenid': 'automation'},
        },
        'network': {
            'default_subnet': network,
            'nfs_server': '127.0.0.1',
            'workgroup': 'FIELD',
            'portainer_server_port': 9443,
        },
        'zfs': {
            'pools': [
                {
                    'name': 'quick',
                    'raid_level': 'mirror',
                    'disks': list(DISKS[:2]),
                    'log': [FASTER[0]],
                    'cache': [FASTER[1]],
                },
                {'name': 'bulk', 'raid_level': 'RAIDZ1', 'disks': [f'/dev/disk/by-id/{name}' for name in DISKS[2:]]},
            ],
            'datasets': datasets,
            'dataset_storage_types': {f'bulk/{name}': kind for name, _properties, kind in BULK if kind},
            'arc_max': '64M',
        },
        # Switched off: PVE looks for the server of what it makes.
        'storage': [
            {
                'id': 'vault',
                'type': 'pbs',
                'server': '192.0.2.9',
                'datastore': 'main',
                'username': 'node@pbs',
                'password': SECRET,
                'prune_backups': {'keep_last': 3, 'keep_daily': 7},
                'disable': True,
            },
            {'id': 'ceph', 'type': 'rbd', 'monhost': ['192.0.2.1', '192.0.2.2'], 'krbd': True, 'disable': True},
        ],
        'mount_point_base': '/mnt/pve',
        'proxmox_storage_ids': {'Bulk_ISO': 'bulk-images'},
        # What its other tools read, and nothing here acts on.
        'core_paths': {'lxc_config_file': '/usr/local/etc/phoenix_lxc_configs.json'},
        'docker': {'portainer_server_image': 'example/portainer:1'},
        'proxmox_defaults': {'lxc': {'cores': 2}},
        'behavior': {'debug_mode': False},
        'nfs': {
            'exports': [
                {'path': 'quick/models', 'clients': [network], 'options': ['ro', 'async', 'no_subtree_check']},
                {'path': 'quick/shared/projects', 'clients': network, 'options': 'rw,sync,no_root_squash'},
                {'path': 'bulk/export', 'clients': [network, '127.0.0.1'], 'options': 'rw,no_root_squash'},
                {'path': 'bulk/media', 'options': 'ro,all_squash,anonuid=65534'},
            ],
            'shares': [
                {'path': 'bulk/backups', 'options': 'rw,async,no_subtree_check'},
                {'path': 'bulk/iso', 'options': ['ro']},
                {'path': '/srv/exchange', 'clients': ['*'], 'options': 'rw'},
            ],
        },
        'samba': {
            'user': 'share',
            'users': [{'name': 'share', 'password': SECRET}],
            'shares': [
                {'path': 'quick/models', 'read_only': True, 'browsable': True, 'guest_ok': False},
                {
                    'name': 'projects',
                    'path': 'quick/shared/projects',
                    'options': {'create_mask': '0664', 'browseable': True},
                },
                {'path': 'bulk/media', 'options': 'browseable=yes writable=no'},
                {'path': 'bulk/home', 'options': 'read only=no, force user=share'},
                {'name': 'exchange', 'path': '/srv/exchange', 'valid_users': ['share'], 'read_only': False},
            ],
        },
        'shared_volumes': {'exchange': {'host_path': '/srv/exchange', 'mounts': {'950': '/exchange'}}},
        'nvidia_driver': {'install': False, 'version': '580.76.05'},
    }
