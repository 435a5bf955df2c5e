# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible packs for the tasks of roles is used by the next run, in the form in which it was packed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible import constants

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import files, packed, packing, payloads, unchanged

OURS = "ansible_collections.phoenix.hypervisor.plugins.modules."
ENDING = "-ZIP_DEFLATED-none"
FILES = f"{OURS}phoenix_files{ENDING}"
STAT = f"ansible.modules.stat{ENDING}"
INFO = f"{OURS}phoenix_lxc_info{ENDING}"


class Controller:
    """A controller whose sources are the test's own, and its runs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.core, self.collection = folder / "core", folder / "collection"
        for source in ("module_utils/basic.py", "modules/stat.py", "executor/module_common.py"):
            self.write(self.core / source)
        for source in ("module_utils/one.py", "modules/phoenix_files.py", "modules/phoenix_lxc_info.py"):
            self.write(self.collection / "plugins" / source)
        monkeypatch.setattr(payloads, "_CORE", str(self.core))
        monkeypatch.setattr(payloads, "_HOME", str(self.collection))
        monkeypatch.setattr(payloads, "_OURS", str(self.collection / "plugins" / "module_utils"))
        monkeypatch.setattr(payloads.module_utils_loader, "print_paths", lambda: str(self.core / "module_utils"))

    def write(self, path: Path, text: str = "x = 1\n") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, name: str) -> Path:
        """Begin a run; the folder of its packed modules."""
        self.monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(self.folder / name))
        packed.lay()
        return self.folder / name / "ansiballz_cache"


@pytest.fixture(name="controller")
def _controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Controller:
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "home"))
    files.folder.cache_clear()
    monkeypatch.setattr(unchanged, "MOMENT", 0)  # the sources of a test are new
    return Controller(tmp_path, monkeypatch)


def laid(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir() if path.name.endswith(ENDING)}


def test_the_next_run_finds_what_this_one_has_packed(controller: Controller) -> None:
    place = controller.run("1")
    assert laid(place) == {}
    (place / FILES).write_bytes(b"files")
    (place / STAT).write_bytes(b"stat")
    packed.keep()
    assert laid(controller.run("2")) == {FILES: b"files", STAT: b"stat"}


def test_what_a_run_has_been_given_is_not_kept_again(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    (controller.run("1") / STAT).write_bytes(b"stat")
    packed.keep()
    controller.run("2")
    monkeypatch.setattr(files, "write", lambda *_given: pytest.fail("written again"))
    packed.keep()


@pytest.mark.parametrize("source", ["module", "own", "core", "packer"])
def test_a_changed_source_is_packed_again(source: str, controller: Controller) -> None:
    (controller.run("1") / FILES).write_bytes(b"files")
    packed.keep()
    path = {
        "module": controller.collection / "plugins/modules/phoenix_files.py",
        "own": controller.collection / "plugins/module_utils/one.py",
        "core": controller.core / "module_utils/basic.py",
        "packer": controller.core / "executor/module_common.py",
    }[source]
    controller.write(path, "y = 22\n")
    assert laid(controller.run("2")) == {}


def test_a_source_that_changes_during_the_run_keeps_nothing(controller: Controller) -> None:
    (controller.run("1") / FILES).write_bytes(b"of which source?")
    controller.write(controller.collection / "plugins/module_utils/one.py", "y = 22\n")
    packed.keep()
    assert files.names(packed.KIND) == []


def test_a_damaged_file_is_not_used(controller: Controller, tmp_path: Path) -> None:
    (controller.run("1") / STAT).write_bytes(b"stat")
    packed.keep()
    (kept,) = (tmp_path / "home" / "phoenix_hypervisor" / packed.KIND).iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert laid(controller.run("2")) == {}


def test_modules_of_others_are_not_kept(controller: Controller) -> None:
    place = controller.run("1")
    foreign = ("ansible_collections.community.general.plugins.modules.ufw", "ansible.legacy.own", "ansible.modules.no")
    for module in foreign:
        (place / f"{module}{ENDING}").write_bytes(b"")
    (place / "ansible.modules.stat-ZIP_DEFLATED-_debugpy").write_bytes(b"")
    packed.keep()
    assert files.names(packed.KIND) == []


def test_what_the_node_keeps_bytecode_of_stays_in_its_own_form(controller: Controller) -> None:
    for name in ("1", "2"):
        place = controller.run(name)
        with payloads.kept("phoenix.hypervisor.phoenix_lxc_info"):
            if not (place / INFO).exists():
                (place / INFO).write_bytes(b"info")
        packed.keep()
    assert files.names(packed.KIND) == []
    assert len(files.names(payloads.KIND)) == 1


class Ssh:
    module_implementation_preferences = ("",)


class Connection(packing.Packing, Ssh):
    """A connection plugin."""


def test_a_plain_task_takes_what_an_earlier_run_has_packed(controller: Controller) -> None:
    (controller.run("1") / STAT).write_bytes(b"stat")
    Connection().keep_packed()
    controller.monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(controller.folder / "2"))
    assert Connection().module_implementation_preferences == ("",)
    assert laid(controller.folder / "2" / "ansiballz_cache") == {STAT: b"stat"}


def test_a_task_that_packs_nothing_looks_for_nothing(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    place = controller.run("1")
    for second, name in enumerate((STAT, FILES), 1):
        (place / name).write_bytes(b"x")
        os.utime(place, (time.time() + second,) * 2)  # a clock that is finer than the kernel's
        for _task in range(2):
            Connection().keep_packed()
        assert len(files.names(packed.KIND)) == 1 + (name == FILES)
    monkeypatch.setattr(packed, "keep", lambda: pytest.fail("looked"))
    Connection().keep_packed()


def test_a_connection_whose_run_has_laid_nothing_keeps_nothing(
    tmp_path: Path, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "none"))
    Connection().keep_packed()
    assert files.names(packed.KIND) == []
