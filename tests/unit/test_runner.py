# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of `make test` itself: nothing that went wrong, was skipped or did not run may count as passed."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))

import check_build
import checks
import run_tests

WAIT = 'import threading; threading.Event().wait()'
# A test that skips, on purpose: the runner must count it.
# A test that passes from the second time on, one that never does, and one that always does.
RACE = """import pathlib
def test_race():
    ran = pathlib.Path("ran")
    once = ran.exists()
    ran.touch()
    assert once
"""
NEVER = 'def test_never(): assert 0, "what is wrong"\n'
EVER = 'def test_ever(): pass\n'
SKIP = 'import pytest\ndef test_a(): pytest.skip("needs root")\ndef test_b(): pass\n'


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., checks.Check]:
    """Makes a check that runs pytest on files with these texts."""
    monkeypatch.setattr(checks, 'LOGS', tmp_path / 'logs')
    folder = tmp_path / 'tests'
    folder.mkdir()

    def make(**texts: str) -> checks.Check:
        for name, text in texts.items():
            (folder / f'test_{name}.py').write_text(text, encoding='utf-8')
        junit = tmp_path / 'results.xml'
        command = [sys.executable, '-m', 'pytest', '-c', os.devnull, '--rootdir', str(folder), f'--junitxml={junit}']
        command += ['-o', 'junit_family=xunit1']
        env = {name: value for name, value in os.environ.items() if not name.startswith('PYTEST_')}
        env['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'  # pytest alone is tried; plugins take a second
        return checks.Check('planted', command, folder, env, junit=junit)

    return make


@pytest.fixture
def run(planted: Callable[..., checks.Check]) -> Callable[[str | None, bool], checks.Outcome]:
    """Runs pytest on a file with this text, or on nothing, as a check; returns the outcome."""

    def run_text(text: str | None, strict: bool) -> checks.Outcome:
        return checks.execute(planted(**({} if text is None else {'planted': text})), strict)

    return run_text


def twice(planted: Callable[..., checks.Check], **texts: str) -> tuple[checks.Outcome, list[str], list[str]]:
    """The outcome after a second try; the tests that passed and failed then, with the first line of their reasons."""
    check = planted(**texts)
    check.again = lambda files: dataclasses.replace(check, command=[*check.command, *files], again=None)
    outcome = checks.execute(check, strict=True)
    sides = run_tests.try_again([outcome], strict=True)
    passed, failed = ([f'{one.name}: {one.why.splitlines()[0]}' for one in side] for side in sides)
    return outcome, passed, failed


def test_an_accident_passes_at_the_second_try_and_is_named(planted: Callable[..., checks.Check]) -> None:
    outcome, passed, failed = twice(planted, race=RACE, ever=EVER)
    assert (outcome.passed, outcome.failed, outcome.good, failed) == (2, 0, True, [])
    assert passed == ['test_race::test_race: assert False']


def test_what_fails_twice_is_failed(planted: Callable[..., checks.Check]) -> None:
    outcome, passed, failed = twice(planted, never=NEVER, ever=EVER)
    assert (outcome.passed, outcome.failed, outcome.good, passed) == (1, 1, False, [])
    assert failed == ['test_never::test_never: AssertionError: what is wrong']


@pytest.mark.parametrize(
    'texts',
    [
        {f'race{n}': RACE.replace('ran', f'ran{n}') for n in range(run_tests.SECOND_TRIES + 1)},
        {'race': RACE, 'broken': 'import no_such_module\n'},
        {'race': RACE, 'skip': SKIP},
    ],
    ids=['too many', 'one is not importable', 'one was skipped'],
)
def test_nothing_runs_twice_where_more_is_wrong(planted: Callable[..., checks.Check], texts: dict[str, str]) -> None:
    outcome, passed, _failed = twice(planted, **texts)
    assert (outcome.good, passed) == (False, [])


def test_no_second_try_without_the_checks_consent(planted: Callable[..., checks.Check]) -> None:
    outcome = checks.execute(planted(race=RACE), strict=True)
    passed, failed = run_tests.try_again([outcome], strict=True)
    assert (outcome.good, passed, len(failed)) == (False, [], 1)


def test_skipped_is_told(run) -> None:
    outcome = run(SKIP, strict=False)
    assert (outcome.passed, outcome.failed, outcome.good) == (1, 0, True)
    assert len(outcome.skipped) == 1
    assert 'needs root' in outcome.skipped[0]


def test_skipped_is_failed_in_ci(run) -> None:
    outcome = run(SKIP, strict=True)
    assert (outcome.passed, outcome.failed, outcome.good) == (1, 1, False)


@pytest.mark.parametrize(
    'text',
    [
        'def test_c(): assert 0\n',
        'import no_such_module\n',
        'import os\ndef test_d(): os._exit(0)\n',
        'def no_test(): pass\n',
        None,
    ],
    ids=['fails', 'is not importable', 'dies', 'holds none', 'is not there'],
)
def test_not_good(run, text: str | None) -> None:
    assert not run(text, strict=False).good


def test_time_out_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, 'LOGS', tmp_path)
    check = checks.Check('hangs', [sys.executable, '-c', WAIT], tmp_path, {'PATH': os.defpath}, timeout=0.1)
    assert not checks.execute(check, strict=False).good


@pytest.mark.parametrize(
    ('name', 'good'),
    [
        ('plugins/modules/phoenix_other.py', True),
        ('lab/lab.py', False),
        ('tests/unit/test_x.py', False),
        ('.lab/env', False),
        ('plugins/modules/__pycache__/x.pyc', False),
    ],
)
def test_archive_content(name: str, good: bool) -> None:
    assert (check_build.content_problems([*check_build.NEEDED, name]) == []) is good


def test_archive_lacks_something() -> None:
    assert check_build.content_problems(list(check_build.NEEDED[1:])) == [
        f'not in the archive: {check_build.NEEDED[0]}'
    ]


def test_mypy_reads_every_folder_of_plugins() -> None:
    folders = {path.name for path in (checks.ROOT / 'plugins').iterdir() if any(path.rglob('*.py'))}
    assert folders == {*checks.ON_THE_NODE, *checks.ON_THE_CONTROLLER}
    parts = checks.parts_of_tests(checks.ROOT)
    assert 'fake_node' in parts
    assert f'{checks.COLLECTION}.tests.unit.plugins.plugin_utils.config.documents.faults' in parts
