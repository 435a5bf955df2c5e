# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A consent is asked for what a node has: a share that a failed run noted and never made cuts nobody off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import ownership
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import share_plan
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import revert_timer, section_records

ROW = {'path': '/srv/a', 'client': '*', 'options': ['ro']}


@pytest.mark.parametrize(('on_node', 'asked'), [('/srv/a *(ro)\n', ['nfs:/srv/a@*']), ('', [])])
def test_consent_is_for_what_the_file_on_the_node_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_node: str, asked: list[str]
) -> None:
    monkeypatch.setattr(revert_timer, 'RECORDS', str(tmp_path))
    exports = tmp_path / 'phoenix.exports'
    exports.write_text(on_node, encoding='utf-8')
    monkeypatch.setattr(share_plan, 'EXPORTS', str(exports))
    record = tmp_path / 'nfs.json'
    record.write_text(json.dumps({section_records.INVENTORIES: {'mine': {'/srv/a@*': ROW}}}), encoding='utf-8')
    record.chmod(0o600)
    section = section_records.Section('nfs', 'mine', ownership.Consent())
    assert section.without_consent(section.judge({})) == asked
