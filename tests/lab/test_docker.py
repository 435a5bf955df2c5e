# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The feature docker in an unprivileged guest: a container that serves HTTP, second run, configuration, reboot.

One guest serves all of these, in order: provisioning it is what takes the time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from support.site import Lab, Project, Run, until

CTID = 960
ROLE = 'phoenix.hypervisor.docker'
CONFIG = '/etc/docker/daemon.json'
# Nothing can be pulled in a lab: the image is made of a static busybox.
WEB = """
root=$(mktemp -d)
mkdir -p "$root/bin" "$root/www"
cp /bin/busybox "$root/bin/busybox"
echo served from docker > "$root/www/index.html"
tar -C "$root" -c . | docker import - web:1
docker run --detach --name web --restart unless-stopped --publish 8080:80 web:1 /bin/busybox httpd -f -p 80 -h /www
"""
ROLE_ALONE = [
    {
        'hosts': str(CTID),
        'gather_facts': False,
        'tasks': [{'name': 'Role', 'ansible.builtin.include_role': {'name': ROLE}}],
    }
]


@dataclass
class Dockered:
    """The guest, and the runs that made it."""

    lab: Lab
    project: Project
    dry: Run
    real: Run

    def guest(self, script: str) -> str:
        """A shell script in the guest."""
        return self.lab.guest(CTID, script)

    def address(self) -> str:
        """The guest's address, once it has one."""
        return str(until(lambda: self.guest('hostname -I').split())[0])

    def page(self) -> str:
        """What the container in the guest answers the node; '' when it does not."""
        fetch = (
            f'import urllib.request as r; print(r.urlopen("http://{self.address()}:8080/", timeout=5).read().decode())'
        )
        return self.lab.sh(f"python3 -c '{fetch}' 2>/dev/null || true").strip()

    def boot(self) -> str:
        """The guest's boot; another one after each reboot."""
        return self.guest('systemctl show -P UserspaceTimestampMonotonic').strip()

    def config(self) -> Any:
        """The daemon's configuration."""
        return json.loads(self.guest(f'cat {CONFIG}'))

    def daemon(self) -> str:
        """The daemon's process; another one after each restart."""
        return self.guest('cat /run/docker.pid').strip()

    def role(self, *words: str, **variables: Any) -> Run:
        """The role alone, with these variables."""
        playbook = self.project.write('role.json', json.dumps(ROLE_ALONE))
        return self.project.play('-e', json.dumps(variables), *words, playbook=str(playbook))


def containers(project: Project, *features: str, **more: Any) -> None:
    """The project's one container, with these features."""
    project.containers(
        _960={
            'name': 'docker',
            'storage_size_gb': 4,
            'memory_mb': 1024,
            'cores': 2,
            'pct_options': ['nesting=1', 'keyctl=1'],
            'features': features,
            **more,
        }
    )


@pytest.fixture(scope='module')
def docker(site_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Dockered:
    """base_setup, then a dry run of the role where there is no Docker yet, then all of it."""
    site_lab.run('reset')
    project = Project(site_lab, tmp_path_factory.mktemp('docker'))
    project.write('group_vars/containers.yml', json.dumps({'docker_extra_packages': ['busybox-static']}))
    containers(project, 'base_setup')
    project.play().good()
    found = Dockered(site_lab, project, Run(0, '', project.results), Run(0, '', project.results))
    found.dry = found.role('--check')
    containers(project, 'base_setup', 'docker', application_script=project.script(WEB))
    found.real = project.play().good()
    return found


def test_dry_run_before_docker_is_there(docker: Dockered) -> None:
    docker.dry.good()
    changed = [e['task'] for e in docker.dry.events if e['status'] == 'ok' and e['result'].get('changed')]
    assert 'Install packages' in ' '.join(changed)
    assert "Write Docker's configuration" in ' '.join(changed)


def test_distribution_without_compose_is_told(docker: Dockered) -> None:
    assert 'no package with Compose 2' in docker.real.output
    refused = docker.role(docker_compose='required')
    assert refused.rc != 0
    assert "docker_compose is 'required'" in refused.output


def test_guest_is_unprivileged_and_docker_has_overlay2(docker: Dockered) -> None:
    assert docker.lab.config(CTID)['unprivileged'] == '1'
    assert json.loads(docker.guest('docker info --format "{{json .}}"'))['Driver'] == 'overlay2'
    assert docker.config()['log-opts'] == {'max-file': '3', 'max-size': '10m'}


def test_container_serves_http_to_the_node(docker: Dockered) -> None:
    until(lambda: docker.page() == 'served from docker')
    log = docker.guest('docker inspect --format "{{.HostConfig.LogConfig.Config}}" web').strip()
    assert log == 'map[max-file:3 max-size:10m]'


def test_second_run_makes_no_mutating_call(docker: Dockered) -> None:
    docker.lab.forget_requests()
    daemon = docker.daemon()
    assert docker.project.play().good().changed == 0
    assert docker.lab.mutations() == []
    assert docker.daemon() == daemon


@pytest.mark.parametrize('words', [[], ['--check', '--diff']])
def test_role_again_changes_nothing(docker: Dockered, words: list[str]) -> None:
    daemon = docker.daemon()
    run = docker.role(*words).good()
    assert [e['task'] for e in run.events if e['status'] == 'ok' and e['result'].get('changed')] == []
    assert docker.daemon() == daemon


def test_configuration_is_merged_and_containers_are_back(docker: Dockered) -> None:
    before = docker.config()
    docker.guest(f'sed -i "s/^{{/{{ \\"debug\\": false,/" {CONFIG}')
    daemon = docker.daemon()
    docker.role(docker_daemon={'log-opts': {'max-size': '5m'}, 'log-driver': None}).good()
    without = {key: value for key, value in before.items() if key != 'log-driver'}
    assert docker.config() == {**without, 'debug': False, 'log-opts': {'max-file': '3', 'max-size': '5m'}}
    assert docker.daemon() != daemon
    until(lambda: docker.page() == 'served from docker')


def test_owed_restart_is_made_up_for(docker: Dockered) -> None:
    """As after a run that was killed between the file and the restart."""
    daemon = docker.daemon()
    docker.guest(f'touch {CONFIG}')
    docker.role(docker_daemon={}).good()
    assert docker.daemon() != daemon


def test_faulty_configuration_is_taken_back(docker: Dockered) -> None:
    before = docker.config()
    run = docker.role(docker_daemon={'no-such-key': 1})
    assert run.rc != 0
    assert 'no-such-key' in run.output
    assert docker.config() == before
    assert docker.guest('systemctl is-active docker').strip() == 'active'
    until(lambda: docker.page() == 'served from docker')


def test_unreadable_configuration_is_refused(docker: Dockered) -> None:
    docker.guest(f'cp -p {CONFIG} /root/kept; echo broken > {CONFIG}')
    run = docker.role()
    docker.guest(f'cp -p /root/kept {CONFIG}')
    assert run.rc != 0
    assert 'holds no JSON object' in run.output


def test_users(docker: Dockered) -> None:
    assert 'there is no user nobody-here' in docker.role(docker_users=['nobody-here']).output
    docker.guest('useradd operator1')
    assert docker.role(docker_users=['operator1']).good().changed > 0
    assert 'docker' in docker.guest('id -nG operator1').split()


def test_container_is_back_after_a_reboot(docker: Dockered) -> None:
    boot = docker.boot()
    # What systemd runs when everything else has ended.
    last = '/usr/lib/systemd/system-shutdown/last'
    docker.guest(f'mkdir -p {last.rpartition("/")[0]}; printf "#!/bin/sh\\ntouch /root/shut-down\\n" > {last}')
    docker.guest(f'chmod 755 {last}')
    docker.lab.sh(f'pct reboot {CTID}')
    docker.guest('test -e /root/shut-down')  # rather than killed, as PVE does after a minute
    assert docker.boot() != boot
    until(lambda: docker.page() == 'served from docker')
    docker.lab.forget_requests()
    docker.project.play().good()
    assert docker.lab.mutations() == []
    assert docker.page() == 'served from docker'
