# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vLLM itself, on the CPU: the specification's 950 cloned from 920, with simulated GPUs and models of the node's store.

One fleet serves all of these, in order: provisioning it is what takes the time.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import aptrepo, tiny_model, wheelhouse
from support.figures import figure, times
from support.site import CHECKOUT, SITE, STATE, Lab, Project, Run, until

PORT = 8090
STATE_MODULE = 'phoenix.hypervisor.phoenix_lxc_state'
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
    # Ranks want a memory node each to bind themselves to; and what is left to compile even so wants a compiler.
    'vllm_environment': {'VLLM_CPU_OMP_THREADS_BIND': 'nobind', 'TORCHDYNAMO_DISABLE': '1'},
}
ASK = """
import json, sys, urllib.request
url, body = sys.argv[1], sys.argv[2].encode() if len(sys.argv) > 2 else None
request = urllib.request.Request(url, body, {"content-type": "application/json"})
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""


# Four at a time ask for long answers, one after the other, until there are none: the service is stopped within some.
QUESTIONS = """rm -rf /run/answers; mkdir /run/answers; cat > /run/questions <<'END'
ask() {
  number=1
  while curl --fail --no-progress-meter --no-buffer --output /run/answers/$1-$number \\
    http://ADDRESS:8000/v1/completions --header 'content-type: application/json' \\
    --data '{"model": "MODEL", "prompt": "hello", "max_tokens": 400, "ignore_eos": true, "stream": true}'
  do number=$((number + 1)); done
}
for one in 1 2 3 4; do ask $one & done 2> /run/answers/error
wait
touch /run/answers/ended
END
systemd-run --quiet --collect --unit=lab-questions sh /run/questions
"""
# Word for word: 950 alone, whose source is on the node and not in the file.
EXAMPLE = CHECKOUT / 'tests/unit/plugins/plugin_utils/config/documents/field/smallest.json'
SCRIPT = """nvidia-smi --query-gpu=uuid,driver_version --format=csv,noheader > /root/application
docker version --format '{{.Server.Version}}' >> /root/application
/opt/vllm/bin/python -c 'import importlib.metadata as m; print(m.version("vllm"))' >> /root/application
"""
OLD, NEW = '570.124.06', '575.51.03'
STORE = '/var/lib/models'
MODEL = 'acme/tiny'
SPECIFIED = ['base_setup', 'nvidia', 'docker', 'vllm']
# Of an upgrade of the driver under a service: what must come after what.
ORDER = (
    'nvidia : Stop the services while the driver changes',
    'nvidia : Run the installer',
    'nvidia : Check that it works and has the node\'s version',
    'vllm : Enable and start the service',
)


@dataclass
class Fleet:
    """920, what is cloned from it, and the runs that made them, by name."""

    lab: Lab
    project: Project
    runs: dict[str, Run] = field(default_factory=dict)
    serving: dict[str, Any] = field(default_factory=dict)
    revision: str = 'main'

    def play(self, name: str, *words: str) -> Run:
        """A run that must succeed, and its time."""
        started = time.monotonic()
        self.runs[name] = self.project.play(*words, playbook=SITE, timeout=1200).good()
        figure(name, f'{time.monotonic() - started:.0f} s')
        return self.runs[name]

    def write(self, driver: str = OLD, **changes: Any) -> None:
        """The template, 950 with these changes, one more container with a GPU, and one without."""
        self.serving.update(changes)
        clone = {'clone_from_ctid': '920', 'template': None, 'storage_pool': None, 'storage_size_gb': None}
        clone |= {'network_config': None, 'unprivileged': None, 'swap_mb': None, 'memory_mb': 6144, 'cores': 2}
        self.project.containers(
            _920=self.template(),
            _950={**clone, 'name': 'vllmQwen3Coder', 'features': SPECIFIED, 'gpu_assignment': '0', **self.serving},
            _951={**clone, 'name': 'gpu', 'features': SPECIFIED[:3], 'gpu_assignment': '1', 'memory_mb': 512},
            _952={'name': 'other', 'features': ['base_setup']},
        )
        file = self.project.folder / 'phoenix_lxc_configs.json'
        address = f'{self.server}/nvidia/NVIDIA-Linux-x86_64-{driver}.run'
        checksum = self.lab.sha256(f'/srv/nvidia/NVIDIA-Linux-x86_64-{driver}.run')
        top = {'nvidia_runfile_url': address, 'nvidia_runfile_sha256': checksum}
        whole = {**json.loads(file.read_text(encoding='utf-8')), **top}
        file.write_text(json.dumps(whole), encoding='utf-8')
        model = {'name': MODEL, 'source': '/srv/tiny', 'revision': self.revision}
        host = {'model_store': {'path': STORE, 'models': [model]}}
        self.project.write('hypervisor_config.json', json.dumps(host))

    def template(self) -> dict[str, Any]:
        """920."""
        own = {'storage_size_gb': 16, 'memory_mb': 2048, 'cores': 2, 'is_template': True}
        return {**own, 'name': 'baseTemplateVllm', 'features': SPECIFIED[:3]}

    @property
    def server(self) -> str:
        """Where the node serves wheels and run files."""
        return f'http://{self.lab.variables["PHOENIX_LAB_NODE_IP"]}:{PORT}'

    def guest(self, script: str) -> str:
        """A shell script in 950."""
        return self.lab.guest(950, script)

    def ask(self, path: str, body: Any = None, inside: bool = False) -> Any:
        """The API's answer, asked from inside the container or from the node; None when there is none."""
        address = '127.0.0.1' if inside else self.guest('hostname -I').split()[0]
        words = [f'http://{address}:8000{path}', *([json.dumps(body)] if body else [])]
        command = f"python3 -c '{ASK}' " + ' '.join(f"'{word}'" for word in words)
        text = self.lab.sh(f'{"pct exec 950 -- " if inside else ""}{command} 2>/dev/null || true')
        return json.loads(text) if text.strip() else None

    def model(self) -> dict[str, Any]:
        """The one model that it serves."""
        return dict(self.ask('/v1/models')['data'][0])

    def process(self) -> str:
        """The server's process and how often systemd had to start it again."""
        return self.guest('systemctl show --property=MainPID,NRestarts,ActiveState vllm').strip()

    def others(self) -> dict[str, str]:
        """When the container and each service but vllm and those that a connection starts were started."""
        text = self.guest(
            'systemctl show --property=Id,ActiveEnterTimestampMonotonic --type=service --state=running "*"'
        )
        pairs = [dict(line.split('=', 1) for line in part.splitlines()) for part in text.split('\n\n') if part]
        found = {pair['Id']: pair['ActiveEnterTimestampMonotonic'] for pair in pairs if pair['Id'] != 'vllm.service'}
        return {**found, 'boot': self.guest('cat /proc/sys/kernel/random/boot_id; ps -o lstart= -p 1')}

    def untouched(self) -> dict[str, Any]:
        """What an upgrade of the driver leaves alone: 952, the template's volume, what PVE and we keep of both."""
        kept = f'stat -c "%n %Y %Z %s" /etc/pve/lxc/*.conf {STATE}/*/920.* {STATE}/*/952.*'
        volume = 'find /var/lib/vz/images/920 -xdev -printf "%p %s %m %T@ %C@\\n" | sort | sha256sum'
        return {'952': self.lab.guest_files(952), 'node': self.lab.sh(kept), '920': self.lab.sh(volume)}

    def starts(self) -> int:
        """How often the service was started since the boot, as its journal has it."""
        return self.guest('journalctl --boot --unit=vllm --output=cat').count('Started vllm.service')


@pytest.fixture(scope='module')
def fleet(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """GPUs, wheels, run files and the model on the node; then 920, the example from it, and the fleet that serves."""
    site_lab.run('reset')
    site_lab.run('gpu', 'on', '2', '--driver', OLD)
    site_lab.sh(f'rm -rf {STORE} /var/cache/phoenix_hypervisor')
    project = Project(site_lab, tmp_path_factory.mktemp('vllm'))
    push(site_lab, wheelhouse.wheels(), '/srv/wheels')
    push(site_lab, tiny_model.write(project.folder / 'tiny'), '/srv/tiny')
    packages = aptrepo.write(project.folder / 'packages', [])
    push(site_lab, packages, '/srv/packages')
    for version in (OLD, NEW):
        site_lab.run('gpu', 'runfile', version, '/srv/nvidia')
    site_lab.sh(
        'systemctl is-active --quiet lab-wheels || systemd-run --quiet --collect --unit=lab-wheels '
        f'python3 -m http.server --directory /srv {PORT}'
    )
    found = Fleet(site_lab, project)
    variables = {
        **LAB_ONLY,
        'nvidia_runfile_url': f'{found.server}/nvidia/NVIDIA-Linux-x86_64-{OLD}.run',
        'nvidia_runfile_sha256': site_lab.sha256(f'/srv/nvidia/NVIDIA-Linux-x86_64-{OLD}.run'),
        'nvidia_toolkit_repo_url': f'{found.server}/packages',
        'nvidia_toolkit_key_fingerprints': aptrepo.fingerprints(packages),
        'nvidia_toolkit_key_url': f'{found.server}/packages/{aptrepo.KEY}',
        'vllm_find_links': [f'{found.server}/wheels/'],
        'vllm_install_environment': {'PIP_TRUSTED_HOST': site_lab.variables['PHOENIX_LAB_NODE_IP']},
    }
    project.write('group_vars/containers.yml', json.dumps(variables))
    project.write('host_vars/950.yml', json.dumps({'vllm_listen': '0.0.0.0', 'vllm_shm_size': '2G'}))
    project.containers(_920=found.template())
    found.play('920 from its template')
    project.write('phoenix_lxc_configs.json', EXAMPLE.read_text(encoding='utf-8'))
    project.script(SCRIPT, 'phoenix_hypervisor_lxc_950.sh')
    found.play('the example, dry run', '--check', '--diff')
    found.play('the example, 950 from 920 with vLLM')
    del variables['nvidia_runfile_url'], variables['nvidia_runfile_sha256']
    project.write('group_vars/containers.yml', json.dumps(variables))
    found.write(vllm_model=MODEL, vllm_max_model_len=512, vllm_args=['--max-num-seqs', '4'])
    found.play('the fleet, 950 serving')
    return found


def push(lab: Lab, folder: Path, target: str) -> None:
    """Copy a folder of this machine to the node."""
    command = ['ssh', '-F', lab.variables['PHOENIX_LAB_SSH_CONFIG'], lab.variables['PHOENIX_LAB_NODE']]
    unpack = f'mkdir -p {target} && tar -C {target} --no-same-owner -xf - && chmod -R a+rX {target}'
    with subprocess.Popen(['tar', '-C', str(folder), '-cf', '-', '.'], stdout=subprocess.PIPE) as archive:
        subprocess.run([*command, unpack], stdin=archive.stdout, check=True, timeout=120)


def due(run: Run, ctid: str = '950') -> list[str]:
    """The features that a run said are due."""
    return [item['name'] for item in run.of(STATE_MODULE, ctid)[0]['due_features']]


def test_the_example_is_built_from_920(fleet: Fleet) -> None:
    """Its source's features count, vLLM is installed, and the script finds all of it."""
    example = fleet.runs['the example, 950 from 920 with vLLM']
    assert due(fleet.runs['920 from its template'], '920') == SPECIFIED[:3]
    assert due(fleet.runs['the example, dry run']) == due(example) == ['vllm']
    assert fleet.lab.config(920)['template'] == '1'
    said = fleet.guest('cat /root/application').split()
    assert said[0::3][:1] == ['GPU-00000000-aaaa-bbbb-cccc-0123456789ab,']
    assert said[1] == OLD
    assert said[-1] == f'{wheelhouse.VERSION}+cpu'
    trail = fleet.lab.trail()
    figure('950, each state', '; '.join(times(trail, 950)))
    figure('920, each state', '; '.join(times(trail, 920)))


def test_a_model_without_a_script_is_served_from_the_store(fleet: Fleet) -> None:
    """Only the container's keys changed: vLLM is there already. The weights are the node's, mounted read-only."""
    run = fleet.runs['the fleet, 950 serving']
    assert due(run) == ['vllm']
    assert not [task for task in run.tasks() if 'Install vLLM' in task]
    assert {ctid: fleet.lab.word(ctid) for ctid in (920, 950, 951, 952)} == dict.fromkeys(
        (920, 950, 951, 952), 'completed'
    )
    assert f'{STORE},mp={STORE},ro=1' in fleet.lab.config(950).values()
    assert fleet.guest(f'test -e {STORE}/{MODEL}/config.json && ls /var/lib/vllm').split().count('huggingface') <= 1
    assert fleet.guest('find /var/lib/vllm /opt -name model.safetensors') == ''
    devices = [value.partition(',')[0] for key, value in fleet.lab.config(950).items() if key.startswith('dev')]
    assert devices[0].removeprefix('path=') == '/dev/nvidia0'


@pytest.mark.parametrize('inside', [True, False], ids=['inside', 'node'])
def test_completions(fleet: Fleet, inside: bool) -> None:
    models = fleet.ask('/v1/models', inside=inside)
    assert [model['id'] for model in models['data']] == [MODEL]
    answer = fleet.ask('/v1/completions', {'model': MODEL, 'prompt': 'hello', 'max_tokens': 8}, inside)
    assert answer['usage']['completion_tokens'] == 8
    talk = {'model': MODEL, 'messages': [{'role': 'user', 'content': 'hello'}], 'max_tokens': 4}
    assert fleet.ask('/v1/chat/completions', talk, inside)['choices'][0]['message']['role'] == 'assistant'
    where = 'inside' if inside else 'from the node'
    figure(f'/v1/models {where}', json.dumps(models))
    figure(f'/v1/completions {where}', json.dumps(answer))


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
    assert fleet.guest('df --output=size --block-size=1M /dev/shm').split()[-1] == '2048'


def test_second_run_makes_no_mutating_call(fleet: Fleet) -> None:
    fleet.lab.forget_requests()
    process = fleet.process()
    assert fleet.play('second run').changed == 0
    assert fleet.lab.mutations() == []
    figure('mutating calls of the second run', len(fleet.lab.mutations()))
    assert fleet.process() == process


def test_one_flag_restarts_the_service_once_and_nothing_else(fleet: Fleet) -> None:
    """A request that is being answered is answered to its end."""
    process, starts, others = fleet.process(), fleet.starts(), fleet.others()
    fleet.lab.forget_requests()
    fleet.write(vllm_max_model_len=448)
    dry = fleet.play('one flag changed, dry run', '--check')
    plans = {host: dry.of(STATE_MODULE, host) for host in ('920', '950', '951', '952')}
    named = {
        host: [(item['name'], item['reason']) for item in plan[0]['due_features']]
        for host, plan in plans.items()
        if plan
    }
    assert named == {'950': [('vllm', 'variable vllm_max_model_len changed')]}
    figure('plan after one flag', named)
    assert fleet.process() == process
    real = fleet.play('one flag changed')
    assert due(real) == ['vllm']
    assert fleet.lab.mutations() == []
    assert fleet.starts() == starts + 1
    assert fleet.process() != process
    assert fleet.others() == others
    assert fleet.model()['max_model_len'] == 448
    figure('starts of vllm.service by it', fleet.starts() - starts)


def test_it_serves_again_after_a_reboot(fleet: Fleet) -> None:
    """And what it was answering when it was stopped, it answered to the end."""
    address = fleet.guest('hostname -I').split()[0]
    fleet.lab.sh(QUESTIONS.replace('ADDRESS', address).replace('MODEL', MODEL))
    until(lambda: fleet.lab.sh('ls /run/answers/1-2 2>/dev/null || true').strip())
    fleet.lab.sh('pct reboot 950')
    until(lambda: fleet.lab.sh('ls /run/answers/ended 2>/dev/null || true').strip())
    assert (
        fleet.lab.sh('grep -L \'"finish_reason":"length"\' $(find /run/answers -name "[1-4]-*" -size +0) || true') == ''
    )
    assert '/dev/nvidia1' not in ''.join(fleet.lab.config(950).values())  # it was the example's, and waited
    until(lambda: fleet.guest('hostname -I').split())
    until(lambda: fleet.ask('/v1/models'), seconds=300)
    question = {'model': MODEL, 'prompt': 'hello', 'max_tokens': 8}
    for inside in (True, False):
        answer = fleet.ask('/v1/completions', question, inside)
        assert answer['usage']['completion_tokens'] == 8
    figure('/v1/completions after a reboot', json.dumps(answer))
    fleet.lab.forget_requests()
    assert fleet.play('a run after the reboot').changed == 0
    assert fleet.lab.mutations() == []


def test_embeddings(fleet: Fleet) -> None:
    """The same model as one that embeds: arguments of the container."""
    # From its next start on the service has its GPU open, as it would have on one: the CPU's build opens none.
    fleet.guest(
        'mkdir -p /etc/systemd/system/vllm.service.d; '
        'printf "[Service]\\nStandardInput=file:/dev/nvidia0\\n" > /etc/systemd/system/vllm.service.d/gpu.conf'
    )
    fleet.write(vllm_args=['--runner', 'pooling', '--convert', 'embed'])
    fleet.play('another task: embeddings')
    answer = fleet.ask('/v1/embeddings', {'model': MODEL, 'input': ['hello', 'world']})
    assert [len(item['embedding']) for item in answer['data']] == [tiny_model.HIDDEN] * 2
    figure('/v1/embeddings', json.dumps({**answer, 'data': f'2 vectors of {tiny_model.HIDDEN} numbers'}))


def test_missing_model_is_refused_while_the_old_one_serves(fleet: Fleet) -> None:
    process = fleet.process()
    fleet.write(vllm_model='/srv/models/none')
    run = fleet.project.play(playbook=SITE)
    fleet.write(vllm_model=MODEL)
    assert run.rc != 0
    assert '/srv/models/none is not in the container' in run.output
    assert fleet.process() == process


def test_two_ranks_share_the_model(fleet: Fleet) -> None:
    """Each in a process and on a GPU of its own; they meet in /dev/shm, within what the unit allows."""
    fleet.write(vllm_args=['--max-num-seqs', '4'], vllm_tensor_parallel_size=2, gpu_assignment='0,1')
    fleet.play('two ranks')
    answer = fleet.ask('/v1/completions', {'model': MODEL, 'prompt': 'hello', 'max_tokens': 8})
    assert answer['usage']['completion_tokens'] == 8
    figure('/v1/completions of two ranks', json.dumps(answer))
    ranks = fleet.guest('ps -o rss= -p $(pgrep -d , -f ^VLLM::Worker_TP)').split()
    assert len(ranks) == 2
    shared = set(fleet.guest('ls /dev/shm').split())
    assert len([name for name in shared if 'tp:0-[0-1]' in name]) == 2
    figure('memory of each rank, and files in /dev/shm', f'{", ".join(ranks)} KiB, {len(shared)}')
    fleet.guest('systemctl kill --signal=KILL vllm')
    until(lambda: {'NRestarts=1', 'ActiveState=active'} < set(fleet.process().split()))
    assert not shared & set(fleet.guest('ls /dev/shm').split())


def test_an_upgraded_driver_is_due_in_the_containers_with_gpus(fleet: Fleet) -> None:
    """Without a look into any other; the template is reported as stale, and left."""
    fleet.lab.run('gpu', 'driver', NEW)
    fleet.write(driver=NEW)
    process = fleet.process()
    dry = fleet.play('another driver on the node, dry run', '--check')
    named = {host: due(dry, host) for host in ('920', '950', '951', '952') if dry.of(STATE_MODULE, host)}
    assert named == {'950': SPECIFIED[1:], '951': SPECIFIED[1:3]}
    assert [task for task in dry.tasks() if task.endswith(ORDER[0])]
    assert fleet.process() == process
    figure('plan after another driver', named)


def test_the_driver_is_not_changed_under_a_program_of_somebody_else(fleet: Fleet) -> None:
    """Nothing is stopped for its sake either: the service that holds the GPU too goes on."""
    fleet.guest('systemd-run --quiet --unit=computes sh -c "exec sleep infinity </dev/nvidia0"')
    process = fleet.process()
    run = fleet.project.play('--limit', '950', playbook=SITE)
    fleet.guest('systemctl stop computes')
    assert run.rc != 0
    said = ' '.join(run.output.split())
    assert 'programs that use a GPU: sleep (process ' in said
    assert 'systemctl stop computes.service. Nothing has been changed.' in said
    assert fleet.process() == process


def test_the_upgrade_stops_the_service_and_brings_it_back(fleet: Fleet) -> None:
    """The service that has the GPU open is our own: it is stopped, gets the new driver, and is started once."""
    untouched = fleet.untouched()
    starts = fleet.starts()
    others = fleet.others()
    fleet.lab.forget_requests()
    run = fleet.play('another driver on the node')
    assert {host: due(run, host) for host in ('950', '951')} == {'950': SPECIFIED[1:], '951': SPECIFIED[1:3]}
    assert not [host for host in ('920', '952') if run.of(STATE_MODULE, host)]
    assert [task.removeprefix('phoenix.hypervisor.') for task in run.tasks() if task.endswith(ORDER)] == list(ORDER)
    for ctid in (950, 951):
        smi = fleet.lab.guest(ctid, 'nvidia-smi --query-gpu=driver_version --format=csv,noheader').split()
        assert (ctid, set(smi)) == (ctid, {NEW})
        assert OLD not in fleet.lab.guest(ctid, 'find / -xdev -name "lib*.so.*"')
    assert fleet.starts() == starts + 1
    assert fleet.others() == others
    assert fleet.lab.mutations() == []
    assert fleet.untouched() == untouched
    answer = fleet.ask('/v1/completions', {'model': MODEL, 'prompt': 'hello', 'max_tokens': 8})
    assert answer['usage']['completion_tokens'] == 8
    figure('/v1/completions with another driver', json.dumps(answer))
    figure('starts of vllm.service by the upgrade', fleet.starts() - starts)
    assert fleet.play('a run after the upgrade').changed == 0
    assert fleet.lab.mutations() == []


def test_faulty_argument_fails_with_the_journal(fleet: Fleet) -> None:
    fleet.write(driver=NEW, vllm_args=['--no-such-option'])
    run = fleet.project.play(playbook=SITE)
    assert run.rc != 0
    assert f'vLLM does not serve {MODEL}: failed after' in run.output
    assert 'unrecognized arguments: --no-such-option' in run.output
