# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's control plane against the recorded node: equal, or listed with a reason.

The recordings are of PVE 8.4.21. As version 9 the lab is replayed too: what differs then is what PVE 9 does otherwise.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import replay
import report

DOCUMENT = Path(__file__).resolve().parents[3] / 'lab/CONFORMANCE.md'


def test_fixtures_are_whole() -> None:
    """Titles name one step each, and each recorded answer has something to compare."""
    seen = set()
    for scenario in replay.scenarios():
        for step in scenario['steps']:
            name = (scenario['section'], step['title'])
            assert name not in seen, name
            seen.add(name)
            assert {'status', 'reason'} <= set(step['expect']), name
    assert len(seen) > 400


@pytest.mark.parametrize('version', [8, 9])
def test_no_unlisted_difference(outcomes: dict[int, list[replay.Outcome]], version: int) -> None:
    """Every difference from the recorded node is listed."""
    known = replay.known(version)
    unlisted = [o for o in outcomes[version] if o.found and o.name not in known]
    assert not unlisted, '\n'.join(f'{o.name}\n{o.text()}' for o in unlisted)


@pytest.mark.parametrize('version', [8, 9])
def test_no_outdated_difference(outcomes: dict[int, list[replay.Outcome]], version: int) -> None:
    """A listed difference that is none any more is taken off the list."""
    differing = {o.name for o in outcomes[version] if o.found}
    outdated = sorted(set(replay.known(version)) - differing)
    assert not outdated, outdated


def test_document_is_current(outcomes: dict[int, list[replay.Outcome]], request: pytest.FixtureRequest) -> None:
    """lab/CONFORMANCE.md says what the replay found."""
    text = report.render(outcomes)
    if request.config.getoption('--write-conformance', default=False):
        DOCUMENT.write_text(text, encoding='utf-8')
    assert DOCUMENT.read_text(encoding='utf-8') == text, 'run pytest with --write-conformance'
