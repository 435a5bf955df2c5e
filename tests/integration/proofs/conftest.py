# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the proofs, and their counts at the end of the run."""

from __future__ import annotations

import pure_parts  # noqa: F401  # pylint: disable=unused-import  # imported early, see there
import pytest
import transports
from fake_node import FakeNode, edges
from fault_node import FaultNode, FaultTokenNode
from proof_counts import COUNTS, LONG
from token_node import TokenNode

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import executor
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote import api_client

RETRIES = (0.02, 0.05, 0.1, 0.2)


@pytest.fixture(scope="module", params=[9, 8] if LONG else [9], ids=lambda number: f"pve{number}")
def fault_version(request: pytest.FixtureRequest) -> int:
    """The version of PVE whose faults are played: what they do differs little."""
    return request.param


@pytest.fixture(scope="module", params=[8, 9], ids=["pve8", "pve9"])
def version(request: pytest.FixtureRequest) -> int:
    """The version of PVE."""
    return request.param


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, version: int, transport: str):
    """A node that the tests of a file use one after the other; each wipes it first."""
    folder = tmp_path_factory.mktemp("node")
    by_token = transport == transports.TOKEN
    made = TokenNode(folder, version, 0.0, enters=True) if by_token else FakeNode(folder, version)
    with pytest.MonkeyPatch.context() as patch:
        edges(made, patch)
        yield made
    made.close()


@pytest.fixture(scope="module")
def fault_node(tmp_path_factory: pytest.TempPathFactory, fault_version: int, transport: str):
    """A node that plays faults."""
    folder = tmp_path_factory.mktemp("faults")
    by_token = transport == transports.TOKEN
    made = FaultTokenNode(folder, fault_version, enters=True) if by_token else FaultNode(folder, fault_version)
    with pytest.MonkeyPatch.context() as patch:
        edges(made, patch)
        patch.setattr(local_client, "mint_ticket", made.mint)
        patch.setattr(local_client, "RETRIES", RETRIES)
        patch.setattr(api_client, "RETRIES", RETRIES)
        patch.setattr(executor, "AGAIN", (0.02, 0.05, 0.1))
        yield made
    made.calm()
    made.close()


@pytest.fixture
def faults(fault_node: FaultNode):
    """The same, in peace before and after."""
    yield fault_node
    fault_node.calm()


def pytest_terminal_summary(terminalreporter) -> None:
    """The figures that the documentation promises: how much was really tried."""
    if COUNTS:
        terminalreporter.section("proofs")
        for what, count in sorted(COUNTS.items()):
            terminalreporter.write_line(f"{what}: {count}")
