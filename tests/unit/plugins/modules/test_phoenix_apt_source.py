# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository comes with its key: the source is written after the key was verified, and never otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_sources_text
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import apt_keys
from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_apt_source

REPO = Path(__file__).resolve().parents[4]
(KEYS,) = REPO.glob("tests/unit/**/test_openpgp.py")
FIRST, SECOND = "7DEE0C7C33DFB5A201650B7DF9DC99C543D61F02", "118F0B166E7D0E9CD642CE4D575215433205C794"


def first_key() -> str:
    """A key of the tests of OpenPGP."""
    text = KEYS.read_text(encoding="utf-8").partition('FIRST_KEY = f"""{BEGIN}')[2].partition("{END}")[0]
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n{text}-----END PGP PUBLIC KEY BLOCK-----\n"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the module answers; sources and keys lie below the test's folder."""
    for name in ("remote", "sources"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(apt_sources_text, "FOLDER", str(tmp_path / "sources"))
    (tmp_path / "key.asc").write_text(first_key())
    own = {
        "name": "example",
        "uri": "https://apt.example.org/debian",
        "suites": ["/"],
        "key_url": f"file://{tmp_path}/key.asc",
        "key_fingerprints": [FIRST],
        "keyring": str(tmp_path / "keys" / "example.gpg"),
        "delay": 0,
        "_ansible_tmpdir": str(tmp_path / "remote"),
    }

    def call(**arguments: Any) -> dict[str, Any]:
        given = {key: value for key, value in {**own, **arguments}.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit):
            phoenix_apt_source.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return call


def test_a_source_is_written_once_and_names_its_key(run: Any, tmp_path: Path) -> None:
    file, keyring = tmp_path / "sources" / "example.sources", tmp_path / "keys" / "example.gpg"
    assert run(_ansible_check_mode=True)["changed"]
    assert not file.exists()
    first = run()
    assert (first["changed"], first["path"]) == (True, str(file))
    assert file.read_text().splitlines()[1:] == [
        "X-Repolib-Name: example",
        "Enabled: yes",
        "Types: deb",
        "URIs: https://apt.example.org/debian",
        "Suites: /",
        f"Signed-By: {keyring}",
    ]
    assert keyring.exists()
    assert not run()["changed"]
    changed = run(suites=["stable"], components=["main"], _ansible_check_mode=True)
    assert "+" not in changed["diff"][0]["before"]
    assert "Components: main" in changed["diff"][0]["after"]
    keyring.unlink()
    assert run()["changed"]


def test_another_key_keeps_the_source_away(run: Any, tmp_path: Path) -> None:
    refused = run(key_fingerprints=[SECOND])
    assert (refused["failed"], refused["refused"]) == (True, True)
    assert list((tmp_path / "sources").iterdir()) == []


def test_a_dry_run_goes_on_without_the_key_and_a_run_does_not(run: Any, tmp_path: Path) -> None:
    away = f"file://{tmp_path}/away"
    dry = run(key_url=away, _ansible_check_mode=True)
    assert dry["changed"]
    assert run(key_url=away, retries=0)["failed"]
    assert list((tmp_path / "sources").iterdir()) == []


def test_a_key_that_can_not_be_fetched_is_tried_again(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    failures, right = [OSError("busy"), OSError("busy")], apt_keys.download

    def download(url: str, timeout: int) -> bytes:
        if failures:
            raise failures.pop()
        return right(url, timeout)

    monkeypatch.setattr(apt_keys, "download", download)
    assert run(retries=1)["failed"]
    failures.append(OSError("busy"))
    assert run(retries=1)["changed"]


def test_a_source_is_removed(run: Any, tmp_path: Path) -> None:
    run()
    assert run(state="absent", _ansible_check_mode=True)["changed"]
    assert (tmp_path / "sources" / "example.sources").exists()
    assert run(state="absent")["changed"]
    assert not run(state="absent")["changed"]
    assert list((tmp_path / "sources").iterdir()) == []


def test_a_source_needs_its_key(run: Any) -> None:
    assert "key_url" in run(key_url=None)["msg"]
