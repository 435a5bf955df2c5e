# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes an unconfirmed change back: the script, run as the unit for the boot runs it, and the units."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import self_revert
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.self_revert import Kind, Saved


class Armed:
    """A folder as it is after arming, with two files that have been changed since and one that came with the change."""

    def __init__(self, folder: Path, phase: str) -> None:
        self.etc, self.place = folder / "its etc", folder / "root" / "network"
        for one in (self.etc, self.place / "saved"):
            one.mkdir(parents=True)
        for name in ("interfaces", "new one", "interfaces.new"):
            (self.etc / name).write_text("changed")
        (self.place / "saved" / "0").write_text("before")
        (self.place / "phase").write_text(f"{phase}\n")
        files = [Saved(str(self.etc / "interfaces"), True, 0o640), Saved(str(self.etc / "new one"), False)]
        kind = Kind("network", "network", remove=(str(self.etc / "interfaces.new"),), reload=("exit 99",))
        (self.place / "revert.sh").write_text(self_revert.script(kind, files, str(folder / "root")))

    def run(self) -> None:
        """As at boot."""
        subprocess.run(["sh", str(self.place / "revert.sh"), "boot"], check=False, capture_output=True, timeout=60)

    def names(self) -> list[str]:
        """What is in the folder of the changed files."""
        return sorted(path.name for path in self.etc.iterdir())


@pytest.mark.parametrize("phase", self_revert.PENDING)
def test_files_are_as_they_were(tmp_path: Path, phase: str):
    armed = Armed(tmp_path, phase)
    armed.run()
    assert armed.names() == ["interfaces"]
    assert (armed.etc / "interfaces").read_text() == "before"
    assert (armed.etc / "interfaces").stat().st_mode & 0o777 == 0o640
    assert (armed.place / "phase").read_text() == "reverted\n"
    assert [path.read_text() for path in sorted((armed.place / "rejected").iterdir())] == ["changed", "changed"]


@pytest.mark.parametrize("phase", ["confirmed", "reverted", ""])
def test_what_has_ended_is_left(tmp_path: Path, phase: str):
    armed = Armed(tmp_path, phase)
    armed.run()
    assert armed.names() == ["interfaces", "interfaces.new", "new one"]
    assert (armed.place / "phase").read_text() == f"{phase}\n"


def test_without_what_was_saved_it_is_not_said_to_be_done(tmp_path: Path):
    armed = Armed(tmp_path, "armed")
    (armed.place / "saved" / "0").unlink()
    armed.run()
    assert (armed.etc / "interfaces").read_text() == "changed"
    assert (armed.place / "phase").read_text() == "armed\n"


def test_the_units_come_before_what_reads_the_files():
    network, firewall = (self_revert.unit(kind).splitlines() for kind in (self_revert.NETWORK, self_revert.FIREWALL))
    assert "Before=network-pre.target networking.service" in network
    assert "DefaultDependencies=no" in network
    assert "After=pve-cluster.service" in firewall
    assert any(line.startswith("Before=pve-firewall.service") for line in firewall)
    for unit, name in ((network, "network"), (firewall, "firewall")):
        assert f"ExecStart=/bin/sh /var/lib/phoenix_hypervisor/revert/{name}/revert.sh boot" in unit
        assert "WantedBy=multi-user.target" in unit
