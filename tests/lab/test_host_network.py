# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's network: what is asked comes and stays, what cuts SSH goes back, whatever becomes of the run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from support.host import HOST, files, kill_all, revert_phase, settled
from support.site import STATE, Lab, Project, Run, until

MODULE = 'phoenix.hypervisor.phoenix_pve_network'
FILE = '/etc/network/interfaces'
BRIDGE = {'name': 'vmbr1', 'address': '10.66.0.1/24', 'bridge_ports': 'none'}
# Not started: the lab has no Open vSwitch, and what it would get is in the file.
SWITCH = {'name': 'vmbr3', 'ovs_ports': 'none', 'autostart': False}
PORT = {'name': 'vlan30', 'ovs_bridge': 'vmbr3', 'ovs_tag': 30, 'address': '10.68.0.1/24', 'autostart': False}
CONSENT = ('-e', 'phoenix_host_consent=network:vmbr1')
WATCHED = f'{FILE} {FILE}.new /etc/resolv.conf /etc/systemd/system /var/lib/phoenix_hypervisor'


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """The node, asked over connections of their own: what cuts the way to it would cut a shared one or pass it by."""
    lab.disconnect()
    return lab


def wants(project: Project, *interfaces: Mapping[str, Any]) -> None:
    """Write the host's configuration."""
    project.write('hypervisor_config.json', json.dumps({'network': {'interfaces': interfaces}}, indent=1))


def play(project: Project, *words: str) -> Run:
    """The network alone."""
    project.containers()
    return project.play('--tags', 'hypervisor_network', *words, playbook=HOST)


def result(run: Run) -> dict[str, Any]:
    """What the module said at last."""
    return run.of(MODULE, 'pve')[-1]


def moved(lab: Lab) -> dict[str, str]:
    """The port that SSH comes by, with another address: nobody reaches the node then."""
    last = lab.variables['PHOENIX_LAB_NODE_IP'].rpartition('.')
    return {'name': 'eth0', 'address': f'{last[0]}.99/24'}


def test_a_bridge_comes_and_a_second_run_does_nothing(lab: Lab, project: Project) -> None:
    lab.sh(f"sed -i '/gateway/a \\\\tpost-up touch /run/by-hand' {FILE}; echo 'source {FILE}.d/*' >> {FILE}")
    wants(project, {**BRIDGE, 'comment': 'for the models'}, SWITCH, PORT)
    before = files(lab, WATCHED)
    lab.forget_requests()
    look = play(project, '--check', '--diff').good()
    assert look.changed == 1
    assert '+vmbr1' in look.output
    assert 'cidr: 10.66.0.1/24' in look.output
    assert (lab.mutations(), files(lab, WATCHED)) == ([], before)

    done = play(project).good()
    assert result(done)['outcome'] == 'confirmed'
    assert result(done)['calls'] == result(look)['calls']
    assert '10.66.0.1/24' in lab.sh('ip -brief address show vmbr1')
    text = lab.sh(f'cat {FILE}')
    assert 'post-up touch /run/by-hand' in text
    assert 'source /etc/network/interfaces.d/*' in text
    assert 'iface vmbr3 inet manual\n\tovs_type OVSBridge\n\tovs_ports vlan30\n' in text
    assert 'iface vlan30 inet static\n\taddress 10.68.0.1/24\n\tovs_type OVSIntPort\n' in text
    assert '\tovs_bridge vmbr3\n\tovs_options tag=30\n' in text
    settled(lab, 'network', 'confirmed')

    before = files(lab, WATCHED)
    lab.forget_requests()
    again = play(project).good()
    assert (again.changed, lab.mutations(), files(lab, WATCHED)) == (0, [], before)

    wants(project)
    play(project, '-e', 'phoenix_host_consent=network:vmbr1,network:vmbr3,network:vlan30').good()
    left = lab.sh(f'cat {FILE}; ip -brief link')
    assert [name for name in ('vmbr1', 'vmbr3', 'vlan30') if name in left] == []


def test_what_cuts_ssh_goes_back_and_the_run_says_so(lab: Lab, project: Project) -> None:
    wants(project, BRIDGE, moved(lab))
    before = lab.sh(f'cat {FILE}')
    run = play(project, '-e', 'hypervisor_confirm_timeout=8')
    assert run.rc == 2, run.output
    assert result(run)['outcome'] == 'reverted'
    assert 'The node rolled back the change of its network' in run.output
    assert lab.sh(f'cat {FILE}') == before
    addresses = lab.sh('ip -brief address')
    assert moved(lab)['address'] not in addresses
    assert 'vmbr1' not in addresses
    settled(lab, 'network', 'reverted')
    assert moved(lab)['address'] in lab.sh('cat /var/lib/phoenix_hypervisor/revert/network/rejected/0')

    wants(project, BRIDGE)
    assert result(play(project).good())['outcome'] == 'confirmed'


def test_a_run_that_dies_confirms_nothing_and_nobody_builds_on_it(lab: Lab, project: Project) -> None:
    # A reload that takes its time, so that the run is killed before it can confirm.
    lab.sh(f"printf '\\nauto vmbr8\\niface vmbr8 inet manual\\n\\tbridge-ports none\\n\\tpost-up sleep 5\\n' >> {FILE}")
    wants(project, BRIDGE)
    before = lab.sh(f'cat {FILE}')
    project.containers()
    run = project.start('--tags', 'hypervisor_network', '-e', 'hypervisor_confirm_timeout=300', playbook=HOST)
    until(lambda: revert_phase(lab, 'network') == 'armed')
    kill_all(run)
    second = play(project)
    assert second.rc == 2, second.output
    assert 'awaits its confirmation' in second.output
    # What its timer does at the end of that time, which another test awaits: a second run may take long to come here.
    assert lab.sh('systemctl is-active phoenix-revert-network.timer') == 'active\n'
    lab.sh('systemctl start phoenix-revert-network.service')
    until(lambda: revert_phase(lab, 'network') == 'reverted', 90)
    assert lab.sh(f'cat {FILE}') == before
    settled(lab, 'network', 'reverted')


def test_a_reboot_in_between_comes_up_with_the_old_network(lab: Lab, project: Project) -> None:
    wants(project, moved(lab))
    before = lab.sh(f'cat {FILE}')
    project.containers()
    run = project.start('--tags', 'hypervisor_network', '-e', 'hypervisor_confirm_timeout=300', playbook=HOST)
    until(lambda: moved(lab)['address'] in inside(lab, 'cat', FILE))
    kill_all(run)
    stop = [
        'lxc-stop',
        '--kill',
        '-P',
        lab.variables['PHOENIX_LAB_LXCPATH'],
        '-n',
        lab.variables['PHOENIX_LAB_CONTAINER'],
    ]
    subprocess.run(stop, check=True, timeout=60)
    lab.run('up')
    assert lab.sh(f'cat {FILE}') == before
    assert moved(lab)['address'] not in lab.sh('ip -brief address')
    settled(lab, 'network', 'reverted')


def inside(lab: Lab, *argv: str) -> str:
    """A command on the node without its network."""
    path, name = lab.variables['PHOENIX_LAB_LXCPATH'], lab.variables['PHOENIX_LAB_CONTAINER']
    command = ['lxc-attach', '-P', path, '-n', name, '--clear-env', '--', *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


def test_an_interface_that_does_not_come_up_is_taken_back_at_once(lab: Lab, project: Project) -> None:
    lab.sh(f"printf '\\niface vmbr1 inet manual\\n\\tbridge-ports none\\n\\tpost-up ip link delete vmbr1\\n' >> {FILE}")
    wants(project, {**BRIDGE, 'autostart': True})
    before = lab.sh(f'cat {FILE}')
    run = play(project)
    assert run.rc == 2, run.output
    assert 'vmbr1 did not come up when the network was reloaded' in ' '.join(run.output.split())
    assert lab.sh(f'cat {FILE}') == before
    settled(lab, 'network', 'reverted')


def test_bonds_and_vlans_as_the_node_would_have_them(lab: Lab, project: Project) -> None:
    """A kernel that can't make them has them rolled back; what was asked of it is compared either way."""
    lab.sh('for n in 1 2; do ip link add eth$n type veth peer name port$n; done')
    try:
        wants(
            project,
            {'name': 'bond0', 'bond_slaves': ['eth1', 'eth2'], 'bond_mode': '802.3ad', 'bond_hash_policy': 'layer3+4'},
            {'name': 'vmbr2', 'bridge_ports': 'bond0', 'vlan_aware': True, 'vlan_ids': '10-20'},
            {'name': 'vmbr2.10', 'address': '10.67.0.1/24'},
        )
        taken = play(project).rc != 0
        text = lab.sh(f'cat {STATE}/revert/network/rejected/0' if taken else f'cat {FILE}')
        for stanza in (
            (
                'auto bond0\niface bond0 inet manual\n\tbond-slaves eth1 eth2\n\tbond-mode 802.3ad\n\tbond-miimon 100\n'
                '\tbond-xmit-hash-policy layer3+4\n'
            ),
            (
                'auto vmbr2\niface vmbr2 inet manual\n\tbridge-ports bond0\n\tbridge-stp off\n\tbridge-fd 0\n'
                '\tbridge-vlan-aware yes\n\tbridge-vids 10-20\n'
            ),
            'auto vmbr2.10\niface vmbr2.10 inet static\n\taddress 10.67.0.1/24\n',
        ):
            assert stanza in text
    finally:
        lab.sh('ip link delete eth1; ip link delete eth2')


@pytest.mark.parametrize('words', [(), ('--check',)], ids=['run', 'check'])
def test_all_that_is_wrong_is_told_before_anything(lab: Lab, project: Project, words: tuple[str, ...]) -> None:
    wants(
        project,
        {'name': 'eno7', 'address': '10.0.0.5/24'},
        {'name': 'vmbr1', 'bridge_ports': 'eth0'},
        {'name': 'vmbr2', 'bridge_ports': 'eno8'},
        {'name': 'vmbr0', 'gateway': lab.variables['PHOENIX_LAB_GUEST_GATEWAY'].rpartition('.')[0] + '.254'},
    )
    before = files(lab, WATCHED)
    lab.forget_requests()
    run = play(project, *words)
    assert run.rc == 2, run.output
    told = '\n'.join(result(run)['refusals'])
    for part in ('eno7', 'which has eth0', 'an address of its own', 'eno8', 'eth0 and vmbr0 would both have'):
        assert part in told
    assert (lab.mutations(), files(lab, WATCHED)) == ([], before)


def test_a_bridge_that_a_container_uses_is_not_removed(lab: Lab, project: Project) -> None:
    wants(project, BRIDGE)
    play(project).good()
    project.containers(
        _950={'network_config': {'name': 'eth0', 'bridge': 'vmbr1', 'ip': 'manual'}, 'target_state': 'running'}
    )
    project.play('--limit', '950').good()
    wants(project)
    kept = play(project, *CONSENT).good()
    assert kept.changed == 0
    assert 'container 950 use' in kept.output
    assert 'veth950i0' in lab.sh('ls /sys/class/net/vmbr1/brif')
    lab.sh('pct stop 950; pct destroy 950')
    play(project, *CONSENT).good()
    assert 'vmbr1' not in lab.sh('ip -brief link')


def test_nobody_confirms_from_the_node_itself(lab: Lab, project: Project) -> None:
    """A connection that never left the node proves nothing."""
    wants(project, BRIDGE)
    node, config = lab.variables['PHOENIX_LAB_NODE'], lab.variables['PHOENIX_LAB_SSH_CONFIG']
    jump = f"-o ProxyCommand='ssh -F {config} -W 127.0.0.1:22 {node}'"
    before = files(lab, WATCHED)
    lab.forget_requests()
    run = play(project, '-e', json.dumps({'ansible_ssh_extra_args': jump}))
    assert run.rc == 2, run.output
    assert 'from the node itself' in run.output
    assert (lab.mutations(), files(lab, WATCHED)) == ([], before)


def test_a_new_address_of_the_node_is_confirmed_there(lab: Lab, project: Project) -> None:
    address = moved(lab)['address'].partition('/')[0]
    wants(project, moved(lab))
    words = {
        'hypervisor_confirm_host': address,
        'ansible_ssh_extra_args': f'-o HostKeyAlias={lab.variables["PHOENIX_LAB_NODE_IP"]}',
    }
    try:
        run = play(project, '-e', json.dumps(words)).good()
        assert result(run)['outcome'] == 'confirmed'
        assert moved(lab)['address'] in inside(lab, 'ip', '-brief', 'address')
        assert 'confirmed' in inside(lab, 'cat', f'{STATE}/revert/network/phase')
    finally:
        inside(lab, '/opt/phoenix-lab/bin/reset-guests')
    assert lab.variables['PHOENIX_LAB_NODE_IP'] in lab.sh('ip -brief address')
