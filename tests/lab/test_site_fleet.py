# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets on real containers: limits, a parent's failure, twenty clones at once, the specification's example, snapshots.

The features are the tests' own and leave a mark each; what real ones do inside is tested elsewhere.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from support.site import SITE, TANK, Lab, Project, Run, container

STATE_MODULE = 'phoenix.hypervisor.phoenix_lxc_state'
REFUSED = 'not on node pve and not in this run'


def clone(source: int, name: str, **values: Any) -> dict[str, Any]:
    """A clone's entry: what the source has is not said again."""
    own = dict.fromkeys(('template', 'storage_pool', 'storage_size_gb', 'unprivileged'))
    return {**own, 'name': name, 'clone_from_ctid': str(source), **values}


def listed(lab: Lab) -> list[int]:
    """The CTIDs of all containers."""
    return [int(line.split()[0]) for line in lab.sh('pct list').splitlines()[1:]]


def made(lab: Lab) -> list[int]:
    """The CTIDs that the control plane made, in order."""
    calls = [r for r in lab.mutations() if r['method'] == 'POST' and r['status'] == 200]
    found = (re.fullmatch(r'/nodes/pve/lxc(/\d+/clone)?', r['path']) for r in calls)
    return [int(r['params'].get('newid', r['params'].get('vmid'))) for r, ok in zip(calls, found, strict=True) if ok]


def touched(lab: Lab) -> set[int]:
    """The CTIDs in the paths of the calls that changed something."""
    paths = (re.match(r'/nodes/pve/lxc/(\d+)/', r['path']) for r in lab.mutations())
    return {int(path[1]) for path in paths if path}


# -- limits ------------------------------------------------------------------------------------------------------------
# One fleet serves these, in order.


@pytest.fixture(scope='module')
def fleet(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """900, from it 920 and 930, from 920 the application 950. Nothing of it exists at first."""
    site_lab.run('reset')
    project = Project(site_lab, tmp_path_factory.mktemp('fleet'))
    project.feature('plain')
    project.feature('extra')
    project.script('touch /root/ran\n')
    write(project)
    return project


def write(project: Project, memory: int = 256) -> None:
    """The fleet's file."""
    both = {'features': ['plain', 'extra'], 'memory_mb': memory}
    project.containers(
        _900={'name': 'base', 'is_template': True, 'features': ['plain'], 'memory_mb': memory},
        _920=clone(900, 'middle', is_template=True, **both),
        _930=clone(900, 'aside', features=['plain'], memory_mb=memory),
        _950=clone(920, 'web', application_script='app.sh', **both),
    )


def test_limit_to_a_clone_whose_sources_are_missing_is_refused(fleet: Project) -> None:
    run = fleet.play('--limit', '950')
    assert run.rc != 0
    assert '--limit lineage_950' in run.output
    assert (fleet.lab.mutations(), listed(fleet.lab)) == ([], [])


def test_limit_to_its_lineage_builds_the_chain(fleet: Project) -> None:
    run = fleet.play('--limit', 'lineage_950').good()
    assert made(fleet.lab) == listed(fleet.lab) == [900, 920, 950]
    assert [run.of(STATE_MODULE, str(ctid))[-1]['state'] for ctid in (900, 920, 950)] == ['completed'] * 3
    assert [fleet.lab.config(ctid).get('template') for ctid in (900, 920, 950)] == ['1', '1', None]
    assert fleet.lab.guest(950, 'cat /etc/plain /etc/extra; ls /root/ran') == 'plainextra/root/ran\n'
    # The features came with the source's disk, so they were applied once each.
    assert [e['host'] for e in run.events if e.get('task', '').endswith('Leave a mark')] == ['900', '920']


def test_limit_to_a_clone_whose_sources_are_complete(fleet: Project) -> None:
    write(fleet, 320)
    fleet.lab.forget_requests()
    fleet.play('--limit', '950').good()
    assert touched(fleet.lab) == {950}
    assert fleet.lab.config(950)['memory'] == '320'


@pytest.mark.parametrize(
    ('pattern', 'chosen'),
    [
        ('feature_extra', {920, 950}),
        ('950:&feature_extra', {950}),
        ('!900', {920, 930, 950}),
        ('lineage_930', {900, 930}),
        ('containers:!feature_extra', {900, 930}),
    ],
)
def test_limit_by_patterns(fleet: Project, pattern: str, chosen: set[int]) -> None:
    """Each container has something to do; those that are chosen plan it."""
    write(fleet, 384)
    run = fleet.play('--check', '--limit', pattern).good()
    planned = {int(e['host']) for e in run.events if e.get('action') == STATE_MODULE and e['status'] == 'ok'}
    assert planned == chosen


def test_status_of_the_fleet(fleet: Project) -> None:
    # Ansible folds long lines of its output.
    rows = ' '.join(fleet.play(playbook='playbooks/status.yml').good().output.split())
    assert re.search(r'920 middle (created|completed) \S+ (extra,plain|plain,extra)', rows)
    assert re.search(r'930 aside defined ', rows)  # not there yet: its name is the file's


# -- a failing parent --------------------------------------------------------------------------------------------------


def test_a_failed_parent_skips_exactly_its_descendants(lab: Lab, project: Project) -> None:
    project.feature('plain')
    broken = {'name': 'Break', 'ansible.builtin.command': {'argv': ['false']}}
    project.feature('broken', [broken])
    both = ['plain', 'broken']
    project.containers(
        _900={'name': 'base', 'is_template': True, 'features': ['plain']},
        _910=clone(900, 'parent', is_template=True, features=both),
        _911=clone(910, 'child', is_template=True, features=both),
        _912=clone(911, 'grandchild', features=both),
        _920=clone(900, 'sibling', features=['plain']),
    )
    run = project.play()
    assert run.rc != 0
    assert 'Container 911 (child) is skipped: its clone source 910 failed.' in run.output
    assert 'Container 912 (grandchild) is skipped: its clone source 911 was skipped.' in run.output
    assert run.output.count(' is skipped: its clone source ') == 2
    failed = {host for host, totals in run.totals.items() if totals['failures'] or totals['unreachable']}
    assert failed == {'910'}
    assert listed(lab) == [900, 910, 920]
    assert {ctid: lab.word(ctid) for ctid in (900, 910, 911, 912, 920)} == {
        900: 'completed',
        910: 'customizing',
        911: '',
        912: '',
        920: 'completed',
    }
    # At midnight there is a second file.
    trail = ''.join(path.read_text(encoding='utf-8') for path in project.logs.glob('orchestrator_*.log'))
    skipped = [row for row in trail.splitlines() if 'Report why this container is skipped' in row]
    assert sorted(re.findall(r'ctid=(\d+)', ' '.join(skipped))) == ['911', '912']

    # Once corrected, the next run does what is left, and nothing to the others.
    project.feature('broken')
    lab.forget_requests()
    project.play().good()
    assert (made(lab), touched(lab) & {900, 920}) == ([911, 912], set())
    assert [lab.word(ctid) for ctid in (910, 911, 912)] == ['completed'] * 3


# -- twenty clones -----------------------------------------------------------------------------------------------------


def test_twenty_clones_of_one_template(lab: Lab, project: Project) -> None:
    """All wait for the lock that each cloning takes on the source; all get there, each with an identity of its own."""
    ctids = range(951, 971)
    feature = project.feature()
    template = {'name': 'base', 'is_template': True, 'features': [feature], 'cores': 2}
    clones = {f'_{ctid}': clone(900, f'web{ctid}', features=[feature], memory_mb=128) for ctid in ctids}
    project.containers(_900=template, **clones)
    run = project.play().good()
    assert {host for host, totals in run.totals.items() if totals['changed']} == {'900', *map(str, ctids)}
    assert sorted(made(lab)) == listed(lab) == [900, *ctids]
    assert lab.volumes() == ['900', *map(str, ctids)]
    shown = lab.sh(
        'for ctid in $(seq 951 970); do echo $ctid $(cat /var/lib/phoenix_hypervisor/state/$ctid.state) '
        '$(sed -n "s/.*hwaddr=\\([^,]*\\).*/\\1/p" /etc/pve/lxc/$ctid.conf) '
        '$(pct exec $ctid -- sh -c "hostname; cat /etc/machine-id /etc/marker"); done'
    )
    rows = [line.split() for line in shown.splitlines()]
    assert [row[:2] for row in rows] == [[str(ctid), 'completed'] for ctid in ctids]
    assert [row[3] for row in rows] == [f'web{ctid}' for ctid in ctids]
    assert [len({row[column] for row in rows}) for column in (2, 4)] == [20, 20]
    assert {row[-1] for row in rows} == {'marker'}
    lab.forget_requests()
    assert (project.play().good().changed, lab.mutations()) == (0, [])


# -- the specification's example ---------------------------------------------------------------------------------------


def test_the_example_of_the_specification(lab: Lab, project: Project) -> None:
    """950 alone in the file: refused while 920 is nowhere, built when it is on the node. The script lies beside it."""
    for name in ('base', 'gpu', 'engine', 'server'):
        project.feature(name)
    project.script('echo served > /root/served\n', 'phoenix_hypervisor_lxc_950.sh')
    example = {
        'name': 'vllmQwen3Coder',
        'clone_from_ctid': '920',
        'memory_mb': 40960,
        'cores': 8,
        'features': ['base', 'gpu', 'engine', 'server'],
        'application_script': 'phoenix_hypervisor_lxc_950.sh',
    }
    project.write('phoenix_lxc_configs.json', json.dumps({'lxc_configs': {'950': example}}))
    run = project.play(playbook=SITE)
    assert run.rc != 0
    assert f'container 920 is {REFUSED}' in run.output
    assert (lab.mutations(), listed(lab)) == ([], [])

    source = container(name='engine', is_template=True, features=['base', 'gpu', 'engine'])
    project.write('phoenix_lxc_configs.json', json.dumps({'lxc_configs': {'920': source}}))
    project.play(playbook=SITE).good()
    project.write('phoenix_lxc_configs.json', json.dumps({'lxc_configs': {'950': example}}))
    run = project.play(playbook=SITE).good()
    assert [item['name'] for item in run.state()['due_features']] == ['server']
    assert (lab.word(950), lab.guest(950, 'cat /root/served; hostname')) == ('completed', 'served\nvllmQwen3Coder\n')
    assert {key: lab.config(950)[key] for key in ('memory', 'cores')} == {'memory': '40960', 'cores': '8'}
    lab.forget_requests()
    assert (project.play(playbook=SITE).good().changed, lab.mutations()) == (0, [])


# -- sources that run --------------------------------------------------------------------------------------------------


def cloning(run: Run, lab: Lab, ctid: int) -> list[tuple[str, str, Any]]:
    """The calls to a source that made this clone."""
    assert run.rc == 0, run.output
    calls = [r for r in lab.mutations() if re.search(r'/(clone|snapshot)\b', r['path']) and r['status'] == 200]
    mine = [r for r in calls if str(ctid) in json.dumps([r['path'], r['params']])]
    return [(r['method'], r['path'].removeprefix('/nodes/pve/lxc/'), r['params'].get('snapname')) for r in mine]


def test_a_running_source_is_cloned_from_a_snapshot(lab: Lab, project: Project) -> None:
    lab.sh(TANK)
    feature = project.feature()
    source = {'name': 'source', 'storage_pool': 'tank', 'features': [feature]}
    template = clone(900, 'template', is_template=True, features=[feature])
    project.containers(_900=source, _910=template, _960=clone(910, 'linked', features=[feature]))
    run = project.play()
    # A temporary snapshot, which is gone afterwards; the source ran on.
    assert cloning(run, lab, 910)[:3] == [
        ('POST', '900/snapshot', 'phoenix-910'),
        ('POST', '900/clone', 'phoenix-910'),
        ('DELETE', '900/snapshot/phoenix-910', None),
    ]
    assert (lab.status(900), 'phoenix-910' in lab.sh('pct listsnapshot 900')) == ('running', False)
    assert not [r for r in lab.mutations() if re.search('/900/status/(stop|shutdown|reboot)', r['path'])]
    # From a template a linked clone, where the storage can.
    assert lab.config(960)['rootfs'].startswith('tank:basevol-910-disk-0/subvol-960-disk-0,')
    assert lab.guest(960, 'cat /etc/marker') == 'marker'
    assert 'still in use' in lab.sh('pct destroy 910 2>&1', check=False)

    # A named snapshot: taken when the source is complete, and what came later is not in the clone.
    project.containers(_900={**source, 'template_snapshot_name': 'ready'})
    project.play().good()
    lab.guest(900, 'touch /root/later')
    project.containers(_900={**source, 'template_snapshot_name': 'ready'}, _951=clone(900, 'named', features=[feature]))
    lab.forget_requests()
    run = project.play()
    assert cloning(run, lab, 951) == [('POST', '900/clone', 'ready')]
    assert lab.guest(951, 'cat /etc/marker; ls /root/later 2>/dev/null || echo without') == 'markerwithout\n'
    # A server knows each by a name of its own, and no copy has a lease or an address of another one.
    stored = {ctid: lab.guest(ctid, 'cat /var/lib/dhcp/dhclient.eth0.leases') for ctid in (900, 951, 960)}
    assert len({line for text in stored.values() for line in text.splitlines() if 'default-duid' in line}) == 3
    for ctid in (951, 960):
        leased = re.findall(r'fixed-address (\S+);', stored[ctid])
        assert leased == re.findall(r'inet (\S+)/', lab.guest(ctid, 'ip -4 addr show dev eth0'))
    lab.forget_requests()
    assert (project.play().good().changed, lab.mutations()) == (0, [])
