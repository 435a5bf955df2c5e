# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bench keeps: the figures of each part with their own date and load, in one file, drawn in one plot."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
for folder in ('lab', 'tools'):
    if str(ROOT / folder) not in sys.path:
        sys.path.append(str(ROOT / folder))

import docs_tables
from bench import report
from bench.costs import Cost, task_seconds
from bench.figures import Figure, against

TWO = {'the playbook': Cost(3.0, 1.0, 1.0), 'by hand': Cost(2.0, 0.5, 1.5)}
INSIDE = Figure('10 tasks, warm against X', 2.0, 3.0, ' times faster', at_least=True)


def at(monkeypatch: pytest.MonkeyPatch, date: str, load: float) -> None:
    """Let the next part be measured then."""
    facts = {'date': f'{date}T00:00:00Z', 'processors': 2, 'processor': 'CPU', 'memory_gib': 4, 'load': [load, 1, 1]}
    monkeypatch.setattr(report, 'machine', lambda: facts)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository's folder, with the figures of two parts of different days."""
    kept = tmp_path / 'docs' / 'performance'
    at(monkeypatch, '2026-01-02', 0.5)
    report.write('inside', [INSIDE], 'the lab', kept)
    at(monkeypatch, '2026-03-04', 7.0)
    report.write('provision', against('first provisioning', TWO, 1.0), 'the lab', kept)
    return kept


def test_a_part_leaves_the_figures_of_the_others_with_their_date(folder: Path) -> None:
    parts = json.loads((folder / 'bench.json').read_text(encoding='utf-8'))['parts']
    assert [(name, part['date'][:10], part['load'][0], len(part['figures'])) for name, part in parts.items()] == [
        ('provision', '2026-03-04', 7.0, 2),
        ('inside', '2026-01-02', 0.5, 1),
    ]


def test_a_part_replaces_its_own_figures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, '2026-05-06', 1.0)
    report.write('provision', [Figure('another one', 1.0, 1.0)], 'a real node', folder)
    parts = report.kept(folder)
    assert [row['what'] for row in parts['provision']['figures']] == ['another one']
    assert parts['provision']['where'] == 'a real node'
    assert parts['inside']['date'].startswith('2026-01-02')


def test_the_plot_has_the_figures_of_all_parts(folder: Path) -> None:
    drawn = (folder / 'bench.svg').read_text(encoding='utf-8')
    assert 'first provisioning, wall' in drawn
    assert INSIDE.what in drawn
    assert '2026-01-02 to 2026-03-04' in drawn
    assert sorted(path.name for path in folder.iterdir()) == ['bench.json', 'bench.svg']


def test_the_page_says_the_date_and_the_load_of_each_figure(folder: Path) -> None:
    lines = docs_tables.figure_table(folder.parents[1]).splitlines()
    assert '| first provisioning, wall | 1.50 times | at most 1 times | no | 2026-03-04 | 7 |' in lines
    assert '| 10 tasks, warm against X | 2.00 times faster | at least 3 times faster | no | 2026-01-02 | 0.5 |' in lines
    assert '| first provisioning | by hand | 2.0 s | 0.5 s | 1.5 s |' in lines


@pytest.mark.parametrize(
    'text', ['', '[]', '{"where": "the lab", "figures": []}', '{"parts": {"other": {"figures": []}}}']
)
def test_a_file_in_another_form_is_refused_and_stays(tmp_path: Path, text: str) -> None:
    (tmp_path / 'bench.json').write_text(text, encoding='utf-8')
    with pytest.raises(report.ReportError, match='remove the file, or name another folder'):
        report.write('inside', [INSIDE], 'the lab', tmp_path)
    assert (tmp_path / 'bench.json').read_text(encoding='utf-8') == text


def test_the_kept_file_is_in_the_form_that_the_next_run_reads() -> None:
    parts = report.kept(ROOT / 'docs' / 'performance')
    assert set(parts) <= set(report.ORDER)
    assert parts['paper']['figures']


def test_a_task_takes_from_the_end_of_the_one_before_it_to_its_own(tmp_path: Path) -> None:
    line = '{time}+00:00 INFO run={run} ctid=952 event="{event}" outcome=ok seconds=0.010 host=inside\n'
    rows = [
        ('2026-01-01T23:59:59.800', 'one', 'Task 0'),
        ('2026-01-01T23:59:59.900', 'one', 'Task 1'),
        ('2026-01-01T23:59:59.950', 'one', 'play Tasks'),
        ('2026-01-02T00:00:00.000', 'one', 'Task 2'),
        ('2026-01-02T00:00:07.000', 'two', 'Task 0'),
        ('2026-01-02T00:00:07.050', 'two', 'Task 1'),
    ]
    for time, run, event in rows:
        with open(tmp_path / f'orchestrator_{time[:10]}.log', 'a', encoding='utf-8') as file:
            file.write(line.format(time=time, run=run, event=event))
    assert task_seconds(tmp_path) == [0.1, 0.1, 0.05]
