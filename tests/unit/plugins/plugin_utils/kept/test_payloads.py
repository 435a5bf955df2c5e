# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A packed module of an earlier run is used while nothing that went into it has changed."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import pickle
import zipfile
from pathlib import Path

import pytest
from ansible import constants
from ansible.executor import module_common

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import files, payloads, unchanged

MODULE = "phoenix.hypervisor.phoenix_lxc_info"
NAME = "ansible_collections.phoenix.hypervisor.plugins.modules.phoenix_lxc_info-ZIP_DEFLATED-none"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(payloads.module_utils_loader, "print_paths", lambda: str(Path(payloads._CORE, "module_utils")))
    files.folder.cache_clear()
    monkeypatch.setattr(unchanged, "MOMENT", 0)  # the sources of a test are new
    return tmp_path


def a_run(folder: Path, monkeypatch: pytest.MonkeyPatch, packs: bytes = b"packed") -> bytes | None:
    """Execute the module in a run of its own, which packs it unless it is there; what was found before."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(folder))
    place = folder / "ansiballz_cache" / NAME
    with payloads.kept(MODULE):
        found = place.read_bytes() if place.exists() else None
        if found is None:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(packs)
    return found


def test_the_next_run_finds_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert a_run(home / "1", monkeypatch) is None
    assert a_run(home / "2", monkeypatch) == b"packed"
    assert a_run(home / "2", monkeypatch) == b"packed"


@pytest.mark.parametrize("what", ["module", "own", "core", "release", "folder", "content"])
def test_a_change_packs_it_again(what: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, core, modules = home / "own", home / "core", home / "collection" / "plugins" / "modules"
    for folder in (own, core / "module_utils", core / "executor", modules):
        folder.mkdir(parents=True)
        (folder / "one.py").write_text("x = 1\n", encoding="utf-8")
    (core / "executor" / "module_common.py").write_text("", encoding="utf-8")
    (modules / "phoenix_lxc_info.py").write_text("", encoding="utf-8")
    monkeypatch.setattr(payloads, "_HOME", str(home / "collection"))
    monkeypatch.setattr(payloads, "_OURS", str(own))
    monkeypatch.setattr(payloads, "_CORE", str(core))
    monkeypatch.setattr(payloads.module_utils_loader, "print_paths", lambda: str(core / "module_utils"))
    a_run(home / "1", monkeypatch)
    if what == "module":
        (modules / "phoenix_lxc_info.py").write_text("y = 22\n", encoding="utf-8")
    elif what == "own":
        (own / "one.py").write_text("y = 22\n", encoding="utf-8")
    elif what == "core":
        (core / "module_utils" / "one.py").write_text("y = 22\n", encoding="utf-8")
    elif what == "release":
        monkeypatch.setattr(payloads, "core_version", "99.0")
    elif what == "folder":
        monkeypatch.setattr(payloads.module_utils_loader, "print_paths", lambda: f"{core / 'module_utils'}:{own}")
    else:
        (kept,) = (home / "home" / "phoenix_hypervisor" / "modules").iterdir()
        kept.write_bytes(kept.read_bytes()[:-1])
    assert a_run(home / "2", monkeypatch) is None


def test_a_module_of_another_name_form_runs_as_ever(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(home))
    with payloads.kept("phoenix_lxc_info"):
        pass
    assert not (home / "home" / "phoenix_hypervisor").exists()


def test_what_is_kept_lets_the_node_keep_its_bytecode() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("ansible/__init__.py", "__version__ = '1'\n")
        new.writestr("ansible/module_utils/basic.py", "x = 1\n")
    metadata = module_common.ModuleMetadataV1(serialization_profile="legacy")
    packed = module_common._CachedModule(
        zip_data=base64.b64encode(archive.getvalue()), metadata=metadata, source_mapping={}
    )
    kept = payloads._with_bytecode(pickle.dumps(packed), "phoenix_lxc_info")
    again = pickle.loads(kept)  # noqa: S301 - it is this test's own
    assert again.metadata == metadata
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(again.zip_data))) as new:
        assert new.read("ansible/module_utils/basic.py") == b"x = 1\n"
        first = new.read("ansible/__init__.py").decode()
    assert first.startswith("__version__ = '1'\n")
    digest = hashlib.sha256(base64.b64decode(packed.zip_data)).hexdigest()
    assert f'bytecode.use("phoenix_lxc_info", "{digest}")' in first
    assert "ending.prepare()" in first
    compile(first, "ansible/__init__.py", "exec")
    assert payloads._with_bytecode(b"in a form of its own", "phoenix_lxc_info") == b"in a form of its own"


@pytest.mark.parametrize("plugin", ["phoenix_lxc_info", "phoenix_preflight"])
def test_what_every_run_executes_is_packed_once(plugin: str) -> None:
    """Each of their ways to the module leads through it: the first one of a run packs it for the others."""
    source = Path(payloads.__file__).parents[2] / "action" / f"{plugin}.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))

    def executed(node: ast.AST) -> list[ast.AST]:
        found = ast.walk(node)
        return [item for item in found if isinstance(item, ast.Attribute) and item.attr == "_execute_module"]

    keeping = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.With) and ast.unparse(node.items[0].context_expr) == "payloads.kept(NAME)"
    ]
    assert executed(tree)
    assert [item for node in keeping for item in executed(node)] == executed(tree)
