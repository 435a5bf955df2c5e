# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version of Proxmox VE that a node's own file has."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import installed

TEXT = """package PVE::pvecfg;

sub package {{
    return 'pve-manager';
}}

sub version {{
    return '{version}';
}}

sub release {{
    return '8.9';
}}
"""


@pytest.mark.parametrize("version", ["7.4-3", "8.0.3", "8.4.21", "9.0.0~11"])
def test_the_version_of_the_node(tmp_path: Path, version: str) -> None:
    path = tmp_path / installed.FILE
    path.parent.mkdir(parents=True)
    path.write_text(TEXT.format(version=version), encoding="utf-8")
    assert installed.version(str(tmp_path)) == version


@pytest.mark.parametrize("text", [None, "", "sub version {\n    return $own;\n}\n"])
def test_a_file_that_says_nothing_is_no_version(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / installed.FILE
    path.parent.mkdir(parents=True)
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert installed.version(str(tmp_path)) == ""
