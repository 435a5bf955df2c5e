# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running lab leaves in <checkout>/.lab for its users: variables, SSH settings, an inventory source."""

from __future__ import annotations

import os
import shlex

from .instance import CHECKOUT, NODE, Instance, remove_empty, shared, write_atomically

INVENTORY = '''---
# Written by lab.py up for this lab; an inventory source as docs describe it.
plugin: phoenix.hypervisor.phoenix
lxc_config: {demo}/phoenix_lxc_configs.json
hypervisor_config: {demo}/hypervisor_config.json
nodes:
  {node}:
    ansible_host: {address}
    ansible_user: root
    ansible_ssh_private_key_file: {key}
    ansible_ssh_common_args: >-
      -o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes
'''
SSH_CONFIG = '''Host {node} {address}
  HostName {address}
  User root
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known_hosts}
  StrictHostKeyChecking yes
  LogLevel ERROR
'''


def variables(lab: Instance) -> dict[str, str]:
    """The lab as shell variables."""
    return {
        'PHOENIX_LAB_INSTANCE': lab.ident,
        'PHOENIX_LAB_NODE': NODE,
        'PHOENIX_LAB_NODE_IP': lab.node_ip,
        'PHOENIX_LAB_GUEST_NETWORK': str(lab.guests),
        'PHOENIX_LAB_GUEST_GATEWAY': str(lab.guests[1]),
        'PHOENIX_LAB_CONTAINER': lab.container,
        'PHOENIX_LAB_LXCPATH': str(lab.lxcpath),
        'PHOENIX_LAB_STORAGE': str(lab.storage),
        'PHOENIX_LAB_BRIDGE': lab.bridge,
        'PHOENIX_LAB_SSH_KEY': str(lab.state / 'id_ed25519'),
        'PHOENIX_LAB_KNOWN_HOSTS': str(lab.state / 'known_hosts'),
        'PHOENIX_LAB_SSH_CONFIG': str(lab.output / 'ssh_config'),
        'PHOENIX_LAB_INVENTORY': str(lab.output / 'inventory' / 'phoenix.yml'),
    }


def env_text(lab: Instance) -> str:
    """The variables as lines for a shell's eval."""
    return ''.join(f'export {name}={shlex.quote(value)}\n' for name, value in variables(lab).items())


def write(lab: Instance) -> None:
    """Write the files; removed again by remove()."""
    names = {
        'node': NODE,
        'address': lab.node_ip,
        'key': lab.state / 'id_ed25519',
        'known_hosts': lab.state / 'known_hosts',
        'demo': os.path.relpath(CHECKOUT / 'lab' / 'demo', lab.output / 'inventory'),
    }
    variables_text = env_text(lab)
    with shared():
        # The folder keeps itself out of git, so no checkout needs to know of it.
        write_atomically(CHECKOUT / '.lab' / '.gitignore', '*\n')
        write_atomically(lab.output / 'env', variables_text)
        write_atomically(lab.output / 'ssh_config', SSH_CONFIG.format(**names))
        write_atomically(lab.output / 'inventory' / 'phoenix.yml', INVENTORY.format(**names))


def remove(lab: Instance) -> None:
    """Take back what write() made; files of others in there stay."""
    top = CHECKOUT / '.lab'
    with shared():
        for name in ('env', 'ssh_config', 'inventory/phoenix.yml'):
            (lab.output / name).unlink(missing_ok=True)
        for folder in (lab.output / 'inventory', lab.output, top):
            if folder == top and folder.is_dir() and [path.name for path in folder.iterdir()] == ['.gitignore']:
                (top / '.gitignore').unlink()
            remove_empty(folder)
