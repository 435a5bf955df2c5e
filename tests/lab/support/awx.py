# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWX's part in a run: it synchronizes the inventory, stores it as JSON, and gives each job a slice of it.

Jobs run under ansible-runner with AWX's environment, as an unprivileged user without a terminal
whose home is read-only. They are those of the job templates in playbooks/awx.yml, in a clone of the repository with the
files of the test.
The checkout under test, or the Python that runs it, may lie in the home of root. Then the job sees another one there,
with these folders alone.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from .node_ssh import HANGS
from .site import CHECKOUT, Project, shared_collections

USER = 65534
# What a clone has for AWX beside the files of its owner, and where those are.
OF_THE_CLONE = ('ansible.cfg', 'collections', 'playbooks', 'site.yml')
FILES = 'inventory'
PREFIX = 'Phoenix'
AS_USER = ('setpriv', f'--reuid={USER}', f'--regid={USER}', '--clear-groups', '--no-new-privs')
# Puts folders below a home that is root's alone where everybody may look: PLACE, then the folders, then the command.
REACHABLE = """set -e
place=$1; home=$2; count=$3; shift 3
folders=
while [ $count -gt 0 ]; do
  mkdir -p "$place/$count"; mount --bind "$1" "$place/$count"
  folders="$folders $count:$1"; shift; count=$((count - 1))
done
mount -t tmpfs -o mode=755 none "$home"
for each in $folders; do mkdir -p "${each#*:}"; mount --move "$place/${each%%:*}" "${each#*:}"; done
exec "$@"
"""
# What AWX 24 sets for a synchronization, and for a job.
OF_A_SYNC = {
    'ANSIBLE_INVENTORY_UNPARSED_FAILED': 'True',
    'ANSIBLE_INVENTORY_EXPORT': 'True',
    'ANSIBLE_VERBOSE_TO_STDERR': 'True',
    'INVENTORY_SOURCE_ID': '8',
    'INVENTORY_UPDATE_ID': '17',
}
OF_A_JOB = {
    'ANSIBLE_FORCE_COLOR': 'True',
    'ANSIBLE_HOST_KEY_CHECKING': 'False',
    'ANSIBLE_INVENTORY_UNPARSED_FAILED': 'True',
    'ANSIBLE_PARAMIKO_RECORD_HOST_KEYS': 'False',
    'ANSIBLE_RETRY_FILES_ENABLED': 'False',
    'ANSIBLE_CACHE_PLUGIN': 'jsonfile',
    'AWX_HOST': 'https://awx.example',
    'INVENTORY_ID': '3',
    'JOB_ID': '18',
    'MAX_EVENT_RES': '700000',
}
META = {'awx_job_id': 18, 'awx_job_launch_type': 'manual', 'awx_inventory_name': 'Phoenix', 'awx_user_name': 'admin'}
DEFAULT_COLLECTIONS = ('~/.ansible/collections', '/usr/share/ansible/collections')


class Unsafe(yaml.SafeDumper):
    """Writes variables as AWX does: no text that a person may give at the launch is a template."""

    def represent_data(self, data: Any) -> yaml.Node:
        """A text with its tag."""
        return self.represent_scalar('!unsafe', data) if isinstance(data, str) else super().represent_data(data)


def templates() -> dict[str, dict[str, Any]]:
    """The job templates that playbooks/awx.yml creates, by their name without the prefix."""
    text = (CHECKOUT / 'playbooks/awx.yml').read_text(encoding='utf-8')
    (play,) = yaml.safe_load(text.replace('!unsafe ', ''))  # a tag of Ansible
    return {template['name']: template for template in play['vars']['phoenix_awx_templates']}


def collections_path(setting: str) -> str:
    """The variable for collections, from one setting of the project's ansible.cfg: AWX reads that file itself.

    A job reads collections_path, the synchronization of an inventory collections_paths.
    """
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / 'ansible.cfg', encoding='utf-8')
    given = parser['defaults'].get(setting, '')
    # Those of the project's requirements come first.
    return os.pathsep.join(filter(None, [*shared_collections(), given, *DEFAULT_COLLECTIONS]))


def hidden(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """The folders of / that keep others out of one of the paths -> the paths in them, without those in another one."""
    every, found = sorted(set(paths)), dict[Path, list[Path]]()
    for home in {Path('/', path.parts[1]) for path in every}:
        inside = [path for path in every if path.is_relative_to(home)]
        steps = {step for path in inside for step in (path, *path.parents) if step.is_relative_to(home)}
        if any(step.stat().st_mode & 0o005 != 0o005 for step in steps):
            nested = {path for path in inside for other in inside if other in path.parents}
            found[home] = [path for path in inside if path not in nested]
    return found


class Job:
    """A job: its process, then its events."""

    def __init__(self, template: str, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.template = template
        self.folder = folder
        self.process = process

    def wait(self) -> Job:
        """Itself at its end."""
        self.process.wait(timeout=HANGS)
        return self

    def cancel(self) -> None:
        """End it as AWX does: by a signal to ansible-runner, which ends the run."""
        self.process.terminate()
        self.process.wait(timeout=HANGS)

    @property
    def ended(self) -> bool:
        """Whether the playbook has come to an end; a canceled one has not."""
        return (self.folder / 'artifacts/job/rc').exists()

    @property
    def rc(self) -> int:
        """The exit code of the playbook."""
        return int((self.folder / 'artifacts/job/rc').read_text())

    @property
    def output(self) -> str:
        """What it printed."""
        path = self.folder / 'artifacts/job/stdout'
        return path.read_text(encoding='utf-8') if path.exists() else (self.folder / 'log').read_text(encoding='utf-8')

    def all_events(self) -> list[dict[str, Any]]:
        """Its events in order, as AWX gets them."""
        paths = sorted((self.folder / 'artifacts/job/job_events').glob('[0-9]*-*.json'), key=_number)
        return [json.loads(path.read_text(encoding='utf-8')) for path in paths]

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The data of its events of a kind, such as runner_on_ok."""
        return [event['event_data'] for event in self.all_events() if event['event'] == kind]

    @property
    def changed(self) -> int:
        """How many tasks changed something."""
        (stats,) = self.events('playbook_on_stats')
        return sum(stats['changed'].values())


class Awx:
    """An AWX with one inventory, which stores the facts of its hosts from job to job.

    Jobs have a project of their own; that of a synchronization is gone when it has ended.
    """

    def __init__(self, project: Project, folder: Path) -> None:
        self.project, self.folder = project, folder
        self.stored: dict[str, Any] = {}
        self.disabled: set[str] = set()
        self.facts: dict[str, str] = {}
        self.jobs: list[Job] = []
        self._count = 0
        self.home = folder / 'home'
        self.home.mkdir(mode=0o555)

    def _environment(self, **more: str) -> dict[str, str]:
        # What the tests keep for their own runs belongs to another user.
        ours = ('ANSIBLE_', 'LAB_', 'PYTHON', 'SSH_')
        env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**env, 'HOME': str(self.home), **more}

    def _as_user(self, *command: str) -> list[str]:
        """A command as the user of jobs, who must reach the checkout and its Python."""
        wanted = (CHECKOUT, CHECKOUT / '.cache', Path(sys.prefix), Path(sys.base_prefix))
        command = (*AS_USER, *command)
        for home, inside in sorted(hidden(path.resolve() for path in wanted).items()):
            place = self.folder / 'places' / home.name
            command = (
                *('unshare', '--mount', 'sh', '-c', REACHABLE, 'sh', str(place), str(home), str(len(inside))),
                *(*map(str, inside), *command),
            )
        return list(command)

    def _owned(self, name: str) -> Path:
        self._count += 1
        path = self.folder / f'{name}-{self._count}'
        path.mkdir()
        os.chown(path, USER, USER)
        return path

    def synchronize(self) -> tuple[int, str]:
        """Synchronize the inventory. AWX keeps what it has when that fails."""
        folder = self._owned('sync')
        target, checkout = folder / 'output.json', folder / 'project'
        self._check_out(checkout)
        program = str(Path(sys.executable).with_name('ansible-inventory'))
        source = checkout / FILES / self.project.inventory.name
        words = ('--list', '--export', '-i', str(source), '--output', str(target), '--playbook-dir', str(source.parent))
        path = collections_path('collections_paths')
        done = subprocess.run(
            self._as_user(program, *words, '-vvv'),
            # ansible-core itself needs a folder for temporary files.
            env=self._environment(ANSIBLE_HOME=str(folder / 'ansible'), ANSIBLE_COLLECTIONS_PATH=path, **OF_A_SYNC),
            cwd=checkout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANGS,
            check=False,
        )
        shutil.rmtree(checkout)
        if done.returncode == 0:
            self.stored = json.loads(target.read_text(encoding='utf-8'))
        return done.returncode, done.stdout + done.stderr

    def _check_out(self, target: Path) -> None:
        """Copy what the repository of the project has: a clone of the collection's, with the files of the test."""
        (target / FILES).mkdir(parents=True)
        for name in OF_THE_CLONE:
            (target / name).symlink_to(CHECKOUT / name)
        for path in self.project.folder.iterdir():
            if path.suffix in ('.json', '.sh', '.yml') or path.name == 'roles':
                (shutil.copytree if path.is_dir() else shutil.copy)(path, target / FILES / path.name)

    def _inventory(self, part: int, parts: int) -> str:
        """The inventory script of a job: each of `parts` slices has every so many of the hosts, by name."""
        variables = self.stored['_meta']['hostvars']
        names = sorted({*variables, *(name for group in self.stored.values() for name in group.get('hosts', ()))})
        mine = [name for name in names[part - 1 :: parts] if name not in self.disabled]
        data = {
            name: {**group, 'hosts': [host for host in group['hosts'] if host in mine]} if 'hosts' in group else group
            for name, group in self.stored.items()
        }
        data['_meta'] = {'hostvars': {name: variables.get(name, {}) for name in mine}}
        return f'#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({json.dumps(data)!r})\n'

    def start(self, name: str, *words: str, answers: Any = None, part: int = 1, parts: int = 1) -> Job:
        """Launch a job template, with words that it asks for on launch."""
        template = templates()[name]
        survey = dict.fromkeys(template.get('survey', ()), '')
        # AWX drops what is neither in the template nor in its survey.
        assert set(answers or {}) <= set(survey), f'{name} does not ask for {answers}'
        if template.get('job_type') == 'check':
            words = ('--check', '--diff', *words)
        folder = self._owned('job')
        for each in ('env', 'inventory'):
            (folder / each).mkdir()
        self._check_out(folder / 'project')
        facts = folder / 'artifacts/job/fact_cache'
        facts.mkdir(parents=True)
        for host, text in self.facts.items():
            (facts / host).write_text(text, encoding='utf-8')
        script = folder / 'inventory/hosts'
        script.write_text(self._inventory(part, parts), encoding='utf-8')
        script.chmod(0o755)
        key = Path(self.project.lab.variables['PHOENIX_LAB_SSH_KEY'])
        (folder / 'env/ssh_key').write_text(key.read_text(encoding='utf-8'))
        variables = yaml.safe_dump(template['variables']) if template.get('variables') else ''
        variables += yaml.dump({**survey, **(answers or {}), **META}, Dumper=Unsafe)
        (folder / 'env/extravars').write_text(variables, encoding='utf-8')
        (folder / 'env/cmdline').write_text(' '.join(('-u', 'root', *words)))
        more = {
            'ANSIBLE_HOME': str(folder / 'ansible'),
            'ANSIBLE_SSH_CONTROL_PATH_DIR': str(folder / 'cp'),
            'ANSIBLE_CACHE_PLUGIN_CONNECTION': str(folder / 'artifacts/job/fact_cache'),
            'ANSIBLE_COLLECTIONS_PATH': collections_path('collections_path'),
            **OF_A_JOB,
        }
        subprocess.run(['chown', '--recursive', '--no-dereference', f'{USER}:{USER}', str(folder)], check=True)
        runner = str(Path(sys.executable).with_name('ansible-runner'))
        with open(folder / 'log', 'wb') as log:
            process = subprocess.Popen(
                self._as_user(runner, 'run', str(folder), '-p', template['playbook'], '--ident', 'job'),
                env=self._environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        job = Job(name, folder, process)
        self.jobs.append(job)
        return job

    def facts_of(self, host: str) -> str:
        """The stored facts of a host as text; newer versions of ansible-core put the version of the form first."""
        return next(text for name, text in self.facts.items() if name.removeprefix('s1_') == host)

    def run(self, name: str, *words: str, answers: Any = None, part: int = 1, parts: int = 1) -> Job:
        """Launch a job template, wait for the end of the job, and store the facts of its hosts."""
        job = self.start(name, *words, answers=answers, part=part, parts=parts).wait()
        found = (job.folder / 'artifacts/job/fact_cache').glob('*')
        self.facts.update({path.name: path.read_text(encoding='utf-8') for path in found})
        return job


def limit(*patterns: str) -> Sequence[str]:
    """The words of a limit on launch."""
    return ('--limit', ','.join(patterns))


def _number(path: Path) -> int:
    return int(path.name.partition('-')[0])
