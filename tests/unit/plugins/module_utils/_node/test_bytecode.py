# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytecode of modules that a node keeps: for the same source only, and from nobody else."""

from __future__ import annotations

import marshal
import os

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import bytecode

ONE = "/tmp/a.zip/ansible/one.py"
AGAIN = "/tmp/b.zip/ansible/one.py"
# What a damaged file may hold for a source, from its hash.
FORMS = {
    "other form": lambda own: (own, compile("x = 0", ONE, "exec")),
    "no code": lambda own: (own, marshal.dumps(1)),
    "cut code": lambda own: (own, marshal.dumps(compile("x = 0", ONE, "exec"))[:-5]),
    "no pair": lambda own: (own,),
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
