# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""By its being here pytest finds fake_node.py, which all folders below share."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a call that both kinds of tests are in: each finds the collection in its own way."""
    if any("tests/unit" in str(word) for word in config.args):
        raise pytest.UsageError(
            "tests/unit and tests/integration in one call; expected a call of pytest for each; see CONTRIBUTING.md"
        )
