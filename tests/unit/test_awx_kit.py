# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection brings for AWX: the playbook's tasks by the argument specs of awx.awx, and the environment.

AWX itself can't be had here. A collection of stand-ins takes awx.awx's place: each checks its arguments by the spec of
the real module, which is read from its source, and notes them.
"""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))

import check_build

ENVIRONMENT = ROOT / 'execution-environment.yml'
STAND_IN = '''
import json, os
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

SPEC = json.loads({spec!r})

class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        checked = ArgumentSpecValidator(SPEC).validate(self._task.args.copy())
        if checked.error_messages:
            raise AnsibleActionFail("; ".join(checked.error_messages))
        with open(os.environ["AWX_CALLS"], "a") as out:
            out.write(json.dumps([{name!r}, checked.validated_parameters]) + "\\\\n")
        return {{"changed": True}}
'''
GIVEN = {'project_url': 'https://git.example/fleet.git', 'machine_credential': 'node', 'vault_credential': 'vault'}


def real_modules() -> Path:
    """The modules of awx.awx, which the toolchain has of one series only."""
    folders = [Path(path).parent for path in os.environ['ANSIBLE_COLLECTIONS_PATH'].split(os.pathsep)]
    places = (place for folder in folders for place in folder.glob('*/ansible_collections/awx/awx/plugins/modules'))
    found = next(places, None)
    assert found is not None, f'awx.awx is in none of {folders}; run make venv'
    return found


def spec_of(path: Path) -> dict[str, Any]:
    """The argument spec in a module's source: a call of dict() with literals, and names for lists of choices."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    names = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Dict)
    }
    (call,) = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == 'argument_spec'
    )
    found: dict[str, Any] = eval(ast.unparse(call), {'dict': dict, 'list': list, **names})  # noqa: S307 - of a test's own toolchain
    return found


def used_modules() -> set[str]:
    """The modules of awx.awx in the playbook."""
    return set(
        re.findall(r'^ +awx\.awx\.(\w+):$', (ROOT / 'playbooks/awx.yml').read_text(encoding='utf-8'), re.MULTILINE)
    )


@pytest.fixture(scope='module')
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stand-ins' collection."""
    root = tmp_path_factory.mktemp('awx')
    (root / 'empty.cfg').touch()
    folder = root / 'ansible_collections/awx/awx/plugins/action'
    folder.mkdir(parents=True)
    for name in used_modules():
        spec = json.dumps(spec_of(real_modules() / f'{name}.py'))
        (folder / f'{name}.py').write_text(STAND_IN.format(spec=spec, name=name).replace('\\\\n', '\\n'))
    return root


def run(stand_ins: Path, settings: dict[str, Any]) -> tuple[int, str, list[tuple[str, dict[str, Any]]]]:
    """Exit code, output and calls of the playbook."""
    calls = stand_ins / 'calls.jsonl'
    calls.write_text('')
    paths = f'{stand_ins}{os.pathsep}{os.environ["ANSIBLE_COLLECTIONS_PATH"]}'
    env = {name: value for name, value in os.environ.items() if not name.startswith('ANSIBLE_')}
    env.update(ANSIBLE_COLLECTIONS_PATH=paths, AWX_CALLS=str(calls), ANSIBLE_CONFIG=str(stand_ins / 'empty.cfg'))
    done = subprocess.run(
        [sys.executable, '-m', 'ansible', 'playbook', 'playbooks/awx.yml', '-e', json.dumps({'phoenix_awx': settings})],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    made = [tuple(json.loads(line)) for line in calls.read_text().splitlines()]
    return done.returncode, done.stdout + done.stderr, made


@pytest.fixture(scope='module')
def calls(stand_ins: Path) -> list[tuple[str, dict[str, Any]]]:
    """The calls of one run that makes everything."""
    rc, output, calls = run(stand_ins, {**GIVEN, 'image': 'registry.example/phoenix:1'})
    assert rc == 0, output
    return calls


def test_the_arguments_fit_the_modules_of_awx(calls: list[tuple[str, dict[str, Any]]]) -> None:
    assert {name for name, _args in calls} == used_modules()
    by_name = {(module, args.get('name') or args.get('identifier')): args for module, args in calls}
    templates = {name: args for (module, name), args in by_name.items() if module == 'job_template'}
    assert {(ROOT / args['playbook']).is_file() for args in templates.values()} == {True}
    assert {name for name, args in templates.items() if args['job_type'] == 'check'} == {
        'Phoenix dry run',
        'Phoenix drift check',
    }
    assert all(args['ask_limit_on_launch'] for args in templates.values())
    assert templates['Phoenix provisioning']['credentials'] == ['node', 'vault']
    source = by_name['inventory_source', 'Phoenix files']
    assert (source['overwrite'], source['overwrite_vars']) == (True, True)
    injected = by_name['credential_type', 'Phoenix Proxmox VE token']['injectors']['env']
    assert injected['PROXMOX_TOKEN_SECRET'] == '{{ token_secret }}'


@pytest.mark.parametrize('name', ['update', 'destroy'])
def test_a_workflow_previews_before_its_approval(calls: list[tuple[str, dict[str, Any]]], name: str) -> None:
    title = f'Phoenix {name} with approval'
    made = [(module, args) for module, args in calls if title in (args.get('name'), args.get('workflow_job_template'))]
    nodes = {args['identifier']: args for module, args in made if module == 'workflow_job_template_node'}
    assert {key: args['success_nodes'] for key, args in nodes.items()} == {
        name: None,
        'approval': [name],
        'preview': ['approval'],
    }
    assert {key: args['job_type'] for key, args in nodes.items()} == {name: 'run', 'approval': None, 'preview': 'check'}
    assert {nodes[key]['unified_job_template'] for key in (name, 'preview')} == {f'Phoenix {name}'}
    (workflow,) = (args for module, args in made if module == 'workflow_job_template')
    (template,) = (args for _module, args in calls if args.get('name') == f'Phoenix {name}')
    assert workflow['survey_spec']['spec'] == template['survey_spec']['spec']
    # What the containers to destroy are, the survey asks.
    assert workflow['ask_limit_on_launch'] is (name == 'update')


def test_every_playbook_that_people_run_has_a_job_template(calls: list[tuple[str, dict[str, Any]]]) -> None:
    given = {args['playbook'] for module, args in calls if module == 'job_template'}
    # import and compare work on files of the controller, which end with a job.
    wanted = set(check_build.PLAYBOOKS) - {'site', 'containers', 'import', 'compare'}
    assert given == {'site.yml', *(f'playbooks/{name}.yml' for name in wanted)}


def test_each_answer_of_a_survey_is_a_text_that_may_be_blank(calls: list[tuple[str, dict[str, Any]]]) -> None:
    questions = [item for _name, args in calls if args.get('survey_spec') for item in args['survey_spec']['spec']]
    assert len(questions) > 10
    for question in questions:
        assert (question['type'], question['required'], question['default']) == ('text', False, '')
        assert runvariables.value_of(question['variable'], '', 'the default') == 'the default'


def test_settings_that_are_missing_or_unknown_stop_it_before_anything_is_made(stand_ins: Path) -> None:
    for settings in ({}, {**GIVEN, 'organizations': 'x'}):
        rc, output, calls = run(stand_ins, settings)
        assert (rc, calls) == (2, [])
        assert 'expected are project_url, machine_credential' in output


def test_the_execution_environment_has_what_the_playbooks_import() -> None:
    given = yaml.safe_load(ENVIRONMENT.read_text(encoding='utf-8'))
    assert given['version'] == 3
    dependencies = given['dependencies']
    collections = {item['name']: item['version'] for item in dependencies['galaxy']['collections']}
    wanted = yaml.safe_load((ROOT / 'galaxy.yml').read_text(encoding='utf-8'))['dependencies']
    assert {name: collections.get(name) for name in wanted} == wanted
    texts = [
        path.read_text(encoding='utf-8') for folder in ('playbooks', 'roles') for path in (ROOT / folder).rglob('*.yml')
    ]
    names = {name for text in texts for name in re.findall(r'^ +([a-z]+\.[a-z_]+)\.[a-z_]+:', text, re.MULTILINE)}
    assert names - {'ansible.builtin', 'phoenix.hypervisor'} <= set(collections)
    lines = (ROOT / 'requirements.txt').read_text(encoding='utf-8').splitlines()
    assert set(dependencies['python']) >= {line for line in lines if line and not line.startswith('#')}
    packages = [line.split()[0] for line in (ROOT / 'bindep.txt').read_text().splitlines() if 'platform:rpm' in line]
    assert {line.split()[0] for line in dependencies['system']} >= set(packages)


def test_awx_finds_the_playbooks_and_the_collections_of_a_clone(calls: list[tuple[str, dict[str, Any]]]) -> None:
    for playbook in {args['playbook'] for module, args in calls if module == 'job_template'}:
        # What AWX lists as playbooks of a project.
        lines = (ROOT / playbook).read_text(encoding='utf-8').splitlines()
        assert any(re.match(r' *-? *(hosts|(ansible\.builtin\.)?import_playbook): *\S', line) for line in lines), (
            playbook
        )
    settings = configparser.ConfigParser()
    settings.read(ROOT / 'ansible.cfg', encoding='utf-8')
    defaults = settings['defaults']
    # AWX reads the first for a job, the second for the synchronization of an inventory.
    assert defaults['collections_path'] == defaults['collections_paths']
    assert defaults['collections_path'].startswith('./collections:')
    assert 'phoenix.hypervisor.phoenix_plan' in defaults['callbacks_enabled']


def test_ansible_builder_takes_the_execution_environment(tmp_path: Path) -> None:
    command = [
        Path(sys.executable).with_name('ansible-builder'),
        'create',
        '-f',
        ENVIRONMENT,
        '-c',
        tmp_path / 'context',
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'ansible.posix' in (tmp_path / 'context/_build/requirements.yml').read_text()
