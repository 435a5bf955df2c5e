# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever reaches the end of a module is one sentence: no traceback, and no value of the error."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import ending

MODULES = Path(__file__).resolve().parents[5] / "plugins" / "modules"


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
        (raises(ValueError("s3cret\x1b[31m")), "unexpected ValueError at test_ending.py:"),
    ],
)
def test_any_error_ends_in_a_sentence(cause, words, capsys):
    with pytest.raises(SystemExit) as caught:
        ending.bordered(cause)()
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
        ending.bordered(raises(SystemExit(0)))()
    assert caught.value.code == 0


def test_only_a_module_that_is_the_program_ends_there():
    def main():
        raise ValueError

    assert ending.in_words(main) is main
    main.__module__ = "__main__"
    with pytest.raises(SystemExit):
        ending.in_words(main)()


def test_every_module_ends_there():
    bare = []
    for path in sorted(MODULES.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == "main":
                names = [ast.unparse(decorator) for decorator in node.decorator_list]
                bare += [path.name] if names != ["ending.in_words"] else []
    assert bare == []
