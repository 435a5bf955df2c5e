# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a copy forgets of its original's DHCP clients, run by a real shell below a folder of the test."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import copied_identity

LEASE = 'default-duid "source";\nlease {\n  fixed-address 10.0.0.1;\n}\n'
OWN_LEASE = "lease {\n  fixed-address 10.0.0.2;\n}\n"
DHCLIENT = "var/lib/dhcp/dhclient.eth0.leases"
DHCPCD = "var/lib/dhcpcd/duid"
NETWORK_MANAGER = "var/lib/NetworkManager/secret_key"
OF_COPIES = (
    ("var/lib/dhclient/dhclient-eth0.leases", LEASE + OWN_LEASE),
    (DHCPCD, "x"),
    ("var/lib/dhcpcd5/duid", "x"),
    ("etc/dhcpcd.duid", "x"),
    (NETWORK_MANAGER, "x"),
    ("var/lib/wicked/duid.xml", "x"),
)
START = 1_000_000


def run(root: Path, active: str = "", restarts: bool = True) -> list[str]:
    """Run the script in the folder, and return the calls of systemctl, of which the units of ``active`` run."""
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/1").touch()
    os.utime(root / "proc/1", (START, START))
    tools = root / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "systemctl").write_text(
        f'#!/bin/sh\nif [ "$1" = is-active ]; then shift; for unit; do\n'
        f'case " {active} " in *" $unit "*) echo active;; *) echo inactive;; esac; done; exit 3; fi\n'
        f'echo "$*" >> {root}/calls; ls {root}/var/lib/dhcp >> {root}/calls\n'
    )
    (tools / "systemctl").chmod(0o755)
    script = "set -e\n" + copied_identity.leases(restarts, str(root))
    environment = {"PATH": f"{tools}:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return (root / "calls").read_text().split("\n")[:-1] if (root / "calls").exists() else []


def put(root: Path, path: str, text: str, at: int = START - 1) -> Path:
    """Write a file that was changed at that time."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    os.utime(place, (at, at))
    return place


def test_a_copy_of_a_client_gets_an_own_duid_while_the_client_does_not_run(tmp_path: Path) -> None:
    place = put(tmp_path, DHCLIENT, LEASE + OWN_LEASE, START + 1)
    assert run(tmp_path, "networking") == ["stop networking", "dhclient.eth0.leases", "start networking"]
    assert not place.exists()


@pytest.mark.parametrize(("path", "text"), OF_COPIES)
def test_each_client(tmp_path: Path, path: str, text: str) -> None:
    place = put(tmp_path, path, text)
    other = put(tmp_path, "var/lib/dhcpcd/eth0.lease", "x")
    assert run(tmp_path) == []
    assert not place.exists()
    assert not other.exists()


@pytest.mark.parametrize(("path", "text"), [(DHCLIENT, LEASE), (DHCPCD, "x"), (NETWORK_MANAGER, "x")])
def test_what_a_client_has_stored_in_the_copy_alone_stays(tmp_path: Path, path: str, text: str) -> None:
    place = put(tmp_path, path, text, START + 1)
    assert run(tmp_path, "networking dhcpcd NetworkManager") == []
    assert place.read_text() == text


def test_over_its_own_network_no_client_is_restarted(tmp_path: Path) -> None:
    place = put(tmp_path, DHCLIENT, LEASE + OWN_LEASE)
    assert run(tmp_path, "networking", restarts=False) == []
    assert not place.exists()


def test_without_a_client_nothing_happens(tmp_path: Path) -> None:
    assert run(tmp_path, "networking") == []
