# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests against a control plane in this process."""

from __future__ import annotations

import pytest
from fake_node import FakeNode, edges


@pytest.fixture(scope="module", params=[8, 9])
def version(request):
    """The PVE version."""
    return request.param


@pytest.fixture(scope="module")
def served(tmp_path_factory, version):
    """A node of that version, for all tests of a file."""
    made = FakeNode(tmp_path_factory.mktemp("node"), version, 0.005)
    yield made
    made.close()


@pytest.fixture
def node(served, monkeypatch):
    """The same, empty."""
    served.wipe()
    edges(served, monkeypatch)
    return served
