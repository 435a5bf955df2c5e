# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is suggested in place of a text that has another form than its key takes."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema.meantforms import meant

HOST = r"^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\Z"
ADDRESS = r"^(?:dhcp|(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}/(?:3[0-2]|[12]?[0-9]))\Z"
MAC = r"^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\Z"
SIZE = r"^[1-9][0-9]*(?:[KMGT](?:i?B)?)?\Z"
PATH = r"^/[^,:]*\Z"


@pytest.mark.parametrize(
    ("pattern", "text", "form"),
    [
        (HOST, "web 1", "web-1"),
        (HOST, "_größe_", "groesse"),
        (HOST, "---", None),
        (HOST, "w" * 64, None),
        (ADDRESS, "DHCP", "dhcp"),
        (ADDRESS, "10.0.0.5/255.255.254.0", "10.0.0.5/23"),
        (ADDRESS, "010.000.0.5/24", "10.0.0.5/24"),
        (ADDRESS, " 10.0.0.5/24 ", "10.0.0.5/24"),
        (ADDRESS, "10.0.0.5/255.0.255.0", None),
        (ADDRESS, "10.0.0.5/", None),
        (ADDRESS, "10.0.0.5", None),
        (MAC, "BC-24-11-00-09-50", "BC:24:11:00:09:50"),
        (MAC, "bc24.1100.0950", "bc:24:11:00:09:50"),
        (MAC, "BC-24-11", None),
        (SIZE, "8 GB", "8GB"),
        (SIZE, "8 9", None),
        (PATH, "srv/x", "/srv/x"),
        (PATH, "a:b", None),
        (HOST, "_" * 1_000_000, None),
    ],
)
def test_form(pattern: str, text: str, form: str | None) -> None:
    assert meant(pattern, text, is_path=pattern == PATH, is_hyphenated=pattern == HOST) == form
