# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time that the connection gives an application: never less than its own time-outs take together."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.application_files import longest


@pytest.mark.parametrize(
    ("args", "seconds"),
    [
        ({"script": "/x", "timeout": "40000"}, 80120),
        ({"script": "/x"}, 7320),
        ({"health_check": {"command": "true", "retries": 30, "interval": 2, "timeout": 9}}, 31 * 10 + 60 + 120),
        ({"timeout": 40000}, 120),
    ],
)
def test_longest(args: dict[str, Any], seconds: int) -> None:
    assert longest(args) == seconds
