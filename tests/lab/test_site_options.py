# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet with every plain option, several interfaces, an entry of HA and a container out of a backup: what its guests
see, and a second run without a call."""

from __future__ import annotations

import json

from support.figures import FIGURES
from support.site import Lab, Project, container

HOOK = '/var/lib/vz/snippets/hook.sh'
OPTIONS = {
    'timezone': 'UTC',
    'ostype': 'debian',
    'arch': 'amd64',
    'cmode': 'shell',
    'console': True,
    'tty': 1,
    'cpulimit': 0.5,
    'cpuunits': 200,
    'debug': False,
    'searchdomain': ['example.com', 'corp.example.com'],
    'boot_order': 3,
    'shutdown_timeout': 45,
    'hookscript': 'local:snippets/hook.sh',
    'entrypoint': '/sbin/init',
    'env': {'PLACE': 'the lab', 'EMPTY': ''},
    'pool': 'blue',
}
FIRST = {'name': 'eth0', 'bridge': 'vmbr0', 'ip': 'dhcp', 'ip6': '2001:db8::50/64'}
LAN = {'name': 'lan1', 'bridge': 'br-lan', 'ip': '10.77.0.50/24', 'mtu': 1400}
DOWN = {'name': 'spare', 'bridge': 'br-lan', 'ip6': 'manual', 'link_down': True, 'mac_address': 'BC:24:11:00:09:53'}
ONLY_6 = {'name': 'eth0', 'bridge': 'br-lan', 'ip6': '2001:db8:1::51/128', 'gw6': '2001:db8:9::1'}
BACKUP = 'vzdump-lxc-951-2026_11_28-10_00_00.tar'


def back_up(lab: Lab) -> str:
    """An archive of container 951 with its config, as vzdump makes it; the volume that it is."""
    lab.guest(951, 'echo saved > /root/mark')
    lab.sh(f'''set -e
folder=/var/lib/vz/dump/add; mkdir -p $folder/etc/vzdump
cp /etc/pve/lxc/951.conf $folder/etc/vzdump/pct.conf
without='--one-file-system --exclude=./var/cache/apt --exclude=./var/lib/apt'
pct exec 951 -- tar $without -C / -cf - . > /var/lib/vz/dump/{BACKUP}
tar -C $folder -rf /var/lib/vz/dump/{BACKUP} ./etc/vzdump/pct.conf
rm -r $folder
''')
    return f'local:backup/{BACKUP}'


def ha(lab: Lab) -> list[str]:
    """The lines of the HA manager's resources."""
    text = lab.sh('cat /etc/pve/ha/resources.cfg 2>/dev/null || true')
    return sorted(line.strip() for line in text.splitlines() if line.strip())


def rule(lab: Lab) -> str:
    """The list of the HA rule that a container of the test joins."""
    answer = lab.sh('pvesh get /cluster/ha/rules/main --output-format json')
    return str(json.loads(answer)['resources'])


def make_rule(lab: Lab) -> None:
    """A rule of the cluster with a guest that is in HA; PVE makes none without."""
    lab.sh('pvesh create /cluster/ha/rules --rule main --type node-affinity --nodes pve --resources ct:951')


def prepare(lab: Lab) -> None:
    """A second bridge of a name that is not PVE's, and a hook script that says when it was called."""
    lab.sh(f'''set -e
ip link show br-lan >/dev/null 2>&1 || ip link add br-lan type bridge
ip link set br-lan up
mkdir -p {HOOK.rpartition('/')[0]}
printf '#!/bin/sh\\necho "$1 $2" >> /run/hook\\n' > {HOOK}
chmod 755 {HOOK}
rm -f /run/hook
grep -qs '^pool:blue:' /etc/pve/user.cfg || pvesh create /pools --poolid blue
''')


def test_a_fleet_with_every_plain_option_is_settled_after_one_run(lab: Lab, project: Project) -> None:
    prepare(lab)
    project.containers(
        _950=container(**OPTIONS, network_config=FIRST, networks=[LAN, DOWN]),
        _951=container(
            name='six',
            network_config=ONLY_6,
            searchdomain='example.com corp.example.com',
            ha={'max_restart': 2, 'comment': 'billing'},
        ),
    )
    first = project.play().good()
    assert 'it has no' not in first.output  # both had their address in time
    lab.await_boot(950)  # its further networks come after the first one
    config = lab.config(950)
    expected = {
        **{key: str(OPTIONS[key]) for key in ('timezone', 'ostype', 'arch', 'cmode', 'tty', 'cpulimit', 'cpuunits')},
        **{key: str(OPTIONS[key]) for key in ('hookscript', 'entrypoint')},
        'console': '1',
        'debug': '0',
        'searchdomain': 'example.com corp.example.com',
        'startup': '3,down=45',
    }
    assert {key: config[key] for key in expected} == expected

    # What the guest and the node see of it.
    assert 'pool:blue::950::' in lab.sh('cat /etc/pve/user.cfg').splitlines()
    assert lab.guest(950, 'tr "\\0" "\\n" < /proc/1/environ').split('\n').count('PLACE=the lab') == 1
    assert 'search example.com corp.example.com' in lab.guest(951, 'cat /etc/resolv.conf')  # no DHCP client there
    assert lab.sh('cat /run/hook').splitlines() == ['950 pre-start', '950 post-start']
    assert lab.guest(950, 'cat /sys/class/net/lan1/mtu').strip() == '1400'
    assert '10.77.0.50/24' in lab.guest(950, 'ip -o address show lan1')
    assert 'default via 2001:db8:9::1 dev eth0' in lab.guest(951, 'ip -6 route')
    assert '2001:db8::50/64' in lab.guest(950, 'ip -o address show eth0')
    assert lab.guest(950, 'cat /sys/class/net/spare/address').strip() == 'bc:24:11:00:09:53'

    assert ha(lab) == ['comment billing', 'ct: 951', 'max_restart 2']
    make_rule(lab)

    # A container with IPv6 only is ready and shows its address.
    status = project.play(playbook='playbooks/status.yml').good()
    assert '2001:db8:1::51' in status.output

    lab.forget_requests()
    again = project.play().good()
    assert again.changed == 0
    assert lab.requests() == []
    FIGURES.append(f'{len(OPTIONS)} options and 3 interfaces, one container with IPv6 only: second run 0 calls')

    # Changes of a running container, one more out of a backup, and the way back.
    restored = {'name': 'copy', 'template': None, 'restore_from': back_up(lab), 'restart_policy': 'if_needed'}
    changed = {**OPTIONS, 'cpulimit': 1, 'env': {'PLACE': 'here'}, 'tty': 2, 'restart_policy': 'if_needed'}
    project.containers(
        _950=container(**changed, network_config=FIRST, networks=[DOWN, {**LAN, 'mtu': 1300}]),
        _951=container(name='six', network_config={**ONLY_6, 'ip6': '2001:db8:1::52/128'}, ha={'state': 'started'}),
        _952={**restored, 'ha': {'state': 'started', 'rules': ['main']}},
    )
    project.play().good()
    assert lab.guest(950, 'cat /sys/class/net/lan1/mtu').strip() == '1300'
    assert 'PLACE=here' in lab.guest(950, 'tr "\\0" "\\n" < /proc/1/environ').split('\n')
    assert '2001:db8:1::52/128' in lab.guest(951, 'ip -o address show eth0')
    assert lab.guest(952, 'cat /root/mark; hostname').split() == ['saved', 'copy']
    assert lab.config(952)['net0'].partition('hwaddr=')[2][:17] not in lab.config(951)['net0']
    assert ha(lab) == ['ct: 951', 'ct: 952', 'state started']  # of 951 it is what it is without a state
    assert rule(lab) == 'ct:951,ct:952'
    lab.forget_requests()
    assert project.play().good().changed == 0
    assert lab.requests() == []
    project.containers(
        _950=container(restart_policy='if_needed'), _951=container(name='six', network_config=ONLY_6), _952=restored
    )
    project.play().good()
    assert 'pool:blue::::' in lab.sh('cat /etc/pve/user.cfg').splitlines()
    left = {'hookscript', 'env', 'entrypoint', 'timezone', 'cpulimit', 'net1', 'net2', 'startup', 'searchdomain'}
    assert left & set(lab.config(950)) == set()
    assert ha(lab) == []
    assert lab.status(951) == 'running'
    lab.forget_requests()
    assert project.play().good().changed == 0
    assert lab.requests() == []
    FIGURES.append(
        'an entry of HA and its rule that came, changed and went, and a container out of a backup: last run 0 calls'
    )


def test_what_the_node_lacks_is_said_before_anything_is_made(lab: Lab, project: Project) -> None:
    lab.sh(f'rm -f {HOOK}')
    project.containers(
        _950=container(
            hookscript='local:snippets/hook.sh', timezone='Europe/Nowhere', networks=[{**LAN, 'bridge': 'no'}]
        )
    )
    run = project.play()
    assert run.rc != 0
    for part in ('does not exist (/var/lib/vz/snippets/hook.sh)', '"Europe/Nowhere"', 'bridge "no" does not exist'):
        assert part in run.output
    assert [request for request in lab.mutations() if json.dumps(request).count('950')] == []


def test_the_creation_sets_keys_and_password_and_shows_no_password(lab: Lab, project: Project) -> None:
    secret, key = 'canary-0ption5', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyOfTheTest ops'
    project.containers(_950=container(root_password=secret, ssh_public_keys=[key]))
    check = project.play('--check', '--diff', '-vvv').good()
    run = project.play('--diff', '-vvv').good()
    assert lab.guest(950, 'cat /root/.ssh/authorized_keys').strip() == key
    assert lab.guest(950, 'grep ^root: /etc/shadow').split(':')[1].startswith('$')
    kept = [*project.logs.rglob('*.log'), *project.folder.glob('results-*.jsonl')]
    assert len(kept) > 1
    for text in (check.output, run.output, *(path.read_text() for path in kept)):
        assert secret not in text
    assert lab.sh(f'grep -rl {secret} /var/lib/phoenix_hypervisor /var/log/phoenix_hypervisor /etc/pve || true') == ''
    assert project.play().good().changed == 0
