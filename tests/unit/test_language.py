# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain English in all that people read: no form that the glossary replaces by a plain one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {'.md', '.py', '.yml', '.yaml', '.json', '.j2', '.rst', '.toml', '.cfg', '.sh'}
# Fixtures are the words of a real node; the glossary and this test list the forms themselves.
FIXTURES = 'tests/integration/conformance/fixtures/'
LEFT_OUT = (FIXTURES, 'tests/unit/test_language.py', 'docs/glossary.md', 'collections/')
# Form -> what to write.
FORMS = {
    r'(?:is|are|was|were|be|been|being) told': 'is reported',
    r'warned of': 'prints a warning',
    r'(?:tak(?:es?|en|ing)|took) (?:it|them|itself|themselves) back|taken back': 'rolled back',
    r'anew': 'again, recreated',
    r'mend(?:s|ed|ing)?': 'fix',
    r'lest': 'so that … not',
    r'(?:has|have|had) to be': 'must be',
    r'(?:what|that|which|who) is there': 'existing',
    r'which is no': 'is not a',
    r"somebody else(?:'s)?": 'foreign, another user',
    r'nobody provides': 'unknown',
    r'dead run|run that died': 'interrupted run',
    r'climbed to': 'reached',
    r'worth knowing': 'notes',
    r'_?believe[sd]?': 'assume',
    r'of old|thereof|hereby|herein|whereby|in vain|nought': 'plain words',
    r'all the same': 'anyway',
    r'look, then do it': 'preview, then apply',
    r'tells? (?:what|whether|which)': 'report, return',
    r'at work': 'running',
    r"can't carry out": 'failed',
    r'may not': 'must not, cannot, perhaps not',
    r'behaviour|colour|licence|neighbour|centre': 'American spelling',
    r'(?:normal|recogn|organ|serial|initial)is(?:e|es|ed|ing|ation)': 'American spelling',
}


def texts() -> list[Path]:
    """The files that people read."""
    found = []
    for path in sorted(ROOT.rglob('*')):
        name = str(path.relative_to(ROOT))
        hidden = any(part.startswith('.') or part == '__pycache__' for part in path.relative_to(ROOT).parts)
        if path.suffix in SUFFIXES and not hidden and not name.startswith(LEFT_OUT) and path.is_file():
            found.append(path)
    return found


def flat(text: str) -> str:
    """A text on one line: wrapped sentences, comments, list items, and strings in several pieces joined."""
    return re.sub(r'\s*\n\s*(?:# |- )?', ' ', re.sub(r'["\'] *\n *f?["\']', '', text))


@pytest.mark.parametrize('form', FORMS)
def test_no_text_has_a_form_that_the_glossary_replaces(form: str) -> None:
    pattern = re.compile(rf'\b(?:{form})\b', re.IGNORECASE)
    found = []
    for path in texts():
        text = flat(path.read_text(encoding='utf-8'))
        hits = (text[max(0, hit.start() - 60) : hit.end() + 40] for hit in pattern.finditer(text))
        found += [f'{path.relative_to(ROOT)}: {hit}' for hit in hits]
    assert found == [], f'write: {FORMS[form]}'


def test_a_form_is_found_in_a_text() -> None:
    planted = 'It is told, made anew, lest what is\n# there be " \n    f"taken back.'
    found = [form for form in FORMS if re.search(rf'\b(?:{form})\b', flat(planted), re.IGNORECASE)]
    assert len(found) == 5
