# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layer a container waits for: that of a container of the run that is not given up."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.action.phoenix_lxc_state import awaited

LAYER = {'ctid': 950, 'volume': 'local:vztmpl/phoenix-layer-0.tar.zst'}


class Hostvars(dict):
    """Ansible's hostvars, as far as they are read."""

    def raw_get(self, host):
        return self[host]


@pytest.mark.parametrize(
    ('faults', 'expected'), [({}, LAYER), ({'951': 'is foreign'}, LAYER), ({'950': 'is foreign'}, None)]
)
def test_nobody_waits_for_the_layer_of_a_container_with_a_fault(faults, expected):
    facts = {'phoenix_observed': {'951': {'awaits_layer': LAYER}}, 'phoenix_faults': faults}
    hostvars = Hostvars(pve={'ansible_facts': facts})
    assert awaited({'phoenix_node': 'pve', 'phoenix_ctid': 951}, hostvars) == expected


def test_a_container_that_awaits_none():
    hostvars = Hostvars(pve={'ansible_facts': {'phoenix_observed': {'951': {}}, 'phoenix_faults': {'None': 'x'}}})
    assert awaited({'phoenix_node': 'pve', 'phoenix_ctid': 951}, hostvars) is None
