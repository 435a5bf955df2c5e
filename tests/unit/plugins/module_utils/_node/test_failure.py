# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error with words of its own has one base, and the errors of Python become such."""

from __future__ import annotations

import builtins
import importlib
import inspect
import pkgutil
import subprocess
import urllib.error
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins import module_utils
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.errors import KnownError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, about, failing


def error_classes() -> Iterator[type[Exception]]:
    """Every class of an error that a module of module_utils defines."""
    for found in pkgutil.walk_packages(module_utils.__path__, module_utils.__name__ + "."):
        module = importlib.import_module(found.name)
        for _name, value in inspect.getmembers(module, inspect.isclass):
            if issubclass(value, BaseException) and value.__module__ == module.__name__:
                yield value


def test_every_error_has_the_base_of_its_layer() -> None:
    classes = list(error_classes())
    assert len(classes) > 25
    for error in classes:
        base = NodeError if "._node." in error.__module__ else KnownError
        assert issubclass(error, base), f"{error.__module__}.{error.__name__}"


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "why"),
        ({"where": "container 100"}, "container 100: why"),
        ({"what": "start failed"}, "start failed: why"),
        ({"remedy": "do this"}, "why; do this"),
        ({"where": "/srv", "what": "write failed", "remedy": "do this"}, "/srv: write failed: why; do this"),
    ],
)
def test_a_message_has_the_parts_that_are_known(parts: dict[str, str], text: str) -> None:
    assert str(NodeError("why", **parts)) == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device"), "/default: it failed: No space left on device; do this"),
        (FileNotFoundError(2, "No such file", "/a\x1b[31m"), "/a?[31m: it failed: No such file; do this"),
        (FileNotFoundError(2, "No such file", b"/a"), "/a: it failed: No such file; do this"),
        (OSError("text alone"), "/default: it failed: text alone; do this"),
        (
            urllib.error.HTTPError("http://a", 404, "Not Found", Message(), None),
            "/default: it failed: HTTP Error 404: Not Found; do this",
        ),
        (
            subprocess.TimeoutExpired("tool", 3),
            "/default: it failed: Command 'tool' timed out after 3 seconds; do this",
        ),
    ],
)
def test_an_error_of_python_becomes_a_known_one(error: Exception, text: str) -> None:
    with (
        pytest.raises(NodeError) as caught,
        failing("it failed", where="/default", remedy="do this", kinds=(OSError, subprocess.SubprocessError)),
    ):
        raise error
    assert str(caught.value) == text


@pytest.mark.parametrize("kind", [ValueError, MemoryError, NodeError, KnownError])
def test_other_errors_pass(kind: type[Exception]) -> None:
    error = kind("as it is")
    with pytest.raises(kind) as caught, failing("it failed"):
        raise error
    assert caught.value is error
    assert str(error) == "as it is"


def test_a_decorator_turns_errors_on_every_call() -> None:
    @failing("it failed")
    def work(path: str) -> Any:
        return builtins.open(path, encoding="utf-8")

    for _call in range(2):
        with pytest.raises(NodeError, match=r"/nonexistent/a: it failed: No such file"):
            work("/nonexistent/a")


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("no answer", "container 10: no answer"),
        ("container 10 doesn't answer", "container 10 doesn't answer"),
        ("run 7 has taken container 10 over", "container 10: run 7 has taken container 10 over"),
        ("no answer; set it for container 10", "container 10: no answer; set it for container 10"),
        ("container 101 doesn't answer", "container 10: container 101 doesn't answer"),
    ],
)
def test_a_place_is_named_once(why: str, text: str) -> None:
    with pytest.raises(NodeError) as caught, about("container 10"):
        raise NodeError(why)
    assert str(caught.value) == text


def test_a_place_and_fields_are_added_once() -> None:
    error = NodeError("why", state="running")
    with pytest.raises(NodeError), about("elsewhere", state="x"), about("container 100", journal=[], state="y"):
        raise error
    assert str(error) == "container 100: why"
    assert error.fields == {"journal": [], "state": "running"}
