# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers that only compute neither import Ansible nor do input or output, nor look at a clock."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

MODULE_UTILS = Path(__file__).resolve().parents[5] / "plugins" / "module_utils"
PURE = "ansible_collections.phoenix.hypervisor.plugins.module_utils._"
ALLOWED = {
    "__future__", "abc", "ast", "base64", "bisect", "collections", "copy", "dataclasses", "datetime", "difflib", "enum",
    "fnmatch", "functools", "hashlib", "heapq", "hmac", "ipaddress", "itertools", "json", "math", "operator", "re",
    "shlex", "string", "textwrap", "types", "typing", "unicodedata", "urllib",
    "jsonschema",  # its references are local: nothing is fetched
}  # fmt: skip  # laid out to be read
FORBIDDEN_CALLS = {
    "open",
    "print",
    "input",
    "exec",
    "eval",
    "compile",
    "__import__",
    "now",
    "today",
    "utcnow",
    "urlopen",
}
FILES = sorted((MODULE_UTILS / "_config").glob("*.py")) + sorted((MODULE_UTILS / "_core").glob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of what a module imports; names beginning with a dot are its neighbors."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def faults(source: str) -> list[str]:
    """What a module of the pure layer must not do."""
    tree = ast.parse(source)
    found = []
    for name in imported(tree):
        pure = name.startswith((PURE + "config", PURE + "core"))
        neighbor = name.startswith(".") and not name.startswith("..")
        if not pure and not neighbor and name.split(".")[0] not in ALLOWED:
            found.append(f"import of {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in FORBIDDEN_CALLS and not (isinstance(node.func, ast.Attribute) and called == "compile"):
                found.append(f"line {node.lineno}: call of {called}")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_is_pure(file: Path):
    assert faults(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "import subprocess as re",
        "from ansible.errors import AnsibleError",
        "from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import store",
        "from ..other import x",
        "def f():\n    import time",
        "open('x')",
        "datetime.datetime.now()",
    ],
)
def test_the_test_can_fail(source: str):
    assert faults(source)


def test_it_looks_at_all_of_them():
    assert len(FILES) > 20
