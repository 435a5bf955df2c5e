# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One fleet with an unreachable node, a foreign container, a disk grown by hand and a record that can't be read."""

from __future__ import annotations

import json

from support.site import STATE, WITH_PYTHON, Lab, Project


def test_each_fault_stays_with_its_container(lab: Lab, project: Project) -> None:
    project.containers(_950={}, _951={'name': 'grown'}, _954={'name': 'unreadable', 'target_state': 'configured'})
    project.play().good()
    lab.sh('pct resize 951 rootfs 4G')
    lab.sh(f'rm {STATE}/records/954.json && mkdir {STATE}/records/954.json')
    lab.sh(f'pct create 952 {WITH_PYTHON} --rootfs local:1 --hostname theirs --unprivileged 1')

    # The second node is one on which nothing listens.
    source = json.loads(project.inventory.read_text(encoding='utf-8'))
    (here,) = source['nodes']
    source['nodes']['away'] = {'ansible_host': '127.0.0.1', 'ansible_port': 1, 'ansible_user': 'root'}
    project.inventory.write_text(json.dumps(source), encoding='utf-8')
    project.containers(
        _950={'node': here, 'memory_mb': 320},
        _951={'node': here, 'name': 'grown'},
        _952={'node': here, 'name': 'foreign'},
        _953={'node': 'away', 'name': 'faraway'},
        _954={'node': here, 'name': 'unreadable', 'target_state': 'configured'},
        _955={'node': here, 'name': 'fresh', 'target_state': 'created'},
    )
    for words in (('--check',), ()):
        run = project.play(*words, playbook='playbooks/containers.yml')
        assert run.rc == 2, run.output
        told = {
            host: run.of('phoenix.hypervisor.phoenix_lxc_state', host)[0]['msg']
            for host in ('951', '952', '953', '954')
        }
        assert '/lxc_configs/951/storage_size_gb' in told['951']
        assert 'phoenix_adopt' in told['952']
        assert 'node away is unreachable' in told['953']
        assert 'records/954.json' in told['954']
        failed = {host: totals['failures'] for host, totals in run.totals.items() if totals['failures']}
        assert failed == {'951': 1, '952': 1, '953': 1, '954': 1}
        assert [run.totals[host]['changed'] for host in ('950', '955')] == [1, 1]
    assert lab.config(950)['memory'] == '320'
    assert (lab.word(950), lab.word(955)) == ('completed', 'created')

    status = project.play(playbook='playbooks/status.yml')
    assert status.rc == 2, status.output
    # Lines are broken where the addresses of this lab let them be.
    assert 'node away is unreachable' in ' '.join(status.output.split())
    assert 'The state of 2 containers is unknown: 953, 954' in status.output


def test_notes_of_settled_containers_are_printed_by_every_run(lab: Lab, project: Project) -> None:
    project.containers(_950={'nameserver': None}, _951={'name': 'held'})
    project.play().good()
    lab.sh('pct set 951 --tags phoenix-hold')
    project.containers(_950={}, _951={'name': 'held', 'memory_mb': 320})
    for words in ((), ('--check',)):
        run = project.play(*words).good()
        (notes,) = [event['result']['msg'] for event in run.events if 'Show the notes' in str(event.get('task'))]
        assert any(line.startswith('951 (held): ') and 'phoenix-hold' in line for line in notes), run.output
        assert run.changed == 0
        assert 'Create, configure and start' not in run.tasks('951')
