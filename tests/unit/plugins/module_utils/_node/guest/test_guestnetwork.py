# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a container can resolve where its packages come from: by its own sources, with stand-ins for its tools."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import bounded, guest, guestnetwork

SILENT = "sleep 2; exit 2"
TRIXIE = "http://deb.example.org/debian/\\nhttp://security.example.org:8080/\\nhttp://deb.example.org/debian/"


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put tools of the container into place, and run the probe with them; a short one."""
    monkeypatch.setattr(guestnetwork, "_PROBE", guestnetwork._PROBE.replace("+ 15))", "+ 1))"))

    def tools(**scripts: str) -> None:
        for name, script in scripts.items():
            (tmp_path / name.replace("_", "-")).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name.replace("_", "-")).chmod(0o755)

    def command(_ctid: int) -> list[str]:
        return ["env", "-i", f"PATH={tmp_path}:{os.environ['PATH']}"]

    monkeypatch.setattr(guest, "command", command)
    tools(apt_config="", apt_get=f"printf '{TRIXIE}\\n'", getent=f"echo $2 >>{tmp_path}/asked; exit 2")
    return tools


def test_a_name_that_resolves_is_enough(inside, tmp_path: Path) -> None:
    inside(getent=f'echo $2 >>{tmp_path}/asked; [ "$2" = security.example.org ]')
    assert guestnetwork.trouble(950, None) is None
    assert (tmp_path / "asked").read_text().split() == ["deb.example.org", "security.example.org"]


def test_a_resolver_that_does_not_know_the_names(inside) -> None:
    said = str(guestnetwork.trouble(950, None))
    assert 'did not resolve "deb.example.org" or "security.example.org" within 15 s' in said
    assert "(the node's own, none is configured)" in said
    assert "set network_config.nameservers of container 950" in said


def test_a_silent_resolver_is_named(inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not asked for another name."""
    slow = f"-ge {guestnetwork._SLOW} ]"
    assert slow in guestnetwork._PROBE
    monkeypatch.setattr(guestnetwork, "_PROBE", guestnetwork._PROBE.replace(slow, "-ge 1 ]"))
    inside(getent=f"echo $2 >>{tmp_path}/asked; {SILENT}")
    said = str(guestnetwork.trouble(950, "192.0.2.53 $(reboot)"))
    assert (tmp_path / "asked").read_text() == "deb.example.org\n"
    assert "(nameserver 192.0.2.53 in its configuration) gave no answer for" in said
    assert "correct network_config.nameservers" in said


def test_a_proxy_is_asked_for_instead(inside, tmp_path: Path) -> None:
    inside(
        apt_config="echo 'Acquire::http::Proxy http://user:secret@proxy.example.org:3128/'",
        getent=f"echo $2 >{tmp_path}/asked",
    )
    assert guestnetwork.trouble(950, None) is None
    assert (tmp_path / "asked").read_text() == "proxy.example.org\n"


@pytest.mark.parametrize(
    "sources", ["http://192.0.2.1:3142/debian", "file:/srv/mirror", "cdrom:[x]/", "", "http://[2001:db8::1]/x"]
)
def test_sources_without_names_need_no_resolver(inside, tmp_path: Path, sources: str) -> None:
    inside(apt_get=f"echo '{sources}'")
    assert guestnetwork.trouble(950, None) is None
    assert not (tmp_path / "asked").exists()


def test_what_a_guest_answers_is_clean(inside, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"name=\x1b[2Jevil\nserver=1.2.3.4;reboot\nserver=2001:DB8::1\nslow=1\nroute=none\n"
    monkeypatch.setattr(guest, "attach", lambda *_words, **_more: bounded.Answer(1, text, b""))
    said = str(guestnetwork.trouble(950, None))
    assert 'its resolver 2001:db8::1 (the node\'s own, none is configured) gave no answer for "evil"' in said
    assert "The container has no default route." in said
