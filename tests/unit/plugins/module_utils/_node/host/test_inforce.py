# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a change counts as in force, and which bridges guests use."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import inforce
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.preflight import bridges

UPID = "UPID:pve:000003E8:00001B58:6B06A308:srvreload:networking:root@pam:"


class Client:
    """A control plane with one task."""

    def __init__(self, **status: Any) -> None:
        self.status = status

    def request(self, _method: str, path: str, _params: Any = None) -> Any:
        """Its status or its log."""
        return [{"n": 1, "t": "eth9: no such device"}] if path.endswith("/log") else self.status


@pytest.mark.parametrize(
    ("facts", "status", "state", "told"),
    [
        ({}, {}, "waiting", ""),
        ({"upid": UPID}, {"status": "running"}, "waiting", ""),
        ({"upid": UPID, "expected": ["lo"]}, {"status": "stopped", "exitstatus": "OK"}, "done", ""),
        ({"upid": UPID}, {"status": "stopped", "exitstatus": "WARNINGS: 1"}, "done", ""),
        (
            {"upid": UPID},
            {"status": "stopped", "exitstatus": "exit code 1"},
            "failed",
            "failed: exit code 1 | eth9: no such",
        ),
        (
            {"upid": UPID, "expected": ["lo", "nosuch0"]},
            {"status": "stopped", "exitstatus": "OK"},
            "failed",
            "nosuch0 did not come up when the network was reloaded | eth9",
        ),
    ],
)
def test_network(monkeypatch: pytest.MonkeyPatch, facts: Any, status: Any, state: str, told: str):
    monkeypatch.setattr(inforce, "open_client", lambda: Client(**status))
    monkeypatch.setattr(inforce, "node_name", lambda: "pve")
    found, reason = inforce.look("network", facts)
    assert (found, told in reason) == (state, True)


@pytest.mark.parametrize(
    ("facts", "said", "rc", "state"),
    [
        ({}, "Status: enabled/running\n", 0, "waiting"),
        ({"called": 100.0}, "Status: enabled/running\n", 0, "done"),
        ({"called": 100.0}, "Status: enabled/running (pending changes)\n", 0, "waiting"),
        ({"called": 100.0}, "", 2, "waiting"),
        ({"called": 100.0, "nftables": True}, "Status: enabled/running\n", 0, "waiting"),
        ({"called": 90.0, "nftables": True}, "Status: enabled/running\n", 0, "done"),
    ],
)
def test_firewall(monkeypatch: pytest.MonkeyPatch, facts: Any, said: str, rc: int, state: str):
    monkeypatch.setattr(inforce.session, "boot_clock", lambda: 101.0)
    monkeypatch.setattr(subprocess, "run", lambda *_a, **_k: SimpleNamespace(returncode=rc, stdout=said))
    assert inforce.look("firewall", facts) == (state, "")


def test_bridges_by_configuration_and_by_port(tmp_path: Path):
    snapshot = "[before]\nnet0: name=eth0,bridge=vmbr9\n"
    for name, text in {
        "lxc/950.conf": f"net0: name=eth0,bridge=vmbr1,ip=dhcp\nnet1: bridge=vmbr2\n{snapshot}",
        "qemu-server/100.conf": "net0: virtio=AA:BB:CC:DD:EE:FF,bridge=vmbr1,firewall=1\n",
        "lxc/951.conf": "hostname: none\n",
    }.items():
        path = tmp_path / "pve" / "local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for port in ("vmbr1/brif/veth950i0", "vmbr3/brif/tap777i0", "vmbr3/brif/eno1", "eno1/statistics"):
        (tmp_path / "net" / port).mkdir(parents=True)
    assert bridges.used(str(tmp_path / "pve"), str(tmp_path / "net")) == {
        "vmbr1": ["VM 100", "container 950"],
        "vmbr2": ["container 950"],
        "vmbr3": ["guest 777"],
        "vmbr9": ["container 950"],
    }
