# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two inventories on one node: neither undoes what the other has set, and what cuts somebody off needs a consent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.host import HOST
from support.site import STATE, Lab, Project, Run

PLACES = '/etc/network/interfaces /etc/exports.d /etc/samba /etc/pve/firewall /etc/sysctl.d /etc/chrony'
FOLDER = '/var/lib/vz/shared'
SECTIONS: dict[str, Any] = {
    'network': {'interfaces': [{'name': 'vmbr1', 'address': '10.66.0.1/24', 'bridge_ports': 'none'}]},
    'nfs': {'exports': [{'path': f'{FOLDER}/a', 'clients': ['*'], 'options': 'ro'}]},
    'firewall': {'enabled': True, 'ipsets': {'office': ['192.0.2.9/32']}},
    'sysctl': {'net.ipv4.conf.default.log_martians': 1},
}
CONSENT = (
    "-e 'phoenix_host_consent=network:vmbr1,nfs:/var/lib/vz/shared/a@*,firewall:datacenter/enable,firewall:management'"
)


def inventory(lab: Lab, folder: Path, name: str, config: dict[str, Any] | None) -> Project:
    """A project with an id of its own, or the derived one for ''; None leaves the key out of its source."""
    folder.mkdir(exist_ok=True)
    project = Project(lab, folder)
    project.containers()
    source = json.loads(project.inventory.read_text(encoding='utf-8'))
    source.update({'inventory_id': name} if name else {})
    if config is None:
        del source['hypervisor_config']
    project.inventory.write_text(json.dumps(source), encoding='utf-8')
    project.write('hypervisor_config.json', json.dumps(config or {}, indent=1))
    return project


def play(project: Project, *words: str) -> Run:
    """The hypervisor's playbook."""
    return project.play(*words, playbook=HOST)


def state(lab: Lab) -> str:
    """The files that the sections are kept in, and what the node has of them."""
    return lab.sh(
        f'find {PLACES} -type f -exec sha256sum {{}} + 2>/dev/null | sort; ip -brief link show vmbr1; exportfs -v; '
        'sysctl net.ipv4.conf.default.log_martians'
    )


def plain(run: Run) -> str:
    """The output on one line with single blanks."""
    return ' '.join(run.output.replace('\\n', ' ').split())


def test_what_one_inventory_set_no_other_one_undoes(host_lab: Lab, tmp_path: Path) -> None:
    lab = host_lab
    lab.sh(f'mkdir -p {FOLDER}/a {FOLDER}/b')
    play(inventory(lab, tmp_path / 'one', 'one', SECTIONS)).good()
    before = state(lab)
    assert 'vmbr1' in before
    assert f'{FOLDER}/a' in before
    assert 'enable: 1' in lab.sh('cat /etc/pve/firewall/cluster.fw')
    for number, config in enumerate((None, {}, {'timezone': 'Etc/UTC', **{name: {} for name in SECTIONS}})):
        play(inventory(lab, tmp_path / f'two{number}', 'two', config)).good()
        assert state(lab) == before, config

    # Its own part stands beside, and goes without what the first one set.
    own = {
        'nfs': {'exports': [{'path': f'{FOLDER}/b', 'clients': ['*'], 'options': 'ro'}]},
        'sysctl': {'vm.swappiness': 30},
    }
    play(inventory(lab, tmp_path / 'own', 'two', own)).good()
    exports = lab.sh('cat /etc/exports.d/phoenix.exports')
    assert f'{FOLDER}/a *(' in exports
    assert f'{FOLDER}/b *(' in exports
    first = play(inventory(lab, tmp_path / 'again', 'one', SECTIONS)).good()
    assert first.changed == 0, first.output
    gone = inventory(lab, tmp_path / 'gone', 'two', {'nfs': {}, 'sysctl': {}})
    play(gone, '-e', 'phoenix_host_consent=nfs').good()
    assert state(lab) == before


def test_a_contradiction_names_both_inventories(host_lab: Lab, tmp_path: Path) -> None:
    lab = host_lab
    before = state(lab)
    other = {
        'firewall': {'enabled': False},
        'network': {'interfaces': [{'name': 'vmbr1', 'address': '10.67.0.1/24', 'bridge_ports': 'none'}]},
    }
    for words in (('--check',), ()):
        run = play(inventory(lab, tmp_path / 'two', 'two', other), *words)
        assert run.rc != 0
        assert 'network: vmbr1 is set differently by the inventory one' in plain(run), run.output
        assert (
            'firewall: datacenter/enable is set differently by the inventory one (1) and by this one, two (0)'
            in plain(run)
        )
        assert state(lab) == before


def test_what_cuts_somebody_off_needs_a_consent(host_lab: Lab, tmp_path: Path) -> None:
    lab = host_lab
    before = state(lab)
    empty = inventory(lab, tmp_path / 'one', 'one', {name: {} for name in SECTIONS})
    look = play(empty, '--check').good()
    assert CONSENT in plain(look), look.output
    assert 'network:vmbr1' in plain(look)
    refused = play(empty)
    assert refused.rc != 0
    assert CONSENT in plain(refused), refused.output
    assert state(lab) == before
    assert play(empty, '-e', 'phoenix_host_consent=netwrok').rc != 0

    option = CONSENT.partition("'")[2].rstrip("'")
    play(empty, '-e', option).good()
    after = state(lab)
    assert 'vmbr1' not in after
    assert FOLDER not in after
    assert 'enable' not in lab.sh('cat /etc/pve/firewall/cluster.fw 2>/dev/null || true')
    assert lab.sh(f'cat {STATE}/host/nfs.json').split() == ['{', '"inventories":', '{}', '}']
    assert play(empty, '-e', option).good().changed == 0


def test_records_of_an_earlier_version_are_adopted_by_who_sets_the_same(host_lab: Lab, tmp_path: Path) -> None:
    lab = host_lab
    lab.sh(
        f'''set -e; mkdir -p /etc/exports.d; rm -f {STATE}/host/nfs.json
printf '%s\\n' '{FOLDER}/a *(ro,no_subtree_check)' '{FOLDER}/b *(ro,no_subtree_check)' > /etc/exports.d/phoenix.exports
exportfs -ra'''
    )
    play(inventory(lab, tmp_path / 'two', 'two', {'nfs': {}})).good()
    assert f'{FOLDER}/a' in lab.sh('exportfs -v')
    own = {'nfs': SECTIONS['nfs']}
    kept = play(inventory(lab, tmp_path / 'one', 'one', own)).good()
    assert f'nfs:{FOLDER}/b@* was set by an earlier version' in plain(kept)
    assert f'{FOLDER}/b' in lab.sh('exportfs -v')
    gone = inventory(lab, tmp_path / 'gone', 'one', {'nfs': {}})
    assert play(gone).rc != 0
    play(gone, '-e', f'phoenix_host_consent=nfs:{FOLDER}/a@*,nfs:{FOLDER}/b@*').good()
    assert FOLDER not in lab.sh('exportfs -v')
