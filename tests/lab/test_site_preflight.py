# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live preflight: every fault of every container by name, the others go on; nothing due, nothing asked."""

from __future__ import annotations

import re

import pytest
from support.site import STATE, WITH_PYTHON, Lab, Project

PREFLIGHT = 'phoenix.hypervisor.phoenix_preflight'
NETWORK = {'name': 'eth0', 'ip': 'dhcp'}


@pytest.mark.parametrize('words', [(), ('--check',), ('--limit', '950,951,952,953')], ids=['run', 'check', 'limit'])
def test_each_faulty_container_fails_with_all_of_its_faults_and_is_not_touched(
    lab: Lab, project: Project, words: tuple[str, ...]
) -> None:
    lab.sh(f'pct create 953 {WITH_PYTHON} --rootfs local:1 --hostname theirs --unprivileged 1')
    faulty = {
        '_950': {'storage_pool': 'locla', 'is_template': True},
        '_951': {
            'network_config': {**NETWORK, 'bridge': 'vmbr7'},
            'mount_points': [{'host_path': '/srv/lost', 'container_path': '/srv'}],
        },
        '_952': {'template': 'local:vztmpl/debian-12-standrad_12.7-1_amd64.tar.zst'},
        '_953': {},
        '_954': {'target_state': 'created'},
        '_955': {'template': None, 'clone_from_ctid': '950', 'storage_pool': None, 'storage_size_gb': None},
    }
    project.containers(**{ctid: {'name': f'guest{ctid}'.replace('_', ''), **values} for ctid, values in faulty.items()})
    before = lab.node_files()
    lab.forget_requests()
    run = project.play(*words)
    assert run.rc != 0, run.output
    told = {
        host: run.of('phoenix.hypervisor.phoenix_lxc_state', host)[0]['msg'] for host in ('950', '951', '952', '953')
    }
    for host, pointers in {
        '950': ('/lxc_configs/950/storage_pool',),
        '951': ('/lxc_configs/951/network_config/bridge', '/lxc_configs/951/mount_points/0/host_path'),
        '952': ('/lxc_configs/952/template',),
        '953': ('/lxc_configs/953',),
    }.items():
        for pointer in pointers:
            assert re.search(rf'phoenix_lxc_configs.json:\d+:\d+  {pointer}', told[host]), run.output
    text = str(told)
    for words_of_it in ('locla', 'vmbr7', 'debian-12-standard_12.7-1_amd64.tar.zst', 'theirs', 'phoenix_adopt'):
        assert words_of_it in text
    if not words:
        assert 'its clone source 950 has a fault' in run.of('phoenix.hypervisor.phoenix_lxc_state', '955')[0]['msg']
    # The sound one is made, where the run is one that makes anything and has it.
    assert lab.word(954) == ('' if words else 'created')
    made = {request['path'] for request in lab.mutations()}
    assert not [path for path in made for ctid in (950, 951, 952, 953, 955) if str(ctid) in path]
    if words:
        assert lab.node_files() == before
        assert lab.sh(f'ls {STATE}/leases 2>/dev/null || true') == ''
    failed = {host for host, totals in run.totals.items() if totals['failures']}
    assert failed == {*told, *(() if '--limit' in words else ('955',))}


def test_a_settled_fleet_is_not_asked(lab: Lab, project: Project) -> None:
    project.containers(_950={}, _951={'name': 'other'})
    project.play().good()
    lab.forget_requests()
    run = project.play().good()
    assert run.changed == 0
    assert lab.requests() == []
    assert [e for e in run.events if e.get('action') == PREFLIGHT and e['status'] != 'skipped'] == []


def test_what_runs_on_a_gpu_counts_whoever_started_it(lab: Lab, project: Project) -> None:
    """A container that no file knows, by what nvidia-smi tells of its processes; one beside --limit."""
    lab.run('gpu', 'on', '2')
    uuid = 'GPU-00000000-aaaa-bbbb-cccc-0123456789ab'
    lab.sh(
        f'pct create 777 {WITH_PYTHON} --rootfs local:1 --hostname x --unprivileged 1 --dev0 /dev/nvidia0 --start 1'
        f' && echo "{uuid}, $(lxc-info -n 777 -pH), 8000" > /run/phoenix-lab/gpu/processes'
    )
    try:
        name = project.feature('computes')
        project.write(f'roles/{name}/meta/phoenix_feature.yml', '{"container": {"devices": ["nvidia-gpu"]}}')
        share = {'features': [name], 'vllm_gpu_memory_utilization': 0.45}
        project.containers(
            _950={'gpu_assignment': '0', **share},
            _951={'name': 'second', 'gpu_assignment': '1', **share},
            _952={'name': 'third', 'gpu_assignment': uuid, **share, 'vllm_tensor_parallel_size': 1},
        )
        project.play('--limit', '950,951').good()
        lab.await_boot(777, 950, 951)
        before = lab.node_files()
        run = project.play('--limit', '952')
        assert run.rc != 0
        place = r'phoenix_lxc_configs.json:\d+:\d+  /lxc_configs/952/vllm_gpu_memory_utilization  '
        assert re.search(place + r'got 0.45, which makes 1.39 of GPU 0 together with ', run.output), run.output
        for words in (
            '777, which runs and takes 8000 MiB now (0.49)',
            '950, which runs (0.45)',
            'at most 1.0 of a GPU',
        ):
            assert words in run.output
        assert lab.node_files() == before
    finally:
        lab.run('gpu', 'off')
        lab.sh('rm -f /run/phoenix-lab/gpu/processes')
