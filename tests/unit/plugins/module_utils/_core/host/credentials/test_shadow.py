# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords of system accounts: which are set, which are left."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.credentials import shadow

ONE, OTHER = '$6$salt$one', '$y$j9T$salt$other'


@pytest.mark.parametrize(
    ('has', 'wanted', 'verdict'),
    [
        (None, ONE, 'set'),  # an account to come
        ('!', ONE, 'set'),  # as useradd makes it
        ('*', ONE, 'set'),
        ('!*', ONE, 'set'),
        ('', ONE, 'set'),  # no password at all
        (ONE, ONE, 'same'),
        (OTHER, ONE, 'set'),
        ('!' + ONE, ONE, 'locked'),
        ('!' + OTHER, ONE, 'locked'),
        ('!' + ONE, '!', 'same'),
        ('*', '!', 'same'),
        (ONE, '!', 'set'),
        (ONE, '*', 'set'),
        (None, '!', 'set'),
    ],
)
def test_a_password_is_set_only_where_it_differs_and_nobody_locked_it(
    has: str | None, wanted: str, verdict: str
) -> None:
    assert shadow.judge(has, wanted) == verdict


def test_the_file_is_read_and_the_input_written() -> None:
    known = shadow.parse(f'root:*:19700:0:99999:7:::\n# torn\nann:{ONE}:19700:0:99999:7:::\n')
    assert known == {'root': '*', 'ann': ONE}
    assert shadow.lines({'ann': ONE, 'ben': OTHER}) == f'ann:{ONE}\nben:{OTHER}\n'
