# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is checked: every command of `make test`, grouped by tier, for each ansible-core series of this machine."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import ansible_test
import worktree
from toolchain import CACHE, ROOT, Toolchain, available, middle, prepare

LOGS = CACHE / 'logs'
# Needs containers to connect to, so it runs with the lab.
CONNECTION = 'tests/integration/connection'
PROOFS = 'tests/integration/proofs'
# The oldest Python on a node.
NODE_PYTHON = '3.9'
# The Python that the older series imports on instead of the default one, beside its own; both have its neighbors.
OF_THE_OTHER = '3.10'
# Programs and tests of the checkout, no part of the collection: ruff looks after them.
TESTS = ('tests/', 'molecule/')
NOT_INSTALLED = ('lab/', 'tools/', *TESTS)
# What computes, without anything of Ansible.
CORE = 'plugins/module_utils/_core'
# What ansible-core has no part in: it is tested once, with the default series.
WITHOUT_CORE = (
    'tests/unit/plugins/module_utils',
    'tests/unit/plugins/plugin_utils/config',
    # The programs on the node, in shell and Perl.
    'tests/unit/plugins/connection/test_pct_warm.py',
    'tests/unit/plugins/connection/test_pct_wrapper.py',
)
# The modules in processes of their own, with their arguments and results as Ansible passes them.
MODULES_AS_RUN = f'{PROOFS}/test_guard_kills.py'
# How pytest's summary says what the proofs tried.
COUNTS = re.compile(r'^=+ proofs =+$(.*?)^=', re.MULTILINE | re.DOTALL)
LAB = 'tests/lab'
# Of what pytest says about a failed test, so many first and last lines stand in the sum at the end: what was compared,
# and the end of a run's output.
FIRST_LINES, LAST_LINES = 8, 25
# Seconds after which a check hangs, and is not just one of many on a slow machine: the longest take a third of it.
HANGS = 3600.0
# A folder in memory, and the bytes that must be free there for the temporary files of tests without a lab.
MEMORY = Path('/dev/shm')
ENOUGH = 4 * 2**30
# Those of `fleets`; what isn't here belongs to `lab`.
KILLS = 'test_site_kills.py'
# Of `kills` alone.
LAYER_KILLS = 'test_site_layer_kills.py'
LONG_LAB = (
    'test_docker.py',
    'test_nvidia_docker.py',
    'test_site_fleet.py',
    'test_site_answers.py',
    KILLS,
)
# Those of `lifecycle`: what becomes of a container from its creation to its end.
LIFECYCLE = (
    *('test_site_changes.py', 'test_site_guard.py', 'test_site_update.py', 'test_site_identity.py'),
    *('test_site_recreate.py', 'test_site_trouble.py', 'test_site_volumes.py', 'test_site_features.py'),
)
# Of `awx`.
AWX = 'test_awx.py'
VLLM = 'test_vllm.py'
# Those of `hosts`: what is set up on the node itself, by pattern.
HOSTS = ('test_host*.py', 'test_model_store.py', 'test_nvidia.py')
COLLECTION = 'ansible_collections.phoenix.hypervisor'
PLUGINS = f'{COLLECTION}.plugins'
ON_THE_NODE = ('module_utils', 'modules')
OF_ANSIBLE = ('action', 'callback', 'connection', 'doc_fragments', 'filter', 'inventory', 'lookup')
ON_THE_CONTROLLER = ('plugin_utils', *OF_ANSIBLE)
# The oldest Python that ansible-core runs with on a controller.
OF_THE_CONTROLLER = ('--python-version', '3.11')


@dataclasses.dataclass
class Check:
    """One command with a verdict of its own."""

    name: str
    command: list[str]
    cwd: Path
    env: dict[str, str]
    timeout: float = HANGS
    """Seconds, after which the check has failed."""
    junit: Path | None = None
    """Where pytest writes its results; then every test counts, not the command."""
    again: Callable[[list[str]], Check] | None = None
    """Makes the same check of a few of its files. None: a second try would only hide a fault."""

    @property
    def log(self) -> Path:
        """The file with the complete output."""
        return LOGS / (re.sub(r'[^a-z0-9.]+', '-', self.name.lower()) + '.log')


@dataclasses.dataclass(frozen=True)
class Failure:
    """A test that failed."""

    name: str
    file: str
    """From the folder where pytest ran."""
    why: str
    """The first and the last lines of what pytest says."""


@dataclasses.dataclass
class Outcome:
    """What a check found."""

    check: Check
    passed: int
    failed: int
    skipped: list[str]
    seconds: float
    code: int
    failures: list[Failure] = dataclasses.field(default_factory=list)
    """As far as pytest got to name them."""

    @property
    def counts(self) -> list[str]:
        """What the proofs among the tests say that they tried."""
        text = self.check.log.read_text(encoding='utf-8', errors='replace') if self.check.junit else ''
        found = COUNTS.search(text)
        return found.group(1).strip().splitlines() if found else []

    @property
    def good(self) -> bool:
        """Whether nothing failed."""
        return not self.failed


def execute(check: Check, strict: bool) -> Outcome:
    """Run a check with its output to its log. `strict`: a skipped test is a failed one."""
    LOGS.mkdir(parents=True, exist_ok=True)
    if check.junit:
        check.junit.unlink(missing_ok=True)
    started = time.monotonic()
    with open(check.log, 'w', encoding='utf-8', errors='replace') as log:
        try:
            code = subprocess.run(
                check.command,
                cwd=check.cwd,
                env=check.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=check.timeout,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            log.write(f'\nEnded after {check.timeout:.0f} s without a result.\n')
            code = 124
    seconds = time.monotonic() - started
    if not check.junit:
        return Outcome(check, int(not code), int(bool(code)), [], seconds, code)
    passed, failures, skipped = read_junit(check.junit)
    failed = len(failures)
    if strict:
        failed += len(skipped)
    if not failed and (code or not (passed or skipped)):
        failed = 1  # a collection error, a crash, a time-out, or no tests at all
    return Outcome(check, passed, failed, skipped, seconds, code, failures)


def read_junit(path: Path) -> tuple[int, list[Failure], list[str]]:
    """Passed, failed and the reasons of skipped tests; nothing when pytest did not get as far as writing the file."""
    if not path.is_file():
        return 0, [], []
    passed = 0
    failures, skipped = [], []
    for case in ElementTree.parse(path).iter('testcase'):
        skip = case.find('skipped')
        if skip is not None:
            skipped.append(f'{case.get("classname")}::{case.get("name")}: {skip.get("message")}')
            continue
        found = [one for one in (case.find('failure'), case.find('error')) if one is not None]
        if found:
            name = f'{case.get("classname")}::{case.get("name")}'
            # pytest shortens its message, but marks the lines of it in the text.
            said = [line[1:].strip() for line in (found[0].text or '').splitlines() if line.startswith('E ')]
            said = said or (found[0].get('message') or '').splitlines()
            if len(said) > FIRST_LINES + LAST_LINES:
                said[FIRST_LINES:-LAST_LINES] = ['…']
            failures.append(Failure(name, case.get('file') or '', '\n'.join(said)))
        else:
            passed += 1
    return passed, failures, skipped


def lint(toolchain: Toolchain) -> list[Check]:
    """Style, the same on every ansible-core series: ansible-lint, ruff, mypy, the docs and changelog linters."""
    tree = worktree.make(f'lint-{toolchain.series.name}')
    env = toolchain.env(tree.parents[2])
    env['ANSIBLE_HOME'] = str(CACHE / f'ansible-home-{toolchain.series.name}')

    def check(name: str, *command: str) -> Check:
        return Check(f'{name} ({toolchain.label})', list(command), tree, env)

    def mypy(what: str, *options: str, path: Sequence[Path] = ()) -> Check:
        """Types of everything but the tests themselves. Strict; pyproject.toml has the exceptions."""
        cache = str(CACHE / f'mypy-{toolchain.series.name}')
        one = check(f'mypy on {what}', 'mypy', '--config-file', 'pyproject.toml', '--cache-dir', cache, *options)
        one.env = {**env, 'MYPYPATH': os.pathsep.join(map(str, (tree.parents[2], *path)))}
        return one

    return [
        check('ruff check', 'ruff', 'check', '--no-cache', '.'),
        check('ruff format', 'ruff', 'format', '--no-cache', '--check', '.'),
        mypy('what runs on the node', *packages(ON_THE_NODE)),
        mypy('what runs on the controller', *OF_THE_CONTROLLER, *packages(ON_THE_CONTROLLER)),
        mypy('tools and lab', *OF_THE_CONTROLLER, 'tools', 'lab', 'bin/phoenix', path=(tree / 'tools', tree / 'lab')),
        mypy('the parts of tests', *OF_THE_CONTROLLER, *parts_of_tests(tree), path=parts_path(tree)),
        check('docs are up to date', 'python', 'tools/docs.py', '--check'),
        check('antsibull-changelog lint', 'antsibull-changelog', 'lint'),
        check(
            'antsibull-docs lint-collection-docs',
            *('antsibull-docs', 'lint-collection-docs', '--plugin-docs', '--validate-collection-refs=self', '.'),
        ),
        check('ansible-lint', 'ansible-lint', '--offline', '--nocolor', '-q'),
        check('galaxy-importer', 'python', 'tools/check_galaxy.py'),
    ]


def packages(folders: Sequence[str]) -> list[str]:
    """Folders of `plugins` as mypy's options."""
    return [word for folder in folders for word in ('-p', f'{PLUGINS}.{folder}')]


def parts_of_tests(tree: Path) -> list[str]:
    """What tests import from beside themselves, as mypy's options: neither tests nor fixtures."""
    found = ['-p', 'support']
    for folder, package in (('tests/integration', ''), ('tests/unit', f'{COLLECTION}.')):
        for path in sorted((tree / folder).rglob('*.py')):
            if not path.name.startswith('test_') and path.name != 'conftest.py':
                name = package + '.'.join(path.relative_to(tree).with_suffix('').parts) if package else path.stem
                found += ['-m', name]
    return found


def parts_path(tree: Path) -> list[Path]:
    """Where pytest finds them: the folders of the tests, which have no packages."""
    integration = sorted({path.parent for path in (tree / 'tests' / 'integration').rglob('*.py')})
    return [tree / 'lab', tree / 'tools', tree / 'tests' / 'lab', *integration]


def sanity(toolchain: Toolchain) -> list[Check]:
    """`ansible-test sanity`, its imports on every Python of this machine but the one of the other series' run."""
    others = any(chain.series.name != toolchain.series.name for chain in available())
    return [ansible_sanity(toolchain, (NODE_PYTHON, '3.1[!0]') if others else ('3.*',))]


def sanity_of_core(toolchain: Toolchain) -> list[Check]:
    """All of it again for what depends on ansible-core, for its tests differ from series to series.

    Imports on a Python that the first run has left out and on its own. Nothing of `_core` has to do with Ansible
    (test_layers.py), but what uses it imports it here too.
    """
    return [ansible_sanity(toolchain, (OF_THE_OTHER,), f'{CORE}/')]


def sanity_of_tests(toolchain: Toolchain) -> list[Check]:
    """`ansible-test sanity` for the tests themselves, which no series installs and ruff looks after."""
    check = ansible_sanity(toolchain, (NODE_PYTHON,))
    command = ['ansible-test', 'sanity', '--color', 'no', *TESTS]
    return [dataclasses.replace(check, name=f'ansible-test sanity of the tests ({toolchain.label})', command=command)]


def ansible_sanity(toolchain: Toolchain, pythons: Sequence[str], *without: str) -> Check:
    """All tests of `ansible-test sanity`. `pythons`: those of pyenv that it finds beside its own, as patterns."""
    tree = worktree.make(f'sanity-{toolchain.series.name}')
    command = ['ansible-test', 'sanity', '--color', 'no']
    for folder in (*NOT_INSTALLED, *without):
        command += ['--exclude', folder]
    env = ansible_test.environment(toolchain, tree, pythons)
    return Check(f'ansible-test sanity ({toolchain.label})', command, tree, env)


def pytest(name: str, toolchain: Toolchain, tree: Path, folder: str, *options: str, timeout: float = HANGS) -> Check:
    """A pytest run over one folder of a copy of the tree, or of the checkout itself."""
    junit = LOGS / f'junit-{name}-{toolchain.series.name}.xml'
    own = tree.parents[2] if tree != ROOT else ROOT / 'collections'
    env = toolchain.env(own)
    env['PYTHONUNBUFFERED'] = '1'
    env.update(warm(f'{name}-{toolchain.series.name}'))
    command = ['python', '-m', 'pytest', '-p', 'no:cacheprovider', folder]
    return Check(
        f'{name} ({toolchain.label})',
        [*command, f'--junitxml={junit}', '-o', 'junit_family=xunit1', *options],
        tree,
        env,
        timeout=timeout,
        junit=junit,
    )


def warm(name: str) -> dict[str, str]:
    """Variables with which every run of a playbook takes what an earlier one has read and compiled."""
    kept = CACHE / 'warm' / name
    shutil.rmtree(kept, ignore_errors=True)  # not there the first time
    (kept / 'tables').mkdir(parents=True)
    return {
        'LAB_WARM': str(kept),
        'PYTHONPATH': str(ROOT / LAB / 'support' / 'warm' / 'controller'),
        'PYTHONDONTWRITEBYTECODE': '',  # some machines set it
        'PYTHONPYCACHEPREFIX': str(CACHE / 'bytecode'),  # the checkout stays as it is
    }


def unit(toolchain: Toolchain) -> list[Check]:
    """The pure layers, plugins and modules without a node."""
    return [in_copy('unit', toolchain, 'tests/unit')]


def unit_of_core(toolchain: Toolchain) -> list[Check]:
    """Those whose verdict can differ from one ansible-core to another: plugins and modules."""
    return [in_copy('unit', toolchain, 'tests/unit/plugins', *(f'--ignore={folder}' for folder in WITHOUT_CORE))]


def integration(toolchain: Toolchain) -> list[Check]:
    """Modules against a control plane in this process; no containers, so without the connection's tests."""
    return [in_copy('integration', toolchain, 'tests/integration', f'--ignore={CONNECTION}')]


def integration_of_core(toolchain: Toolchain) -> list[Check]:
    """Those that run modules as Ansible runs them; the others call what never imports ansible-core."""
    return [in_copy('integration', toolchain, MODULES_AS_RUN)]


def in_copy(name: str, toolchain: Toolchain, folder: str, *options: str) -> Check:
    """A pytest run in a copy of the tree that lies as a collection."""
    tree = worktree.make(f'unit-{toolchain.series.name}')
    check = pytest(name, toolchain, tree, folder, '--ansible-unit-inject-only', *options)
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH:
        # Thousands of small files are written with fsync.
        check.env['TMPDIR'] = str(MEMORY)
    return check


def proofs(toolchain: Toolchain) -> list[Check]:
    """The proofs in their full form; the integration tier has their reduced one."""
    tree = worktree.make(f'unit-{toolchain.series.name}')
    check = pytest('proofs', toolchain, tree, PROOFS, '--ansible-unit-inject-only', timeout=14400.0)
    check.env['PHOENIX_PROOFS'] = 'long'
    return [check]


def kills(toolchain: Toolchain) -> list[Check]:
    """Runs killed at many points, with real containers and with layers: three of them are in `fleets`."""
    files = [f'{LAB}/{name}' for name in (KILLS, LAYER_KILLS)]
    check = pytest('kills', toolchain, ROOT, files[0], '-p', 'no:pytest-ansible', *files[1:])
    check.env.update(PHOENIX_PROOFS='long', PHOENIX_LAB_TESTS='kills')
    return [check]


def site(toolchain: Toolchain) -> list[Check]:
    """The documentation as a website, with all links between its pages."""
    return [Check(f'site ({toolchain.label})', ['python', str(ROOT / 'tools' / 'site.py')], ROOT, toolchain.env())]


def build(toolchain: Toolchain) -> list[Check]:
    """The archive that users install: its content, its installation without network, its playbooks by name."""
    env = toolchain.env()
    return [Check(f'build ({toolchain.label})', ['python', str(ROOT / 'tools' / 'check_build.py')], ROOT, env)]


def build_with_more(toolchain: Toolchain) -> list[Check]:
    """The same, and for the series that `make test` tests with nothing else."""
    between = middle(plain=True)
    if between is None:
        return build(toolchain)
    prepare(between)
    return [*build(toolchain), *build(between)]


def series(_toolchain: Toolchain) -> list[Check]:
    """What the other older series repeats, with the one between: it needs an environment of its own."""
    between = middle()
    if between is None:
        return []
    prepare(between)
    makes = (sanity_of_core, unit_of_core, integration_of_core, build)
    return [check for make in makes for check in make(between)]


def lab(toolchain: Toolchain) -> list[Check]:
    """Real containers: the lab itself, the playbooks in it, the connection. Runs from the checkout, as a user does."""
    script = str(ROOT / 'lab' / 'lab.py')

    def command(name: str) -> Check:
        return Check(f'lab {name} ({toolchain.label})', ['python', script, name], ROOT, toolchain.env())

    # Ansible finds a plugin by its collection's name only where the tree lies as a collection.
    tree = worktree.make(f'connection-{toolchain.series.name}')
    connection = pytest('connection', toolchain, tree, CONNECTION, '--ansible-unit-inject-only')
    connection.env['PHOENIX_LAB_FILES'] = str(ROOT / '.lab')
    ignored = [f'--ignore={LAB}/{name}' for name in (*LONG_LAB, *LIFECYCLE, AWX, VLLM, LAYER_KILLS)]
    ignored += [f'--ignore-glob={LAB}/{pattern}' for pattern in HOSTS]
    own = pytest('lab', toolchain, ROOT, LAB, '-p', 'no:pytest-ansible', *ignored)
    own.again = lambda files: lab_part('lab', toolchain, files, ' again')
    return [
        own,
        command('up'),
        connection,
        command('down'),
    ]


def vllm(toolchain: Toolchain) -> list[Check]:
    """vLLM itself in the lab: 600 MB of wheels, 6 GB of disk, about ten minutes on two idle cores."""
    check = pytest('vllm', toolchain, ROOT, f'{LAB}/{VLLM}', '-p', 'no:pytest-ansible')
    check.env['PHOENIX_LAB_TESTS'] = 'vllm'
    return [check]


def fleets(toolchain: Toolchain) -> list[Check]:
    """The lab's longest tests of containers, on a lab of their own."""
    return [lab_part('fleets', toolchain, [f'{LAB}/{name}' for name in LONG_LAB])]


def awx(toolchain: Toolchain) -> list[Check]:
    """The job templates of AWX, whose part ansible-runner plays, on a lab of their own."""
    return [lab_part('awx', toolchain, [f'{LAB}/{AWX}'])]


def lifecycle(toolchain: Toolchain) -> list[Check]:
    """What becomes of a container, on a lab of its own."""
    return [lab_part('lifecycle', toolchain, [f'{LAB}/{name}' for name in LIFECYCLE])]


def hosts(toolchain: Toolchain) -> list[Check]:
    """The set-up of the node itself, on a lab of its own."""
    paths = sorted({path for pattern in HOSTS for path in (ROOT / LAB).glob(pattern)})
    return [lab_part('hosts', toolchain, [str(path.relative_to(ROOT)) for path in paths])]


def lab_part(name: str, toolchain: Toolchain, files: list[str], turn: str = '') -> Check:
    """Some files of the lab's tests, on a lab that is called by this name's first letter."""
    title = (name + turn).replace(' ', '-')
    check = pytest(title, toolchain, ROOT, files[0], '-p', 'no:pytest-ansible', *files[1:])
    check.env['PHOENIX_LAB_TESTS'] = name
    if not turn:
        check.again = lambda some: lab_part(name, toolchain, some, ' again')
    return check


def molecule(toolchain: Toolchain) -> list[Check]:
    """The scenario that shows most, on the lab."""
    return [molecule_test('default', toolchain, '-s', 'default')]


def scenarios(toolchain: Toolchain) -> list[Check]:
    """Every molecule scenario, one after another on one lab."""
    return [molecule_test('all', toolchain, '--all')]


def molecule_test(name: str, toolchain: Toolchain, *options: str) -> Check:
    """One call of molecule."""
    env = toolchain.env()
    # From a wrong directory molecule finds no hosts and passes: a pattern without a match must fail.
    env['ANSIBLE_HOST_PATTERN_MISMATCH'] = 'error'
    env['MOLECULE_EPHEMERAL_DIRECTORY'] = str(CACHE / 'molecule' / name)
    command = ['molecule', 'test', *options]
    title = f'molecule {name} ({toolchain.label})'
    return Check(title, command, ROOT, {**env, **warm(f'molecule-{name}')})
