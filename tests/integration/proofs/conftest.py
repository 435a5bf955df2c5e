# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the proofs, and their counts at the end of the run."""

from __future__ import annotations

import pytest
from proof_counts import COUNTS
from proof_node import ProofNode, edges


@pytest.fixture(scope="module", params=[8, 9], ids=["pve8", "pve9"])
def version(request: pytest.FixtureRequest) -> int:
    """The version of PVE."""
    return request.param


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, version: int):
    """A node that the tests of a file use one after the other; each wipes it first."""
    made = ProofNode(tmp_path_factory.mktemp("node"), version)
    with pytest.MonkeyPatch.context() as patch:
        edges(made, patch)
        yield made
    made.close()


def pytest_terminal_summary(terminalreporter) -> None:
    """The figures that the documentation promises: how much was really tried."""
    if COUNTS:
        terminalreporter.section("proofs")
        for what, count in sorted(COUNTS.items()):
            terminalreporter.write_line(f"{what}: {count}")
