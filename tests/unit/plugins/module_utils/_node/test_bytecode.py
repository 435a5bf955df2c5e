# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytecode of modules that a node keeps: for the same source only, and from nobody else."""

from __future__ import annotations

import importlib
import marshal
import os
import sys
import zipfile

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import bytecode

ONE = "/tmp/a.zip/ansible/one.py"
AGAIN = "/tmp/b.zip/ansible/one.py"
# What a damaged file may hold for a source, from its hash.
FORMS = {
    "other form": lambda own: (own, compile("x = 0", ONE, "exec"), ""),
    "no code": lambda own: (own, marshal.dumps(1), ""),
    "cut code": lambda own: (own, marshal.dumps(compile("x = 0", ONE, "exec"))[:-5], ""),
    "no entry": lambda own: (own,),
    "without archive": lambda own: (own, marshal.dumps(compile("x = 0", ONE, "exec"))),
}
# A module and a package that only this archive has; the node's own Ansible would come before it in this process.
FILES = {
    "ansible_one.py": b"x = 1",
    "ansible_two/__init__.py": b"from .three import x",
    "ansible_two/three.py": b"x = 3",
}


@pytest.fixture
def calls(tmp_path):
    """A way to make a call of the module: what it compiled, and what the codes are."""

    def call(*sources: tuple[str, bytes], writes: bool = True) -> tuple[list[str], list[int]]:
        compiled = []

        def make(path, source):
            compiled.append(path)
            return compile(source, path, "exec")

        kept = bytecode.Kept(str(tmp_path / "cache" / "kept" / "module"), make)
        values = []
        for path, source in sources:
            found: dict[str, int] = {}
            exec(kept.compile(path, source), found)  # noqa: S102 - the source above
            values.append(found["x"])
        if writes:
            kept.write()
        return compiled, values

    return call


def test_the_same_source_is_compiled_once(calls, tmp_path):
    assert calls((ONE, b"x = 1")) == ([ONE], [1])
    assert calls((AGAIN, b"x = 1")) == ([], [1])
    folder = tmp_path / "cache" / "kept"
    assert oct(folder.stat().st_mode & 0o777) == "0o700"
    assert [oct(path.stat().st_mode & 0o777) for path in folder.iterdir()] == ["0o600"]


def test_another_source_is_compiled_again(calls):
    calls((ONE, b"x = 1"))
    assert calls((ONE, b"x = 2")) == ([ONE], [2])
    assert calls((ONE, b"x = 2")) == ([], [2])


def test_a_call_that_may_not_write_leaves_nothing(calls, tmp_path):
    calls((ONE, b"x = 1"), writes=False)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("what", ["cut", "list", *FORMS, "open", "open folder", "link", "linked folder"])
def test_what_another_could_have_written_is_not_run(calls, tmp_path, what):
    calls((ONE, b"x = 1"))
    folder = tmp_path / "cache" / "kept"
    file = folder / "module"
    if what == "cut":
        file.write_bytes(file.read_bytes()[:-5])
    elif what == "list":
        file.write_bytes(marshal.dumps([1]))
    elif what in FORMS:
        entry = ("ansible/one.py", bytecode._imp.source_hash(0, b"x = 1"))
        file.write_bytes(marshal.dumps({entry[0]: FORMS[what](entry[1])}))
    elif what == "open":
        file.chmod(0o666)
    elif what == "open folder":
        folder.chmod(0o777)
    elif what == "link":
        os.rename(file, tmp_path / "planted")
        file.symlink_to(tmp_path / "planted")
    else:
        os.rename(folder, tmp_path / "planted")
        folder.symlink_to(tmp_path / "planted")
    assert calls((ONE, b"x = 1"), writes=what == "cut") == ([ONE], [1])


def test_where_nothing_can_be_written_a_call_works(calls, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert calls((ONE, b"x = 1")) == ([ONE], [1])


def test_a_process_that_goes_on_leaves_it_and_has_written(monkeypatch, tmp_path):
    monkeypatch.setattr(bytecode, "FOLDER", str(tmp_path / "cache" / "kept"))
    monkeypatch.setattr(bytecode.os, "geteuid", lambda: 0)
    monkeypatch.setattr(bytecode, "_is_own", lambda _found: True)
    plain = bytecode.zipimport._compile_source
    for name in ("one", "two"):
        bytecode.use(name)
        assert bytecode.is_used()
        bytecode.zipimport._compile_source(ONE, b"x = 1")
        bytecode.leave()
        assert not bytecode.is_used()
        assert bytecode.zipimport._compile_source is plain
    assert {path.name.partition("-")[0] for path in (tmp_path / "cache" / "kept").iterdir()} == {"one", "two"}


def test_only_the_codes_that_are_asked_for_are_read_and_each_once(calls, monkeypatch):
    two = "/tmp/a.zip/ansible/two.py"
    calls((ONE, b"x = 1"), (two, b"x = 2"))
    read = []
    real = marshal.loads
    monkeypatch.setattr(bytecode.marshal, "loads", lambda data: read.append(len(data)) or real(data))
    # The file, then one of its codes.
    assert calls((ONE, b"x = 1"), (ONE, b"x = 1")) == ([], [1, 1])
    assert len(read) == 2


@pytest.fixture
def archive(monkeypatch, tmp_path):
    """A way to import from an archive of this digest: the modules, and the paths that were compiled."""
    home = tmp_path / "module.zip"
    monkeypatch.setattr(bytecode, "FOLDER", str(tmp_path / "cache" / "kept"))
    monkeypatch.setattr(bytecode.os, "geteuid", lambda: 0)
    monkeypatch.setattr(bytecode, "_is_own", lambda _found: True)
    monkeypatch.setattr(bytecode, "__file__", f"{home}/ansible_collections/bytecode.py")
    make = bytecode.zipimport._compile_source
    compiled = []
    monkeypatch.setattr(
        bytecode.zipimport, "_compile_source", lambda path, source: compiled.append(path) or make(path, source)
    )

    def call(digest: str, **changed: bytes) -> tuple[dict[str, object], list[str]]:
        with zipfile.ZipFile(home, "w") as file:
            for name, source in FILES.items():
                file.writestr(name, changed.get(name[:-3], source))
        compiled.clear()
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(home))
            bytecode.use("module", digest)
            try:
                found = {name: importlib.import_module(name) for name in ("ansible_one", "ansible_two")}
                for module in found.values():
                    assert str(module.__file__).startswith(f"{home}/")
                return {**found, "importer": found["ansible_one"].__loader__}, [
                    path[len(str(home)) + 1 :] for path in compiled
                ]
            finally:
                bytecode.leave()
                for name in [name for name in sys.modules if name.startswith(("ansible_one", "ansible_two"))]:
                    del sys.modules[name]
                importlib.invalidate_caches()
                sys.path_importer_cache.pop(str(home), None)

    return call


def test_an_archive_that_was_here_is_not_read(archive):
    first, compiled = archive("a")
    assert sorted(compiled) == sorted(FILES)
    assert not isinstance(first["importer"], bytecode.Importer)
    # Another source under the same digest can't be: it shows that nothing was read.
    second, compiled = archive("a", ansible_one=b"x = 2")
    assert (second["ansible_one"].x, second["ansible_two"].x, compiled) == (1, 3, [])
    assert isinstance(second["importer"], bytecode.Importer)
    assert list(second["ansible_two"].__path__) == [os.path.dirname(second["ansible_two"].__file__)]


def test_another_archive_is_read_and_only_what_differs_is_compiled(archive):
    archive("a")
    found, compiled = archive("b", ansible_one=b"x = 2")
    assert (found["ansible_one"].x, found["ansible_two"].x, compiled) == (2, 3, ["ansible_one.py"])
    found, compiled = archive("b", ansible_one=b"x = 4")
    assert (found["ansible_one"].x, compiled) == (2, [])
    # What belongs to the first one is not taken for the second one, nor the other way round.
    found, compiled = archive("a")
    assert (found["ansible_one"].x, compiled) == (1, ["ansible_one.py"])


def test_a_module_from_the_codes_shows_its_source(archive):
    archive("a")
    found, _compiled = archive("a")
    importer = found["importer"]
    assert importer.get_source("ansible_one") == "x = 1"
    assert importer not in sys.meta_path
    assert importer.find_spec("json") is None
