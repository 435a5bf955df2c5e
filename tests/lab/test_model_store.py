# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models kept once on the node: fetched from a hub that breaks off, read by unprivileged containers. A minute."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import tiny_hub
from support.site import SITE, Lab, Project, until

PORT = 8095
STORE = '/var/lib/models'
TOKEN = f'hf_{secrets.token_hex(8)}'  # the journal of a kept lab has earlier ones
SUMS = 'sha256sum config.json model.safetensors'
READ = f'cd {STORE}/acme/tiny && {SUMS}; touch new 2>/dev/null && echo written || true'


@pytest.fixture
def hub(lab: Lab) -> Iterator[Lab]:
    """A hub on the node's loopback, whose first two transfers of weights end early, and that wants a token."""
    script = Path(tiny_hub.__file__).read_text(encoding='utf-8')
    faults = json.dumps({'token': TOKEN, 'ends_after': [2, 100_000, 150_000]})
    lab.sh(f"""set -e
rm -rf /srv/hub {STORE} /root/tiny_hub.py
mkdir -p /srv/hub/acme/tiny
printf '{{}}' > /srv/hub/acme/tiny/config.json
head -c 500000 /dev/urandom > /srv/hub/acme/tiny/model.safetensors
printf '%s' '{faults}' > /srv/hub/.faults
cat > /root/tiny_hub.py <<'END'
{script}
END
systemd-run --quiet --collect --unit=lab-hub python3 /root/tiny_hub.py /srv/hub {PORT}
""")
    until(lambda: lab.sh(f'curl -s -o /dev/null http://127.0.0.1:{PORT}/ && echo up || true').strip())
    yield lab
    lab.sh(f'systemctl stop lab-hub; rm -rf /srv/hub {STORE} /root/tiny_hub.py')


def asked(lab: Lab) -> list[dict[str, Any]]:
    """What the hub was asked."""
    return [json.loads(line) for line in lab.sh('cat /srv/hub/.asked').splitlines()]


def write(project: Project, **store: Any) -> None:
    """Both files: a store with one model, two unprivileged containers that name it, one that does not."""
    given = {'path': STORE, 'endpoint': f'http://127.0.0.1:{PORT}', 'models': ['acme/tiny'], **store}
    project.write('hypervisor_config.json', json.dumps({'model_store': given}))
    project.containers(
        _950={'vllm_model': 'acme/tiny'},
        _951={'name': 'second', 'vllm_model': 'acme/tiny'},
        _952={'name': 'third'},
    )


def test_weights_are_kept_once_and_read_by_unprivileged_containers(hub: Lab, project: Project) -> None:
    write(project)
    token = {'hypervisor_models_hf_token': TOKEN}
    project.write('group_vars/hypervisors.yml', json.dumps(token))
    dry = project.play('--check', '--diff', playbook=SITE).good()
    assert 'acme/tiny: not in the store; 2 of 2 files, 500.0 kB' in dry.output
    assert hub.sh(f'ls {STORE} 2>&1 || true').startswith('ls: cannot access')

    run = project.play('-vvv', playbook=SITE).good()
    transfers = [item['range'] for item in asked(hub) if item['path'].startswith('/elsewhere')]
    assert transfers == ['', 'bytes=100000-', 'bytes=250000-']
    source = hub.sh(f'cd /srv/hub/acme/tiny && {SUMS}')
    for ctid in (950, 951):
        assert hub.config(ctid)['mp0'] == f'{STORE},mp={STORE},ro=1'
        assert hub.config(ctid)['unprivileged'] == '1'
        hub.guest(ctid, 'useradd --system reader')
        assert hub.guest(ctid, f'runuser -u reader -- sh -c "{READ}"') == source
        assert hub.guest(ctid, READ) == source
    assert 'mp0' not in hub.config(952)
    assert hub.sh(f'find {STORE} -name model.safetensors | wc -l').strip() == '1'

    # The token: sent to the hub alone, and nowhere to be found.
    assert {item['token'] for item in asked(hub) if item['path'].startswith('/elsewhere')} == {''}
    assert TOKEN not in run.output + dry.output
    assert TOKEN not in json.dumps(run.events)
    assert hub.sh(f'grep -rl {TOKEN} /var/lib/phoenix_hypervisor /var/log /root/.ansible* {STORE} || true') == ''
    logs = ''.join(path.read_text(encoding='utf-8') for path in project.logs.glob('*'))
    assert TOKEN not in logs

    hub.forget_requests()
    count = len(asked(hub))
    assert project.play(playbook=SITE).good().changed == 0
    assert hub.mutations() == []
    assert len(asked(hub)) == count


def test_a_store_can_lie_elsewhere_inside_and_take_models_from_a_folder(hub: Lab, project: Project) -> None:
    """No network: a disk from elsewhere. Its place inside is the file's choice."""
    models = [{'name': 'acme/tiny', 'source': '/srv/hub/acme/tiny'}]
    write(project, models=models, container_path='/models')
    project.play('--tags', 'hypervisor_models', playbook=SITE).good()
    assert hub.sh('cat /srv/hub/.asked 2>/dev/null || true').count('/api/') == 0
    project.play('--limit', '950').good()
    assert hub.config(950)['mp0'] == f'{STORE},mp=/models,ro=1'
    assert hub.guest(950, 'cat /models/acme/tiny/config.json') == '{}'


def test_a_model_that_needs_a_token_stops_the_run_before_the_containers(hub: Lab, project: Project) -> None:
    write(project)
    run = project.play(playbook=SITE)
    assert run.rc != 0
    assert 'set hypervisor_models_hf_token, and accept the model' in run.output
    assert hub.config(950) == {}
