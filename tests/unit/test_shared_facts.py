# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable that plays, roles and plugins share is a row of one table, and every row is used."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables, sharedfacts

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))

import fact_uses


def faults(uses: dict[str, Counter[str]], known: dict[str, sharedfacts.SharedFact]) -> list[str]:
    """What the table and the sources say differently."""
    found = [
        f'{name} in {", ".join(files)} is a row of neither runvariables.TABLE nor sharedfacts.TABLE'
        for name, files in uses.items()
        if name not in known and name not in runvariables.BY_NAME
    ]
    for name, fact in known.items():
        files = uses.get(name, Counter())
        found += [f'{name}: {path} does not set it' for path in fact.set_by if path not in files]
        others = [path for path in files if path not in fact.set_by]
        # A loop may only count.
        alone = fact.for_people or fact.kind is sharedfacts.Kind.LOOP or any(count > 1 for count in files.values())
        if not others and not alone:
            found.append(f'{name}: nothing reads it')
    return found


def test_the_sources_and_the_table_agree() -> None:
    uses = fact_uses.uses(ROOT)
    assert len(uses) > 60
    assert faults(uses, sharedfacts.BY_NAME) == []


def test_a_variable_without_a_row_is_found() -> None:
    uses = fact_uses.uses(ROOT)
    uses['phoenix_surprise'] = Counter({'playbooks/site.yml': 1})
    (fault,) = faults(uses, sharedfacts.BY_NAME)
    assert fault.startswith('phoenix_surprise in playbooks/site.yml is a row of neither')


def test_a_row_that_nothing_sets_or_reads_is_found() -> None:
    row = sharedfacts.SharedFact('phoenix_gone', sharedfacts.Kind.PLAY, 'text', 'x', ('playbooks/site.yml',))
    wanted = ['phoenix_gone: playbooks/site.yml does not set it', 'phoenix_gone: nothing reads it']
    assert faults(fact_uses.uses(ROOT), {**sharedfacts.BY_NAME, 'phoenix_gone': row}) == wanted


def test_no_name_is_in_both_tables_or_twice() -> None:
    names = [fact.name for fact in sharedfacts.TABLE] + [variable.name for variable in runvariables.TABLE]
    assert len(names) == len(set(names))


def test_names_are_found_where_they_are_variables() -> None:
    yaml = """\
- phoenix.hypervisor.phoenix_lxc_info:  # phoenix_comment
    hosts: "{{ hostvars[phoenix_one].ansible_facts.phoenix_two | phoenix.hypervisor.phoenix_filter }}"
    path: /var/lib/phoenix_path/phoenix_file.yml
"""
    assert fact_uses.in_text(yaml) == ['phoenix_one', 'phoenix_two']
    assert fact_uses.in_python('"""phoenix_text"""\nx["phoenix_one"] = f"{y}_phoenix_no phoenix_no"\n') == [
        'phoenix_text',
        'phoenix_one',
    ]
