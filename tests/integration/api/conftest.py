# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests against a control plane in this process."""

from __future__ import annotations

import re

import pytest
import transports

# The fixtures import the node: this file is read before pytest-ansible knows the collection, when only this folder is
# tested, and what is imported then can't be imported from any more.


@pytest.fixture(scope="module", params=[8, 9])
def version(request):
    """The PVE version."""
    return request.param


@pytest.fixture(scope="module")
def transport():
    """How the product reaches the node. The modules of transports.BOTH have both ways."""
    return transports.SSH


def pytest_generate_tests(metafunc):
    """Give the tests of the state machine both transports."""
    if "node" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in transports.BOTH:
        metafunc.parametrize("transport", [transports.SSH, transports.TOKEN], scope="module")


def pytest_collection_modifyitems(config, items):
    """Leave out what is not a matter of the transport, and what the short form leaves to the long one."""
    left = transports.left_out(items)
    config.hook.pytest_deselected(items=left)
    gone = set(map(id, left))
    items[:] = [item for item in items if id(item) not in gone]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Have a case that a token can't do refused, before anything is touched."""
    refused = transports.refusal(pyfuncitem)
    if refused is None:
        return (yield)
    from token_node import RefusedError

    with pytest.raises(RefusedError, match=re.escape(refused.words)):
        yield
    return True


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
