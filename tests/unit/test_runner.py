# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of `make test` itself: nothing that went wrong, was skipped or did not run may count as passed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))

import check_build
import checks

WAIT = 'import threading; threading.Event().wait()'
# A test that skips, on purpose: the runner must count it.
SKIP = 'import pytest\ndef test_a(): pytest.skip("needs root")\ndef test_b(): pass\n'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs pytest on a file with this text, or on nothing, as a check; returns the outcome."""
    monkeypatch.setattr(checks, 'LOGS', tmp_path / 'logs')

    def run_text(text: str | None, strict: bool) -> checks.Outcome:
        folder = tmp_path / 'tests'
        folder.mkdir()
        if text is not None:
            (folder / 'test_planted.py').write_text(text, encoding='utf-8')
        junit = tmp_path / 'results.xml'
        command = [sys.executable, '-m', 'pytest', '-c', os.devnull, '--rootdir', str(folder), f'--junitxml={junit}']
        env = {name: value for name, value in os.environ.items() if not name.startswith('PYTEST_')}
        env['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'  # pytest alone is tried; plugins take a second
        return checks.execute(checks.Check('planted', command, folder, env, junit=junit), strict)

    return run_text


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
