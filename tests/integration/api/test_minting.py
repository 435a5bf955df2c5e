# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Perl makes a ticket of root@pam: by PVE::Ticket alone, and by PVE::AccessControl wherever that does not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client

if shutil.which("perl") is None:
    pytest.skip("needs Perl", allow_module_level=True)

MODULES = Path(__file__).resolve().parents[3] / "lab" / "node" / "root" / "usr" / "share" / "perl5"
# The lab's asks the control plane, which answers with what is in this file.
WHOLE = """package PVE::AccessControl;
sub told { open(my $file, '<', $ENV{PHOENIX_WHOLE}) or die "no answer\\n"; return map { chomp; $_ } <$file>; }
sub assemble_ticket { return (told())[0]; }
sub assemble_csrf_prevention_token { return (told())[1]; }
1;
"""
BROKEN = {
    "the module is missing": lambda folder, _keys: (folder / "PVE" / "Ticket.pm").unlink(),
    "a function is missing": lambda folder, _keys: (folder / "PVE" / "Ticket.pm").write_text("package PVE::Ticket; 1;"),
    "what it loads is missing": lambda folder, _keys: shutil.rmtree(folder / "Crypt"),
    "a key is missing": lambda _folder, keys: (keys / "pve-www.key").unlink(),
    "a key is none": lambda _folder, keys: (keys / "priv" / "authkey.key").write_text("canary"),
}


@pytest.fixture
def perl(node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Perl that finds the modules of a node, which lie in this folder, and a control plane that knows its keys."""
    monkeypatch.undo()  # the tests of this folder mint without Perl
    shutil.copytree(MODULES, tmp_path / "perl5")
    (tmp_path / "perl5" / "PVE" / "AccessControl.pm").write_text(WHOLE, encoding="ascii")
    whole = tmp_path / "whole"
    whole.write_text("\n".join(node.pve.mint_ticket("root@pam")), encoding="ascii")
    node.pve.signed.keep(tmp_path / "keys")
    monkeypatch.setattr(local_client, "KEYS", (*(str(tmp_path / "keys" / name) for name in KEY_FILES),))
    monkeypatch.setattr(local_client, "pinned_fingerprint", lambda: node.fingerprint)
    monkeypatch.setenv("PERL5LIB", str(tmp_path / "perl5"))
    monkeypatch.setenv("PHOENIX_WHOLE", str(whole))
    return tmp_path


KEY_FILES = ("priv/authkey.key", "pve-www.key")


@pytest.fixture
def whole(perl: Path) -> tuple[str, ...]:
    """What PVE::AccessControl makes."""
    return tuple((perl / "whole").read_text(encoding="ascii").splitlines())


def works(node: Any) -> local_client.LocalClient:
    """A client with which a read and a write do what they ask for, once."""
    node.forget_requests()
    client = node.connect()
    assert client.request("GET", "/version")["release"]
    client.request("POST", "/pools", {"poolid": "minted"})
    client.request("DELETE", "/pools/minted")
    done = [(method, path) for method, path, _params, status in node.pve.asked if status == 200]
    assert done == [("GET", "/version"), ("POST", "/pools"), ("DELETE", "/pools/minted")]
    return client


def test_one_by_pves_ticket_alone_does_all(node: Any, perl: Path, whole: tuple[str, ...]) -> None:
    """The keys are PVE's, and the ticket is that of root. Nothing else of PVE was loaded."""
    (perl / "whole").unlink()
    client = works(node)
    assert client._ticket.startswith("PVE:root@pam:")
    assert client._ticket != whole[0]
    assert [status for *_call, status in node.pve.asked] == [200] * 3


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_can_not_be_made_so_comes_from_access_control(
    node: Any, perl: Path, whole: tuple[str, ...], broken: Callable[[Path, Path], None]
) -> None:
    broken(perl / "perl5", perl / "keys")
    assert (works(node)._ticket, 200) == (whole[0], node.pve.asked[0][3])


def test_a_release_that_asks_for_more_gets_what_access_control_makes(
    node: Any, perl: Path, whole: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PVE refuses the first, which did nothing; the call is repeated once."""
    monkeypatch.setattr(node.pve.signed, "prefix", "PVE2")
    assert works(node)._ticket == whole[0]
    assert [status for *_call, status in node.pve.asked] == [401, 200, 200, 200]


def test_a_token_of_another_form_is_refused_at_the_first_write(
    node: Any, perl: Path, whole: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read needs none, so only the write is repeated, and done once."""
    monkeypatch.setattr(node.pve.signed, "is_token_of", lambda _user, _token: False)
    assert works(node)._ticket == whole[0]
    assert [(method, status) for method, _path, _params, status in node.pve.asked] == [
        ("GET", 200),
        ("POST", 401),
        ("POST", 200),
        ("DELETE", 200),
    ]


def test_without_either_it_is_said_why(node: Any, perl: Path) -> None:
    BROKEN["a key is none"](perl / "perl5", perl / "keys")
    (perl / "whole").unlink()
    with pytest.raises(local_client.UnavailableError) as raised:
        node.connect()
    assert "no ticket from PVE::AccessControl: no answer" in str(raised.value)
    assert "canary" not in str(raised.value)


def test_no_key_is_in_the_arguments_or_the_answer_of_perl(perl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Perl is given the names of the files, and says the ticket and its token alone."""
    seen: list[str] = []
    real = local_client.subprocess.run

    def spy(command: list[str], **options: Any) -> Any:
        done = real(command, **options)
        seen.extend([*command, done.stdout, done.stderr, *os.environ.values()])
        return done

    monkeypatch.setattr(local_client.subprocess, "run", spy)
    local_client.mint_ticket()
    assert len(seen) > 5
    for path in local_client.KEYS:
        (secret,) = [line for line in Path(path).read_text(encoding="ascii").splitlines() if "KEY" not in line]
        assert not any(secret in text for text in seen)
