# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that awaits its confirmation, without systemd: who may confirm it, and what is left behind."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import self_revert as pure
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import revert_timer
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host.revert_timer import Change, RevertError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host.session import Session, boot_clock


class Node:
    """A node's folders, and a systemd that only writes down what it is asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.asked, self.fails, self.timer = folder, list[str](), "", False
        (folder / "units").mkdir()
        self.file = folder / "interfaces"
        self.file.write_text("before")
        monkeypatch.setattr(pure, "UNITS", str(folder / "units"))
        monkeypatch.setattr(revert_timer, "RECORDS", str(folder / "state" / "host"))
        monkeypatch.setattr(subprocess, "run", self.run)
        self.change = Change(pure.NETWORK, str(folder / "state" / "revert"))

    def run(self, words: list[str], **_more: Any) -> Any:
        """A command; `fails` names those that fail."""
        self.asked.append(" ".join(words))
        bad = bool(self.fails) and self.fails in self.asked[-1]
        if "is-active" in words:
            bad = not self.timer
        return SimpleNamespace(returncode=int(bad), stdout="", stderr="no")

    def arm(self, token: str = "one") -> None:
        """Arm a change of the file, and make it."""
        self.change.arm(token, [str(self.file)], 30, {"interfaces": token})
        self.file.write_text("after")

    def files(self, name: str) -> list[str]:
        """What is in a folder of it."""
        return sorted(path.name for path in (self.folder / name).iterdir())


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node whose network never was changed."""
    return Node(tmp_path, monkeypatch)


def test_armed_before_anything_is_changed(node: Node):
    node.arm()
    assert node.change.phase() == "armed"
    assert (node.folder / "state/revert/network/saved/0").read_text() == "before"
    assert node.files("units") == ["phoenix-revert-network-boot.service"]
    order = [text for text in node.asked if "enable" in text or "--on-active=30s" in text]
    assert [text.split()[0] for text in order] == ["systemctl", "systemd-run"]
    assert revert_timer.read_record("network") == {}


def test_only_a_connection_that_began_after_it_was_in_force_confirms(node: Node):
    node.arm()
    assert not node.change.confirm(Session(boot_clock() + 1))  # not in force yet
    node.change.applied()
    before = Session(float(node.change.facts()["applied_at"]) - 0.01)
    assert not node.change.confirm(before)
    assert not node.change.confirm(None)
    assert (node.change.phase(), node.files("units")) == ("applied", ["phoenix-revert-network-boot.service"])
    assert node.change.confirm(Session(boot_clock() + 0.02))
    assert (node.change.phase(), node.files("units")) == ("confirmed", [])
    assert node.files("state/revert/network") == ["change.json", "lock", "phase"]
    assert revert_timer.read_record("network") == {"interfaces": "one"}
    assert "systemctl stop phoenix-revert-network.timer" in node.asked


def test_what_is_pending_is_not_built_upon(node: Node):
    node.arm()
    node.timer = True
    with pytest.raises(RevertError, match="awaits its confirmation; without one it rolls back after 30 s"):
        node.arm("two")
    assert node.change.facts()["token"] == "one"
    node.timer = False
    with pytest.raises(RevertError, match="will be rolled back"):
        node.change.refuse_pending(look=True)
    assert not any("revert.sh now" in text and "on-active" not in text for text in node.asked)
    with pytest.raises(RevertError, match="is being rolled back"):
        node.change.refuse_pending()
    assert any("revert.sh now" in text and "on-active" not in text for text in node.asked)


def test_without_a_clock_nothing_is_armed(node: Node):
    node.fails = "--on-active"
    with pytest.raises(RevertError, match="systemd-run"):
        node.arm()
    assert (node.change.phase(), node.file.read_text(), node.files("units")) == ("reverted", "before", [])


def test_a_record_that_says_the_same_is_not_written_again(node: Node):
    revert_timer.write_record("network", {"interfaces": "one"})
    written = (node.folder / "state/host/network.json").stat().st_mtime_ns
    revert_timer.write_record("network", {"interfaces": "one"})
    assert (node.folder / "state/host/network.json").stat().st_mtime_ns == written
