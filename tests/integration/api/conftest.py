# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests against a control plane in this process."""

from __future__ import annotations

import pytest
import transports

# The fixtures import the node: this file is read before pytest-ansible knows the collection, when only this folder is
# tested, and what is imported then can't be imported from any more.


@pytest.fixture(scope="module", params=[8, 9])
def version(request):
    """The PVE version."""
    return request.param


@pytest.fixture(scope="module")
def served(tmp_path_factory, version, transport):
    """A node of that version, for all tests of a file."""
    from fake_node import FakeNode
    from token_node import TokenNode

    made = (TokenNode if transport == transports.TOKEN else FakeNode)(tmp_path_factory.mktemp("node"), version, 0.005)
    yield made
    made.close()


@pytest.fixture
def node(served, monkeypatch):
    """The same, empty."""
    from fake_node import edges

    served.wipe()
    edges(served, monkeypatch)
    return served
