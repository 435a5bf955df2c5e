# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories and accounts of the host's file in their one form."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config

ENTERPRISE: dict[str, Any] = {'name': 'ceph-enterprise', 'enabled': False}
FREE: dict[str, Any] = {'name': 'ceph-no-subscription'}


@pytest.mark.parametrize(
    ('given', 'files'),
    [
        ([FREE], ['ceph']),
        ([ENTERPRISE], ['ceph']),
        ([ENTERPRISE, FREE], ['ceph', 'ceph-no-subscription']),
        ([FREE, ENTERPRISE], ['ceph-no-subscription', 'ceph']),
        (
            [{'name': 'pve-enterprise', 'enabled': False}, {'name': 'pve-no-subscription'}],
            ['pve-enterprise', 'proxmox'],
        ),
    ],
)
def test_no_two_repositories_share_a_file(given: list[dict[str, Any]], files: list[str]) -> None:
    assert [row['file'] for row in host_config({'repositories': given})['repositories']] == files


def test_the_hash_of_a_password_is_apart_from_its_account() -> None:
    """What loops over accounts shows each of them."""
    given = [
        {'username': 'ann', 'password_hash': '$6$a$b'},
        {'username': 'ben', 'password_hash': 'NOT_SET'},
        {'username': 'cid'},
    ]
    shape = host_config({'users': given})
    assert '$6$a$b' not in str(shape['users'])
    assert [user['has_password'] for user in shape['users']] == [True, False, False]
    assert shape['password_hashes'] == {'ann': '$6$a$b'}
