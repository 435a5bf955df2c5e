# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was valid once is not judged again, and whatever decides it makes it unknown."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents import all_checks
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import Source, validate
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema import schemajudge
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema.known import Known, key_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import manifests
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import files, valid

KIND = "phoenix_lxc_configs"
GOOD = {"lxc_configs": {"950": {"name": "a", "template": "local:vztmpl/a.tar.zst"}}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path))
    files.folder.cache_clear()
    valid.stamp.cache_clear()
    monkeypatch.setattr(valid, "_news", [])
    monkeypatch.setattr(valid.unchanged, "MOMENT", 0)  # the copy that this runs in is new
    return tmp_path / "phoenix_hypervisor" / "valid"


def judged(
    document: Any, known: Known, hidden: bool = False, schema: Any = None, nodes: tuple[str, ...] | None = None
) -> int:
    text = parse(json.dumps(document).encode())
    source = Source("lxc.json", text, schema or load_schema(KIND), hidden)
    return len(validate(source, None, nodes, known=known).findings)


def no_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemajudge, "_library", lambda: pytest.fail("jsonschema is loaded"))


def test_a_valid_file_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(GOOD, valid.KeptKnown()) == 0
    no_judge(monkeypatch)
    assert judged(GOOD, valid.KeptKnown()) == 0


def test_code_that_has_just_changed_judges_each_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the first run after an installation."""
    monkeypatch.setattr(valid.unchanged, "MOMENT", float("inf"))
    assert judged(GOOD, valid.KeptKnown()) == 0
    assert judged({"lxc_configs": {"950": {"coress": 1}}}, valid.KeptKnown()) > 0
    assert files.names("valid") == []


def test_only_a_run_that_judges_a_file_has_news(monkeypatch: pytest.MonkeyPatch) -> None:
    judged(GOOD, valid.KeptKnown())
    assert valid.are_new()
    monkeypatch.setattr(valid, "_news", [])  # the next run
    judged(GOOD, valid.KeptKnown())
    assert not valid.are_new()


def test_a_changed_file_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    judged(GOOD, valid.KeptKnown())
    bad = {"lxc_configs": {"950": {**GOOD["lxc_configs"]["950"], "memory_mb": "much"}}}
    for _turn in range(2):
        assert judged(bad, valid.KeptKnown()) == 1


def test_a_changed_schema_is_asked() -> None:
    judged(GOOD, valid.KeptKnown())
    schema = {**load_schema(KIND), "required": ["more"]}
    assert judged(GOOD, valid.KeptKnown(), schema=schema) == 1


@pytest.mark.parametrize("what", ["library", "python", "code"])
def test_another_release_knows_nothing(what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    valid.KeptKnown().add("key")
    assert valid.KeptKnown().has("key")
    valid.stamp.cache_clear()
    if what == "library":
        monkeypatch.setattr(valid.importlib.metadata, "version", lambda _name: "99.0")
    elif what == "python":
        monkeypatch.setattr(valid.sys, "version", "another")
    else:
        changed = tmp_path / "galaxy.yml"
        changed.write_text("version: 99.0.0", encoding="utf-8")
        monkeypatch.setattr(valid, "_RELEASE", (*valid._RELEASE, str(changed)))
    assert not valid.KeptKnown().has("key")


def test_the_code_that_judges_is_in_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(valid.unchanged, "seen", lambda folders: asked.extend(folders) or "code")
    assert valid.stamp()
    folders = tuple(f"{Path(folder)}/" for folder in asked)
    modules = (validate, all_checks.ALL_CHECKS[0], schemajudge.SchemaJudge, manifests.find_feature, vendors.classes)
    assert all(str(inspect.getsourcefile(module)).startswith(folders) for module in modules)
    monkeypatch.setattr(valid.unchanged, "seen", lambda _folders: "")
    valid.stamp.cache_clear()
    assert valid.stamp() == ""  # it has just changed


def test_what_the_checks_found_nothing_in_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(all_checks, "ALL_CHECKS", (*all_checks.ALL_CHECKS, lambda _subject: made.append(1) or ()))
    assert judged(GOOD, valid.KeptKnown()) == 0
    assert judged(GOOD, valid.KeptKnown()) == 0
    assert len(made) == 1
    judged({"lxc_configs": {**GOOD["lxc_configs"], "951": GOOD["lxc_configs"]["950"]}}, valid.KeptKnown())
    assert len(made) == 2
    judged(GOOD, valid.KeptKnown(), nodes=("pve", "pve2"))
    assert len(made) == 3


def test_what_the_checks_refuse_is_refused_again() -> None:
    twice = {"lxc_configs": {**GOOD["lxc_configs"], "951": GOOD["lxc_configs"]["950"]}}
    for _turn in range(2):
        assert judged(twice, valid.KeptKnown()) == 1  # the name


def test_nothing_of_an_encrypted_file_is_kept(home: Path) -> None:
    assert judged(GOOD, valid.KeptKnown(), hidden=True) == 0
    assert not home.exists() or list(home.iterdir()) == []


def test_keys_differ_where_values_are_equal_to_python() -> None:
    assert len({key_of(value) for value in (1, 1.0, True, "1", [1], None)}) == 6
    assert key_of(object()) == ""
