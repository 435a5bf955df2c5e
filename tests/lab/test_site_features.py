# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The features trusted_ca, step_cli and ollama in one unprivileged guest, under base_setup and with what they download.

The node serves the releases over HTTPS with an authority that only trusted_ca makes known. The programs in them are
stand-ins, see support/releases.py: the roles are real, ollama and step are not.

One guest serves all of these, in order: provisioning it is what takes the time.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import releases
from support.site import TEMPLATE, Lab, Project, Run

CTID = 970
PORT = 8443
OLD, NEW = '0.32.6', '0.32.7'
STEP = '0.28.7'
STORE = '/srv/models'
STATE_MODULE = 'phoenix.hypervisor.phoenix_lxc_state'
ACTIONS = {STATE_MODULE, 'phoenix.hypervisor.phoenix_feature', 'phoenix.hypervisor.phoenix_application'}
FEATURES = ['trusted_ca', 'base_setup', 'step_cli', 'ollama']
BUNDLE = '/etc/ssl/certs/ca-certificates.crt'
ANCHORS = '/usr/local/share/ca-certificates'


@dataclass
class Guest:
    """The guest, the site that it downloads from, and the runs that made it."""

    lab: Lab
    project: Project
    site: Path
    authority: releases.Authority
    variables: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where the node serves."""
        return f'{self.lab.variables["PHOENIX_LAB_NODE_IP"]}:{PORT}'

    def set(self, **variables: Any) -> None:
        """Change variables of the group of containers."""
        self.variables.update(variables)
        self.project.write('group_vars/containers.yml', json.dumps(self.variables))

    def play(self, *words: str) -> Run:
        """A run of the site."""
        return self.project.play(*words)

    def sh(self, script: str) -> str:
        """A shell script in the guest."""
        return self.lab.guest(CTID, script)

    def api(self, path: str) -> Any:
        """What Ollama answers inside the guest."""
        return json.loads(self.sh(f'curl --fail --silent --noproxy "*" http://127.0.0.1:11434/api/{path}'))

    def models(self) -> list[str]:
        """The models that it lists."""
        return [item['name'] for item in self.api('tags')['models'] or ()]

    def ollama(self) -> str:
        """The process of the service; another one after each restart."""
        return self.sh('systemctl show --property=MainPID,NRestarts,ActiveState ollama').strip()

    def trusts(self) -> bool:
        """Whether the guest trusts the site."""
        return 'yes' in self.sh(f'curl --silent --output /dev/null https://{self.address}/ && echo yes || true')

    def push(self) -> None:
        """Copy the site to the node."""
        command = ['ssh', '-F', self.lab.variables['PHOENIX_LAB_SSH_CONFIG'], self.lab.variables['PHOENIX_LAB_NODE']]
        unpack = 'mkdir -p /srv/features && tar -C /srv/features --no-same-owner -xf -'
        with subprocess.Popen(['tar', '-C', str(self.site.parent), '-cf', '-', '.'], stdout=subprocess.PIPE) as archive:
            subprocess.run([*command, unpack], stdin=archive.stdout, check=True, timeout=60)


def due(run: Run) -> dict[str, str]:
    """The features that a run found due, with the reason."""
    return {item['name']: item['reason'] for item in run.of(STATE_MODULE, str(CTID))[0]['due_features']}


def container(project: Project, **more: Any) -> None:
    """The project's one container, from the template that has neither Python nor certificates."""
    project.containers(_970={'name': 'features', 'template': TEMPLATE, 'memory_mb': 512, 'features': FEATURES, **more})


@pytest.fixture(scope='module')
def guest(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """The site on the node; then a dry run before the container exists, and the real one."""
    site_lab.run('reset')
    project = Project(site_lab, tmp_path_factory.mktemp('features'))
    place = tmp_path_factory.mktemp('site')
    authority = releases.certificate(place / 'keys', 'lab authority')
    found = Guest(site_lab, project, place / 'served' / 'site', authority)
    found.site.mkdir(parents=True)
    node = site_lab.variables['PHOENIX_LAB_NODE_IP']
    (found.site.parent / 'server.pem').write_bytes(
        releases.server_certificate(place / 'keys', authority, node).read_bytes()
    )
    checksums = {
        version: releases.archive(found.site / f'ollama-{version}.tgz', 'bin/ollama', releases.OLLAMA, version)
        for version in (OLD, NEW)
    }
    step = releases.archive(found.site / 'step.tar.gz', f'step_{STEP}/bin/step', releases.STEP, STEP)
    for name in ('acme/tiny', 'acme/other'):
        releases.model(found.site, name)
    root = found.site / 'root' / authority.fingerprint
    root.parent.mkdir()
    root.write_text(json.dumps({'ca': authority.text}), encoding='utf-8')
    (found.site.parent / 'serve.py').write_text(releases.SERVER, encoding='utf-8')
    found.push()
    site_lab.sh(
        'systemctl stop lab-features 2>/dev/null || true; systemd-run --quiet --collect --unit=lab-features '
        f'python3 /srv/features/serve.py /srv/features/site {PORT}'
    )
    site_lab.await_port(PORT)
    project.write('files/lab-authority.pem', authority.text)
    found.variables['checksums'] = checksums
    found.set(
        trusted_ca_certificates=[{'name': 'lab', 'src': 'files/lab-authority.pem'}],
        step_cli_url=f'https://{found.address}/step.tar.gz',
        step_cli_checksum=step,
        step_cli_ca_url=f'https://{found.address}',
        step_cli_ca_fingerprint=authority.fingerprint,
        ollama_version=OLD,
        ollama_url=f'https://{found.address}/ollama-{OLD}.tgz',
        ollama_checksum=checksums[OLD],
        ollama_models=[f'{found.address}/acme/tiny'],
    )
    container(project)
    found.runs['dry'] = found.play('--check')
    found.runs['real'] = found.play()
    return found


def test_dry_run_predicts_the_real_run(guest: Guest) -> None:
    dry, real = (guest.runs[name].good() for name in ('dry', 'real'))
    assert list(due(real)) == FEATURES
    done = [
        entry
        for event in real.events
        if event.get('action') in ACTIONS and event['host'] == str(CTID)
        for entry in event['result'].get('journal', [])
    ]
    assert dry.state(str(CTID))['journal'] == done


def test_downloads_were_trusted_by_the_first_feature_alone(guest: Guest) -> None:
    assert guest.trusts()
    assert guest.sh(f'openssl verify {ANCHORS}/trusted_ca-lab.crt').endswith(': OK\n')


def test_step_is_bootstrapped(guest: Guest) -> None:
    assert STEP in guest.sh('step version')
    config = json.loads(guest.sh('cat /root/.step/config/defaults.json'))
    assert (config['ca-url'], config['fingerprint']) == (f'https://{guest.address}', guest.authority.fingerprint)


def test_ollama_serves_its_models_as_a_user_of_its_own(guest: Guest) -> None:
    assert guest.api('version') == {'version': OLD}
    assert guest.models() == [f'{guest.address}/acme/tiny:latest']
    assert guest.sh('ps -o user= -C ollama || ps -eo user=,args= | grep "[o]llama serve"').split()[0] == 'ollama'
    # The whole path of the store belongs to that user, and nobody else reads it.
    assert guest.sh('stat -c "%U %a" /var/lib/ollama').strip() == 'ollama 750'


def test_second_run_makes_no_call_and_changes_no_file(guest: Guest) -> None:
    guest.lab.forget_requests()
    before, process = guest.lab.guest_files(CTID), guest.ollama()
    assert guest.play().good().changed == 0
    assert guest.lab.mutations() == []
    assert guest.lab.guest_files(CTID) == before
    assert guest.ollama() == process


def test_changed_variable_makes_exactly_that_feature_due(guest: Guest) -> None:
    guest.set(ollama_environment={'OLLAMA_KEEP_ALIVE': '1h'})
    process = guest.ollama()
    expected = {'ollama': 'variable ollama_environment changed'}
    dry = guest.play('--check').good()
    assert due(dry) == expected
    assert guest.ollama() == process
    assert due(guest.play().good()) == expected
    assert guest.ollama() != process
    assert guest.models() == [f'{guest.address}/acme/tiny:latest']


def test_another_release_replaces_the_old_one(guest: Guest) -> None:
    checksums = guest.variables['checksums']
    guest.set(
        ollama_version=NEW, ollama_url=f'https://{guest.address}/ollama-{NEW}.tgz', ollama_checksum='sha256:' + 64 * '0'
    )
    refused = guest.play()
    assert refused.rc != 0
    assert 'checksum' in refused.output
    assert guest.api('version') == {'version': OLD}  # a release that is not verified replaces nothing
    guest.set(
        ollama_checksum=checksums[NEW], ollama_models=[f'{guest.address}/acme/{name}' for name in ('tiny', 'other')]
    )
    guest.play().good()
    assert guest.api('version') == {'version': NEW}
    assert sorted(guest.models()) == [f'{guest.address}/acme/{name}:latest' for name in ('other', 'tiny')]
    assert len(guest.sh('ls /opt/ollama-releases').split()) == 1


def test_model_that_no_registry_has_is_reported(guest: Guest) -> None:
    guest.set(ollama_models=[f'{guest.address}/acme/none'])
    refused = guest.play()
    assert refused.rc != 0
    assert 'acme/none:latest could not be pulled: pull model manifest' in refused.output


def test_store_that_is_only_read_must_have_the_models(guest: Guest) -> None:
    guest.sh(f'mkdir -p {STORE} && chmod 755 {STORE} && mkdir {STORE}/blobs {STORE}/manifests')
    guest.set(ollama_models=[f'{guest.address}/acme/tiny'], ollama_model_store=STORE)
    refused = guest.play()
    assert refused.rc != 0
    assert f'{STORE} lacks {guest.address}/acme/tiny:latest, and the user ollama cannot write there' in refused.output
    guest.sh(f'cp -r /var/lib/ollama/models/. {STORE}/ && chmod -R a+rX {STORE}')
    guest.play().good()
    assert f'{guest.address}/acme/tiny:latest' in guest.models()
    assert guest.sh(f'find {STORE} -user ollama').strip() == ''


def test_changed_file_of_a_certificate_makes_its_feature_due(guest: Guest) -> None:
    other = releases.certificate(guest.site.parent / 'other', 'other authority')
    listed = [*guest.variables['trusted_ca_certificates'], {'name': 'other', 'content': other.text}]
    guest.set(trusted_ca_certificates=listed)
    guest.play().good()
    assert guest.sh(f'openssl verify {ANCHORS}/trusted_ca-other.crt').endswith(': OK\n')
    guest.project.write('files/lab-authority.pem', f'# The authority of the lab.\n{guest.authority.text}')
    reasons = due(guest.play('--check').good())
    assert reasons['trusted_ca'] == 'variable trusted_ca_file_contents changed'
    assert reasons['base_setup'] == 'trusted_ca under it changed'


def test_certificate_that_left_the_list_leaves_the_store(guest: Guest) -> None:
    guest.set(trusted_ca_certificates=guest.variables['trusted_ca_certificates'][:1])
    guest.play().good()
    # What the template of the guest brought is not of the role.
    assert guest.sh(f'ls {ANCHORS} | grep trusted_ca-').split() == ['trusted_ca-lab.crt']
    assert guest.sh('ls /etc/ssl/certs | grep trusted_ca-other || true') == ''
    assert guest.trusts()


@pytest.mark.parametrize(
    ('faults', 'expected'),
    [
        (('leaf', 'expired'), 'not the certificate of an authority that is valid now'),
        (('key', 'bundle'), 'not exactly one certificate'),
    ],
    ids=['examined', 'read'],
)
def test_faulty_certificates_change_nothing(guest: Guest, faults: tuple[str, ...], expected: str) -> None:
    """Each is reported by its name."""
    folder = guest.site.parent / 'faulty'
    texts = {
        'leaf': lambda: releases.certificate(folder, 'leaf', authority=False).text,
        'expired': lambda: releases.certificate(folder, 'expired', days=-1).text,
        'key': lambda: releases.certificate(folder, 'key').key.read_text(encoding='utf-8') + guest.authority.text,
        'bundle': lambda: guest.authority.text * 2,
    }
    kept = guest.variables['trusted_ca_certificates']
    guest.set(trusted_ca_certificates=[{'name': fault, 'content': texts[fault]()} for fault in faults])
    before = guest.sh(f'sha256sum {BUNDLE}; ls {ANCHORS}')
    refused = guest.play()
    guest.set(trusted_ca_certificates=kept)
    assert refused.rc != 0
    for fault in faults:
        assert f'trusted_ca_certificates: {fault} is {expected}' in refused.output
    assert 'PRIVATE KEY' not in refused.output
    assert guest.sh(f'sha256sum {BUNDLE}; ls {ANCHORS}') == before


def test_file_outside_of_the_configuration_is_refused_before_anything(guest: Guest, tmp_path: Path) -> None:
    outside = tmp_path / 'secret.pem'
    outside.write_text('a secret of the controller', encoding='utf-8')
    (guest.project.folder / 'files' / 'link.pem').symlink_to(outside)
    kept = guest.variables['trusted_ca_certificates']
    guest.set(trusted_ca_certificates=[{'name': 'link', 'src': 'files/link.pem'}])
    guest.lab.forget_requests()
    refused = guest.play()
    guest.set(trusted_ca_certificates=kept)
    assert refused.rc != 0
    assert f'leads to {outside}, outside of the folder' in refused.output
    assert 'a secret of the controller' not in refused.output
    assert guest.lab.mutations() == []


def test_interrupted_change_of_the_store_is_completed(guest: Guest) -> None:
    """As after a run that was killed between the file and the trust store."""
    guest.sh(
        f'touch /var/lib/trusted_ca.pending; rm {ANCHORS}/trusted_ca-lab.crt; update-ca-certificates --fresh >/dev/null'
    )
    assert not guest.trusts()
    guest.set(trusted_ca_restart_services=['ollama.service'])
    process = guest.ollama()
    guest.play().good()
    assert guest.trusts()
    assert guest.ollama() != process
    assert 'pending' not in guest.sh('ls /var/lib')
