# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of the site tests: one a session, brought up by lab.py of the checkout under test and removed at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import kept_template
from support.figures import FIGURES
from support.site import INSTANCE, Lab, Project

# Set while writing tests: the lab stays between sessions, which saves its second template.
KEEP = bool(os.environ.get('PHOENIX_LAB_KEEP'))


@pytest.fixture(scope='session')
def site_lab() -> Iterator[Lab]:
    """The node, up, with a second template that has Python, so that only the tests of its absence install it."""
    if os.geteuid() != 0:
        pytest.skip('the lab needs root')  # on a developer machine; make test counts a skip as a failure
    if not shutil.which('apt-get'):
        pytest.skip('the lab needs Debian: apt-get is not here')  # as above
    lab = Lab()
    lab.up(keep=KEEP, share=True)
    lab.add_python_template()
    yield lab
    if not KEEP:
        lab.run('down')


@pytest.fixture(scope='module')
def host_lab() -> Iterator[Lab]:
    """A node of the module's own, as after its first boot: what is set up on a node stays on it."""
    if os.geteuid() != 0:
        pytest.skip('the lab needs root')  # as above
    lab = Lab('n' + INSTANCE[0] + INSTANCE[2:])  # neither the session's own nor that of another one of this checkout
    lab.up(keep=KEEP, share=True)
    kept_template.add_lists(lab.variables, lab.sh)
    yield lab
    if not KEEP:
        lab.run('down')


@pytest.fixture
def lab(site_lab: Lab) -> Lab:
    """The node as after its first boot."""
    site_lab.run('reset')
    return site_lab


@pytest.fixture
def project(lab: Lab, tmp_path: Path) -> Project:
    """An empty project for that node."""
    return Project(lab, tmp_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of the run, where tools/checks.py looks for them."""
    if FIGURES:
        terminalreporter.section('proofs')
        for line in FIGURES:
            terminalreporter.write_line(line)
