# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module ends with its result or with one sentence: no traceback, and no value of an unexpected error."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import entry, failure

PLUGINS = Path(__file__).resolve().parents[5] / "plugins"
SPEC = {"number": {"type": "int", "default": 1}, "word": {"type": "str"}}
# What nothing but the entry does.
OF_THE_ENTRY = {"AnsibleModule", "fail_json", "exit_json"}


def recurse(depth=0):
    return recurse(depth + 1)


def raises(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (raises(FileNotFoundError(2, "No such file or directory", "/etc/pve/local")), "/etc/pve/local: No such file"),
        (raises(OSError(28, "No space left on device")), "No space left on device"),
        (raises(MemoryError()), "unexpected MemoryError"),
        (lambda: int(float("inf")), "unexpected OverflowError"),
        (lambda: urlsplit("http://["), "unexpected ValueError"),
        ((b"\xff").decode, "unexpected UnicodeDecodeError"),
        (lambda: json.loads("{s3cret"), "unexpected JSONDecodeError"),
        (recurse, "unexpected RecursionError"),
        (raises(ValueError("s3cret\x1b[31m")), "unexpected ValueError at test_entry.py:"),
    ],
)
def test_any_error_ends_in_a_sentence(cause, words, capsys):
    with pytest.raises(SystemExit) as caught:
        entry.bordered(cause)()
    assert caught.value.code == 1
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    result = json.loads(line)
    assert result["failed"] is True
    assert words in result["msg"]
    assert "s3cret" not in line
    assert "Traceback" not in printed.out + printed.err


def test_the_end_of_a_module_is_left_alone():
    with pytest.raises(SystemExit) as caught:
        entry.bordered(raises(SystemExit(0)))()
    assert caught.value.code == 0


@pytest.fixture
def run(capsys):
    """Run a module with this work. Returns its result."""

    def call(work, delivered=lambda: None, constraints=None, **given):
        with patch_module_args(given), pytest.raises(SystemExit) as caught:
            entry.run_module(SPEC, work, delivered=delivered, **(constraints or {}))
        answer = json.loads(capsys.readouterr().out)
        assert bool(caught.value.code) is answer.get("failed", False)
        return answer

    return call


def test_a_result_is_that_of_the_work(run):
    answer = run(lambda module: {"changed": True, "twice": module.params["number"] * 2}, number=4)
    assert (answer["changed"], answer["twice"]) == (True, 8)


def test_a_known_error_names_the_place_the_cause_and_the_next_step(run):
    error = failure.NodeError("it is full", what="write failed", where="/srv", remedy="make room", journal=[1])
    answer = run(lambda module: raises(error)())
    assert answer["msg"] == "/srv: write failed: it is full; make room"
    assert answer["journal"] == [1]


def test_an_unexpected_error_of_the_work_ends_in_a_sentence(run):
    answer = run(lambda module: raises(ValueError("s3cret"))())
    assert answer["msg"].startswith("unexpected ValueError at test_entry.py:")


def test_an_unexpected_error_of_the_options_ends_in_a_sentence(run):
    assert run(lambda module: {}, number=float("inf"))["failed"]


def test_options_that_exclude_each_other_are_refused(run):
    answer = run(lambda module: {}, constraints={"mutually_exclusive": [("number", "word")]}, number=1, word="x")
    assert "mutually exclusive" in answer["msg"]


def test_a_result_counts_as_delivered_once_it_is_written(run):
    seen = []
    run(lambda module: {}, delivered=lambda: seen.append("result"))
    run(lambda module: raises(failure.NodeError("no"))(), delivered=lambda: seen.append("failure"))
    run(lambda module: raises(ValueError())(), delivered=lambda: seen.append("never"))
    assert seen == ["result", "failure"]


def test_a_tool_that_examines_the_options_sees_its_own_error(monkeypatch):
    """As ansible-test does it: a stand-in for the constructor keeps the options, then raises."""

    class StandIn:
        def __call__(self, *_given, **options):
            raise RuntimeError(sorted(options))

    monkeypatch.setattr(entry.AnsibleModule, "__init__", StandIn())
    with pytest.raises(RuntimeError, match="argument_spec"):
        entry.run_module(SPEC, lambda module: {})


def calls(path):
    """Names that a file calls, with their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "id", getattr(node.func, "attr", "")), node.lineno


def test_every_module_begins_and_ends_there():
    files = [*(PLUGINS / "modules").glob("*.py"), *(PLUGINS / "module_utils").rglob("*.py")]
    found = [f"{path.name}:{line}" for path in files for name, line in calls(path) if name in OF_THE_ENTRY]
    assert {place.split(":")[0] for place in found} == {"entry.py"}, found
    mains = [node for path in files for node in ast.parse(path.read_text(encoding="utf-8")).body if is_main(node)]
    assert len(mains) > 20
    for main in mains:
        assert ast.unparse(main.body[-1]).startswith("run_module("), ast.unparse(main)


def is_main(node):
    return isinstance(node, ast.FunctionDef) and node.name == "main"


class StoppedError(Exception):
    """What the stand-in of a tool raises once it has seen the options."""


class StandIn:
    """In place of AnsibleModule, as a tool that examines modules has it."""

    def __init__(self, **options):
        raise StoppedError


def test_a_tool_that_examines_a_module_gets_its_own_error(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(entry, "AnsibleModule", StandIn)
        with pytest.raises(StoppedError):
            entry.run_module(SPEC, dict)
    with monkeypatch.context() as patch:
        patch.setattr(entry.AnsibleModule, "__init__", StandIn.__init__)
        with pytest.raises(StoppedError):
            entry.run_module(SPEC, dict)
    assert not entry._is_examined()


@pytest.mark.parametrize(("number", "expected"), [(1, ["delivered", (0, True)]), ("no number", [])])
def test_a_module_says_how_its_process_ends_once_its_answer_is_out(number, expected, monkeypatch, capsys):
    said = []
    monkeypatch.setattr(entry.ending, "say", lambda left: said.append((left, bool(capsys.readouterr().out))))
    with patch_module_args({"number": number}), pytest.raises(SystemExit):
        entry.run_module(SPEC, lambda _module: {"changed": False}, delivered=lambda: said.append("delivered"))
    assert said == expected
