# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX gets of a job, for people: a few events of one job of each template, in a file and the log of the tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .awx import PREFIX, Job
from .figures import figure
from .site import CHECKOUT

EXCERPTS = CHECKOUT / '.cache' / 'logs' / 'awx-events.txt'
SHOWN = ('runner_on_ok', 'runner_on_changed', 'runner_on_failed', 'runner_on_unreachable')
TOTALS = ('ok', 'changed', 'failures', 'dark', 'artifact_data')
EACH = 6
LONGEST = 600


def excerpt(job: Job) -> list[str]:
    """The last results of tasks and the totals, an event a line."""
    events = job.all_events()
    results = [event for event in events if event['event'] in SHOWN][-EACH:]
    return [_line(event) for event in [*results, *(event for event in events if event['event'] == 'playbook_on_stats')]]


def _line(event: dict[str, Any]) -> str:
    data = event['event_data']
    known: dict[str, Any] = {'counter': event['counter'], 'event': event['event']}
    if 'task' in data:
        result = data.get('res') or {}
        known.update(host=data['host'], task=data['task'], changed=bool(result.get('changed')))
        if 'msg' in result:
            known['msg'] = result['msg']
    else:
        known.update({name: data[name] for name in TOTALS if data[name]})
    text = json.dumps(known, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[:LONGEST] + ' …'


def keep(jobs: Iterable[Job]) -> None:
    """Write the excerpt of one job of each template, of one that ended well if any did, and log a line of each."""
    first: dict[str, Job] = {}
    for job in sorted((job for job in jobs if job.ended), key=lambda job: job.rc != 0):
        first.setdefault(job.template, job)
    parts = []
    for name, job in first.items():
        lines = excerpt(job)
        parts.append('\n'.join([f'{PREFIX} {name}', *(f'  {line}' for line in lines)]))
        figure(f'AWX job {PREFIX} {name}', f'{len(job.all_events())} events, {job.changed} changed; {lines[-2][:200]}')
    EXCERPTS.parent.mkdir(parents=True, exist_ok=True)
    EXCERPTS.write_text('\n\n'.join(parts) + '\n', encoding='utf-8')
