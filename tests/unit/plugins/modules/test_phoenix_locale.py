# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""phoenix_locale: one generation for all that is missing, one line of the settings; check mode equals a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import locale_setting, root_files
from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_locale


class Machine:
    """Enough of a module, on a machine whose locale-gen generates what its list has."""

    def __init__(self, folder: Path, generates: bool = True) -> None:
        self.folder = folder
        self.generates = generates
        self.built = "C\nC.utf8\nPOSIX\n"
        self.commands: list[str] = []
        self.check_mode = False
        self.params: dict[str, Any] = {}

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        """Answer as the two programs do."""
        self.commands.append(command[0])
        if command[0] == "locale":
            return 0, self.built, ""
        lines = (self.folder / "locale.gen").read_text(encoding="utf-8").splitlines()
        names = [line.split()[0].replace(".UTF-8", ".utf8") for line in lines if not line.startswith("#")]
        if self.generates:
            self.built = "\n".join(["C", "C.utf8", "POSIX", *names, ""])
        return 0, "Generating locales", ""

    def work(self, check: bool = False, **params: Any) -> dict[str, Any]:
        """Run the module."""
        self.check_mode = check
        self.params = {"locales": [], "locale": "", "path": str(self.folder / "locale"), "key": "LANG", **params}
        return phoenix_locale.work(self)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One with a list of two locales, neither of which is on."""
    monkeypatch.setattr(locale_setting, "LIST", str(tmp_path / "locale.gen"))
    monkeypatch.setattr(locale_setting, "SUPPORTED", str(tmp_path / "SUPPORTED"))
    monkeypatch.setattr(root_files.os, "fchown", lambda *_ids: None)
    monkeypatch.setattr(root_files.Seen, "is_of_root", lambda seen, mode: seen.mode == mode)
    (tmp_path / "locale.gen").write_text("# de_AT.UTF-8 UTF-8\n# en_US.UTF-8 UTF-8\n", encoding="utf-8")
    return Machine(tmp_path)


def test_a_run_does_what_check_mode_reports_and_a_second_one_nothing(machine: Machine) -> None:
    asked = {"locales": ["en_US.UTF-8", "C.UTF-8"], "locale": "en_US.UTF-8"}
    dry = machine.work(check=True, **asked)
    assert machine.commands == ["locale"]
    assert not (machine.folder / "locale").exists()
    real = machine.work(**asked)
    assert (dry["changed"], dry["generated"]) == (real["changed"], real["generated"]) == (True, ["en_US.UTF-8"])
    assert (machine.folder / "locale").read_text(encoding="utf-8") == "LANG=en_US.UTF-8\n"
    assert machine.commands.count("locale-gen") == 1
    again = machine.work(**asked)
    assert (again["changed"], again["generated"], again["diff"]) == (False, [], [])
    assert machine.commands.count("locale-gen") == 1


def test_a_dry_run_may_come_before_the_package(machine: Machine) -> None:
    (machine.folder / "locale.gen").unlink()
    dry = machine.work(check=True, locales=["en_US.UTF-8"])
    assert (dry["changed"], dry["generated"]) == (True, ["en_US.UTF-8"])
    assert dry["msg"] == "Would be generated, once the package locales is there: en_US.UTF-8"
    with pytest.raises(NodeError, match=r"locale\.gen is missing"):
        machine.work(locales=["en_US.UTF-8"])


def test_an_unknown_locale_changes_nothing(machine: Machine) -> None:
    with pytest.raises(NodeError, match=r"locale en_XX\.UTF-8 is unknown here"):
        machine.work(locales=["en_US.UTF-8", "en_XX.UTF-8"], locale="en_XX.UTF-8")
    assert machine.commands == ["locale"]
    assert not (machine.folder / "locale").exists()


def test_what_locale_gen_did_not_generate_is_a_failure(machine: Machine) -> None:
    machine.generates = False
    with pytest.raises(NodeError, match=r"locale-gen has not generated en_US\.UTF-8: Generating locales"):
        machine.work(locales=["en_US.UTF-8"])


def test_a_killed_generation_is_made_up_for(machine: Machine) -> None:
    (machine.folder / "locale.gen").write_text("en_US.UTF-8 UTF-8\n", encoding="utf-8")
    result = machine.work(locales=["en_US.UTF-8"])
    assert (result["changed"], machine.commands.count("locale-gen")) == (True, 1)


def test_a_link_and_other_lines_of_the_settings_stay(machine: Machine) -> None:
    (machine.folder / "locale.conf").write_text("LC_TIME=C\nLANG=C\n", encoding="utf-8")
    (machine.folder / "locale").symlink_to("locale.conf")
    assert machine.work(locale="C.UTF-8")["changed"]
    assert (machine.folder / "locale").is_symlink()
    assert (machine.folder / "locale.conf").read_text(encoding="utf-8") == "LC_TIME=C\nLANG=C.UTF-8\n"
