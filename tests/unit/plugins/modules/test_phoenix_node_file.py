# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file is taken only where something says what it must be."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_node_file


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """What the module answers."""

    def call(**arguments: Any) -> dict[str, Any]:
        with patch_module_args({"folder": str(tmp_path / "cache"), **arguments}), pytest.raises(SystemExit):
            phoenix_node_file.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return call


def test_a_checksum_over_http_is_none(run: Any) -> None:
    """Whoever changes the file on its way changes that, too. Nothing is downloaded."""
    answer = run(url="http://192.0.2.1/a.run", checksum_url="http://192.0.2.1/a.run.sha256sum", timeout=1)
    assert answer["failed"]
    assert "comes without encryption, so it proves nothing" in answer["msg"]
    assert "Set the SHA-256 of the file, or use https." in answer["msg"]


def test_with_a_checksum_the_way_does_not_matter(run: Any, tmp_path: Path) -> None:
    """That of the file system here, with a checksum address that would be refused alone."""
    file = tmp_path / "a.run"
    file.write_bytes(b"driver")
    checksum = hashlib.sha256(b"driver").hexdigest()
    answer = run(url=f"file://{file}", sha256=checksum, checksum_url="http://192.0.2.1/a.run.sha256sum")
    assert answer["downloaded"]
    assert (tmp_path / "cache" / "a.run").read_bytes() == b"driver"
