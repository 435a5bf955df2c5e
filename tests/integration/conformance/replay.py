# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send the recorded requests of a scenario to a lab node, in their order, and collect the differences."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compare import differences
from labnode import Lab

FIXTURES = Path(__file__).parent / 'fixtures'
NOT_SCENARIOS = ('known_differences.json', 'not_replayed.json')


@dataclass
class Outcome:
    """One step: its name, how many recorded blocks it stands for, and where the lab differs."""

    scenario: str
    title: str
    blocks: int
    found: list[tuple[str, Any, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Scenario and title: the name in the list of known differences."""
        return f'{self.scenario}: {self.title}'

    def text(self) -> str:
        """The differences for a person."""
        return '\n'.join('  {}:\n    recorded {!r}\n    lab      {!r}'.format(*item) for item in self.found)


def scenarios() -> list[dict[str, Any]]:
    """All scenarios, by file name."""
    return [
        json.loads(path.read_text(encoding='utf-8'))
        for path in sorted(FIXTURES.glob('*.json'))
        if path.name not in NOT_SCENARIOS
    ]


def load(name: str) -> Any:
    """Another fixture."""
    return json.loads((FIXTURES / name).read_text(encoding='utf-8'))


def known(version: int) -> dict[str, str]:
    """{step name: why it differs} of the listed differences for this version."""
    listed = load('known_differences.json')
    return dict(listed['both'], **listed[str(version)])


def replay(scenario: dict[str, Any], directory: Path, version: int) -> list[Outcome]:
    """Run one scenario on a fresh node of this version."""
    lab = Lab(directory, version)
    out = []
    try:
        for action in scenario['setup']:
            lab.act(*action)
        for step in scenario['steps']:
            for action in step.get('before', ()):
                lab.act(*action)
            expect = step['expect']
            watched = [expect[key] for key in ('same_conf', 'other_conf') if key in expect]
            before = {vmid: lab.conf(vmid) for vmid in watched}
            got = lab.request(step)
            got['before'] = before
            got['configs'] = {}
            for vmid in expect.get('get', ()):
                config = lab.request({'request': ['GET', f'/nodes/pve/lxc/{vmid}/config'], 'as': 'root'})
                got['configs'][vmid] = (config['body'] or {}).get('data') or {}
            out.append(
                Outcome(scenario['section'], step['title'], step.get('blocks', 1), differences(expect, got, lab.conf))
            )
    finally:
        lab.close()
    return out
