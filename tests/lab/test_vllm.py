# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vLLM itself, on the CPU, with a tiny model: template 920 with the feature, 950 cloned from it, which serves.

One fleet serves all of these, in order: provisioning it is what takes the time.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import tiny_model, wheelhouse
from support.site import Lab, Project, Run, until

PORT = 8090
LAB_ONLY = {
    # Where the wheels come from, and what the CPU needs: variables, nothing else.
    'vllm_version': wheelhouse.VERSION,
    'vllm_torch_backend': '',
    'vllm_index_url': 'none',
    'vllm_uv_version': wheelhouse.UV,
    'vllm_excluded_packages': list(wheelhouse.EXCLUDED),
    'vllm_packages': ['ca-certificates', 'curl', 'libnuma1', 'python3-venv'],
    'vllm_options': {'dtype': 'bfloat16', 'enforce-eager': True, 'kv-cache-memory-bytes': 64 * 1024**2},
    'vllm_ready_timeout': 600,
}
ASK = """
import json, sys, urllib.request
url, body = sys.argv[1], sys.argv[2].encode() if len(sys.argv) > 2 else None
request = urllib.request.Request(url, body, {"content-type": "application/json"})
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""


@dataclass
class Fleet:
    """920 and 950, and the runs that made them."""

    lab: Lab
    project: Project
    dry: Run
    real: Run
    serving: dict[str, Any]

    def write(self, **changes: Any) -> None:
        """The two containers, 950 with these changes."""
        self.serving.update(changes)
        both = {'storage_size_gb': 16, 'memory_mb': 6144, 'cores': 2, 'features': ['base_setup', 'vllm']}
        clone = {'name': 'vllmQwen3Coder', 'clone_from_ctid': '920', 'template': None, **self.serving}
        self.project.containers(_920={**both, 'name': 'BaseTemplateVllm', 'is_template': True}, _950={**both, **clone})

    def guest(self, script: str) -> str:
        """A shell script in 950."""
        return self.lab.guest(950, script)

    def ask(self, path: str, body: Any = None, inside: bool = False) -> Any:
        """The API's answer, asked from inside the container or from the node; None when there is none."""
        address = '127.0.0.1' if inside else self.guest('hostname -I').split()[0]
        words = [f'http://{address}:8000{path}', *([json.dumps(body)] if body else [])]
        self.lab.sh(f"mkdir -p /srv/models; cat > /srv/models/ask.py <<'END'\n{ASK}\nEND\n")
        command = 'python3 /srv/models/ask.py ' + ' '.join(f"'{word}'" for word in words)
        text = self.lab.sh(f'{"pct exec 950 -- " if inside else ""}{command} 2>/dev/null || true')
        return json.loads(text) if text.strip() else None

    def model(self) -> dict[str, Any]:
        """The one model that it serves."""
        return dict(self.ask('/v1/models')['data'][0])

    def process(self) -> str:
        """The server's process and how often systemd had to start it anew."""
        return self.guest('systemctl show --property=MainPID,NRestarts,ActiveState vllm').strip()

    def starts(self) -> int:
        """How often the service was started since the boot, as its journal has it."""
        return self.guest('journalctl --boot --unit=vllm --output=cat').count('Started vllm.service')


@pytest.fixture(scope='module')
def fleet(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Wheels and model on the node, then both containers in one run."""
    site_lab.run('reset')
    project = Project(site_lab, tmp_path_factory.mktemp('vllm'))
    model = tiny_model.write(project.folder / 'tiny')
    push(site_lab, wheelhouse.wheels(), '/srv/wheels')
    push(site_lab, model, '/srv/models/tiny')
    node = site_lab.variables['PHOENIX_LAB_NODE_IP']
    site_lab.sh(
        'systemctl is-active --quiet lab-wheels || systemd-run --quiet --collect --unit=lab-wheels '
        f'python3 -m http.server --directory /srv/wheels {PORT}'
    )
    variables = {
        **LAB_ONLY,
        'vllm_find_links': [f'http://{node}:{PORT}/'],
        'vllm_install_environment': {'PIP_TRUSTED_HOST': node},
    }
    project.write('group_vars/containers.yml', json.dumps(variables))
    project.write('host_vars/950.yml', json.dumps({'vllm_listen': '0.0.0.0'}))
    serving = {
        'mount_points': [{'host_path': '/srv/models', 'container_path': '/srv/models', 'read_only': True}],
        'vllm_model': '/srv/models/tiny',
        'vllm_served_model_name': 'tiny',
        'vllm_max_model_len': 256,
        'vllm_args': ['--max-num-seqs', '4'],
    }
    found = Fleet(site_lab, project, Run(0, '', project.results), Run(0, '', project.results), serving)
    found.write()
    found.dry = project.play('--check').good()
    found.real = project.play(timeout=1200).good()
    return found


def push(lab: Lab, folder: Path, target: str) -> None:
    """Copy a folder of this machine to the node."""
    command = ['ssh', '-F', lab.variables['PHOENIX_LAB_SSH_CONFIG'], lab.variables['PHOENIX_LAB_NODE']]
    unpack = f'mkdir -p {target} && tar -C {target} --no-same-owner -xf - && chmod -R a+rX {target}'
    with subprocess.Popen(['tar', '-C', str(folder), '-cf', '-', '.'], stdout=subprocess.PIPE) as archive:
        subprocess.run([*command, unpack], stdin=archive.stdout, check=True, timeout=120)


def due(run: Run, ctid: str = '950') -> list[str]:
    """The features that a run said are due."""
    return [item['name'] for item in run.of('phoenix.hypervisor.phoenix_lxc_state', ctid)[0]['due_features']]


def test_template_has_vllm_and_serves_nothing(fleet: Fleet) -> None:
    assert due(fleet.dry, '920') == ['base_setup', 'vllm']
    assert fleet.lab.config(920)['template'] == '1'
    assert fleet.lab.word(920) == 'completed'


def test_clone_does_only_what_its_source_has_not(fleet: Fleet) -> None:
    assert due(fleet.real) == ['vllm']
    tasks = [e['task'] for e in fleet.real.events if e.get('host') == '950' and e['status'] != 'skipped']
    assert not [task for task in tasks if 'Install vLLM' in task]
    assert fleet.lab.word(950) == 'completed'


@pytest.mark.parametrize('inside', [True, False], ids=['inside', 'node'])
def test_completions(fleet: Fleet, inside: bool) -> None:
    models = fleet.ask('/v1/models', inside=inside)
    assert [model['id'] for model in models['data']] == ['tiny']
    answer = fleet.ask('/v1/completions', {'model': 'tiny', 'prompt': 'hello', 'max_tokens': 8}, inside)
    assert answer['usage']['completion_tokens'] == 8
    talk = {'model': 'tiny', 'messages': [{'role': 'user', 'content': 'hello'}], 'max_tokens': 4}
    assert fleet.ask('/v1/chat/completions', talk, inside)['choices'][0]['message']['role'] == 'assistant'


def test_service_is_confined(fleet: Fleet) -> None:
    user, group = fleet.guest('ps -o user=,group= -p $(systemctl show -P MainPID vllm)').split()
    assert (user, group) == ('vllm', 'vllm')
    assert fleet.guest('stat -c "%a %U" /etc/vllm/environment').strip() == '600 root'
    properties = fleet.guest('systemctl show vllm --property=Type,ProtectSystem,NoNewPrivileges,LimitMEMLOCK')
    assert set(properties.split()) == {
        'Type=exec',
        'ProtectSystem=strict',
        'NoNewPrivileges=yes',
        'LimitMEMLOCK=infinity',
    }
    assert fleet.lab.config(950)['unprivileged'] == '1'


def test_second_run_makes_no_mutating_call(fleet: Fleet) -> None:
    fleet.lab.forget_requests()
    process = fleet.process()
    assert fleet.project.play().good().changed == 0
    assert fleet.lab.mutations() == []
    assert fleet.process() == process


def test_one_flag_restarts_the_service_once_and_nothing_else(fleet: Fleet) -> None:
    process, starts, boot = fleet.process(), fleet.starts(), fleet.guest('cat /proc/sys/kernel/random/boot_id')
    fleet.lab.forget_requests()
    fleet.write(vllm_max_model_len=128)
    dry = fleet.project.play('--check').good()
    plan = dry.of('phoenix.hypervisor.phoenix_lxc_state')[0]['due_features']
    assert [(item['name'], item['reason']) for item in plan] == [('vllm', 'variable vllm_max_model_len changed')]
    assert fleet.process() == process
    real = fleet.project.play().good()
    assert due(real) == ['vllm']
    assert fleet.lab.mutations() == []
    assert fleet.starts() == starts + 1
    assert fleet.process() != process
    assert fleet.guest('cat /proc/sys/kernel/random/boot_id') == boot
    assert fleet.model()['max_model_len'] == 128


def test_it_serves_again_after_a_reboot(fleet: Fleet) -> None:
    fleet.lab.sh('pct reboot 950')
    until(lambda: fleet.guest('hostname -I').split())
    until(lambda: fleet.ask('/v1/models'), seconds=300)
    answer = fleet.ask('/v1/completions', {'model': 'tiny', 'prompt': 'hello', 'max_tokens': 8})
    assert answer['usage']['completion_tokens'] == 8
    fleet.lab.forget_requests()
    assert fleet.project.play().good().changed == 0
    assert fleet.lab.mutations() == []


def test_missing_model_is_refused_while_the_old_one_serves(fleet: Fleet) -> None:
    process = fleet.process()
    fleet.write(vllm_model='/srv/models/none')
    run = fleet.project.play()
    fleet.write(vllm_model='/srv/models/tiny')
    assert run.rc != 0
    assert '/srv/models/none is not in the container' in run.output
    assert fleet.process() == process


def test_faulty_argument_fails_with_the_journal(fleet: Fleet) -> None:
    fleet.write(vllm_args=['--no-such-option'])
    run = fleet.project.play()
    assert run.rc != 0
    assert 'vLLM does not serve tiny: failed after' in run.output
    assert 'unrecognized arguments: --no-such-option' in run.output
