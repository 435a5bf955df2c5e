# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's modules come from bytecode files."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import compiled

OWN = compiled.PREFIXES[0]


def test_modules_and_packages_are_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("", encoding="utf-8")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "__init__.py").write_text("", encoding="utf-8")
    finder = compiled.CompiledFinder()
    one, two = finder.find_spec(f"{OWN}one", [str(tmp_path)]), finder.find_spec(f"{OWN}two", [str(tmp_path)])
    assert isinstance(one.loader, SourceFileLoader)
    assert one.submodule_search_locations is None
    assert two.submodule_search_locations == [str(tmp_path / "two")]
    assert finder.find_spec(f"{OWN}three", [str(tmp_path)]) is None


def test_everything_else_is_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("", encoding="utf-8")
    finder = compiled.CompiledFinder()
    for name in ("one", "ansible_collections.other.x.plugins.plugin_utils.one", OWN.rstrip(".")):
        assert finder.find_spec(name, [str(tmp_path)]) is None
    assert finder.find_spec(f"{OWN}one", None) is None


def test_it_is_installed_once_directly_before_ansibles(monkeypatch: pytest.MonkeyPatch) -> None:
    ansibles = type("_AnsibleCollectionFinder", (), {})()
    first = object()
    monkeypatch.setattr(sys, "meta_path", [first, ansibles])
    compiled.install()
    compiled.install()
    assert [type(finder).__name__ for finder in sys.meta_path[1:]] == ["CompiledFinder", "_AnsibleCollectionFinder"]
    assert sys.meta_path[0] is first


def test_without_ansibles_finder_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [object()])
    compiled.install()
    assert len(sys.meta_path) == 1
