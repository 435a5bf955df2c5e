# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the lab and the harness importable, and replay everything once for each version."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2] / 'lab'), str(HERE)]

pytest.importorskip('fakepve', reason='needs the PyPI package fakepve')

import replay


def pytest_addoption(parser: pytest.Parser) -> None:
    """--write-conformance renews lab/CONFORMANCE.md."""
    parser.addoption('--write-conformance', action='store_true', help='write lab/CONFORMANCE.md again')


@pytest.fixture(scope='session')
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[replay.Outcome]]:
    """{PVE version: every step's outcome}."""
    out: dict[int, list[replay.Outcome]] = {}
    for version in (8, 9):
        out[version] = []
        for scenario in replay.scenarios():
            directory = tmp_path_factory.mktemp(f'v{version}')
            out[version] += replay.replay(scenario, directory, version)
    return out
