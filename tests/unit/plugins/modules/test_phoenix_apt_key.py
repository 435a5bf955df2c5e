# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository's key is written when it is the expected one, and never otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_apt_key

REPO = Path(__file__).resolve().parents[4]
KEYS = (REPO / "tests/unit/plugins/module_utils/_core/host/credentials/test_openpgp.py").read_text(encoding="utf-8")


def key(name: str) -> str:
    """A key of the tests of OpenPGP."""
    text = KEYS.partition(f'{name} = f"""{{BEGIN}}')[2].partition("{END}")[0]
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n{text}-----END PGP PUBLIC KEY BLOCK-----\n"


FIRST, SECOND = "7DEE0C7C33DFB5A201650B7DF9DC99C543D61F02", "118F0B166E7D0E9CD642CE4D575215433205C794"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """What the module answers."""
    (tmp_path / "remote").mkdir()
    own = {"dest": str(tmp_path / "keyrings" / "a.gpg"), "_ansible_tmpdir": str(tmp_path / "remote")}

    def call(**arguments: Any) -> dict[str, Any]:
        with patch_module_args({**own, **arguments}), pytest.raises(SystemExit):
            phoenix_apt_key.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return call


@pytest.fixture
def server(tmp_path: Path) -> str:
    """The address of the first key."""
    (tmp_path / "key.asc").write_text(key("FIRST_KEY"))
    return f"file://{tmp_path}/key.asc"


def test_the_expected_key_is_written_once(run: Any, tmp_path: Path, server: str) -> None:
    """Binary, for everybody to read; a second run changes nothing."""
    dry = run(url=server, fingerprints=[FIRST], _ansible_check_mode=True)
    assert dry["changed"]
    assert not (tmp_path / "keyrings").exists()
    first = run(url=server, fingerprints=["7dee 0c7c 33df b5a2 0165  0b7d f9dc 99c5 43d6 1f02"])
    assert (first["changed"], first["fingerprints"]) == (True, [FIRST])
    file = Path(first["path"])
    assert file.read_bytes()[0] & 0x80
    assert file.stat().st_mode & 0o777 == 0o644
    assert not run(url=server, fingerprints=[FIRST])["changed"]


@pytest.mark.parametrize("extra", ["", "FIRST_KEY"])
def test_another_key_is_refused(run: Any, tmp_path: Path, server: str, extra: str) -> None:
    """Alone, and behind the expected one. What was there stays."""
    run(url=server, fingerprints=[FIRST])
    before = (tmp_path / "keyrings" / "a.gpg").read_bytes()
    (tmp_path / "key.asc").write_text((key(extra) if extra else "") + key("SECOND_KEY"))
    answer = run(url=server, fingerprints=[FIRST])
    assert answer["failed"]
    assert answer["refused"]
    assert f"{server} holds the key {SECOND}; expected {FIRST}" in answer["msg"]
    assert (tmp_path / "keyrings" / "a.gpg").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"content": "hello", "fingerprints": [FIRST]}, "content is not a key for apt"),
        ({"content": "hello", "fingerprints": ["43D61F02"]}, "is not a fingerprint"),
        ({"url": "file:///nowhere/key", "fingerprints": [FIRST]}, "can't be had"),
    ],
)
def test_what_cannot_be_judged_is_an_error(run: Any, arguments: dict[str, Any], words: str) -> None:
    """In words, without a traceback."""
    answer = run(**arguments)
    assert answer["failed"]
    assert words in answer["msg"]
