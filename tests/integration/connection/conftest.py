# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test runs over both transports: SSH to the lab's node, and local on this machine."""

from __future__ import annotations

import collections.abc as c
import importlib.util
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
# What the lab's tests have to run playbooks with.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "lab"))
if importlib.util.find_spec("ansible_collections") is None:
    # A plain clone resolves its own name through this folder.
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "collections"))

import pct_targets


@pytest.fixture(scope="session", params=["ssh", "local"])
def target(request: pytest.FixtureRequest) -> c.Iterator[pct_targets.Target]:
    """The containers of a transport."""
    try:
        made = pct_targets.lab_target() if request.param == "ssh" else pct_targets.local_target()
    except pct_targets.UnavailableError as error:
        if os.environ.get("PHOENIX_NO_SKIP"):
            pytest.fail(f"nothing may skip here, but this {error}")
        pytest.skip(f"this {error}")  # a developer without the lab; PHOENIX_NO_SKIP, as in make test, fails instead
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def control_dir() -> c.Iterator[pathlib.Path]:
    """A directory of our own for SSH's master sockets, with a path short enough for them."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="pct"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)  # a master may still hold its socket
