# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all folders below share: fake_node.py, which pytest finds by this file's being here, and both transports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import transports

NODES = frozenset({"node", "faults", "kills"})
"""Fixtures that are a node, which a run reaches in one way or the other."""


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a call that both kinds of tests are in: each finds the collection in its own way."""
    if any("tests/unit" in str(word) for word in config.args):
        raise pytest.UsageError(
            "tests/unit and tests/integration in one call; expected a call of pytest for each; see CONTRIBUTING.md"
        )


@pytest.fixture(scope="module")
def transport() -> str:
    """How the product reaches the node. The modules of transports.BOTH have both ways."""
    return transports.SSH


def pytest_generate_tests(metafunc: Any) -> None:
    """Give the tests of the state machine and the proofs both transports."""
    module = metafunc.module.__name__.rpartition(".")[2]
    if NODES.intersection(metafunc.fixturenames) and module in transports.BOTH:
        metafunc.parametrize("transport", [transports.SSH, transports.TOKEN], scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Leave out what is not a matter of the transport, and what the short form leaves to the long one."""
    left = transports.left_out(items)
    config.hook.pytest_deselected(items=left)
    gone = set(map(id, left))
    items[:] = [item for item in items if id(item) not in gone]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: Any) -> Iterator[Any]:
    """Have a case that a token can't do refused, before anything is touched."""
    refused = transports.refusal(pyfuncitem)
    if refused is None:
        return (yield)
    from token_node import RefusedError

    with pytest.raises(RefusedError, match=re.escape(refused.words)):
        yield
    return True
