# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration asks for besides options: the defaults, and both spellings of a CTID."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted


def test_the_defaults_of_an_empty_configuration():
    asked = Wanted(950, "pve", {}).asked
    assert (asked.called(950), asked.rootfs_gb, asked.is_unprivileged, asked.guard) == ("CT950", 4, True, "none")
    assert (asked.unprivileged, asked.protected, asked.clone_from, asked.snapshot) == (None, None, None, None)
    assert not asked.is_template
    assert not asked.restarts


@pytest.mark.parametrize("ctid", ["900", 900])
def test_the_clone_source_is_a_number(ctid: object):
    assert Wanted(950, "pve", {"clone_from_ctid": ctid}).asked.clone_from == 900


def test_another_configuration_is_read_again():
    wanted = Wanted(950, "pve", {"guard": "report", "unprivileged": False})
    assert wanted.asked.guard == "report"
    assert not wanted.asked.is_unprivileged
    changed = dataclasses.replace(wanted, config={"guard": "none"})
    assert changed.asked.guard == "none"
    assert changed.asked.is_unprivileged
