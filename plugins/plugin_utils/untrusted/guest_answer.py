# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The border between a container and the controller: what a module's answer may say.

A root user in a container decides what a module answers there. Ansible takes more than data from an answer: variables
that outrank the inventory's, results for later job templates, texts that it prints as they are. Here stays what
describes the container itself. The answer is taken apart by the functions with which Ansible does it, so that both see
the same; what must be changed is written again, so that nothing is left to be read in two ways.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import json
import typing as t

from ansible.module_utils.common.text.converters import to_text
from ansible.module_utils.json_utils import _filter_non_json_lines
from ansible.plugins.action import ActionBase

from .guest_facts import split_facts
from .shown_text import printable

FACTS = "ansible_facts"
# What Ansible or this collection acts upon, or writes into a result itself: no module of a container must say it.
_STEERING = frozenset(
    """
    add_group add_host ansible_delegated_vars ansible_index_var ansible_loop ansible_loop_var ansible_stats
    break_when_result censored changed_when_result failed_when_result phoenix_audit
    """.split()  # noqa: SIM905 - so many names are read as a text
)
# The one mark of Ansible's that a module gives: async_wrapper, so that its job's folder stays in the container.
_ASYNC = "_ansible_suppress_tmpdir_delete"
# Ansible's own marks in JSON: typed values, vaulted and unsafe texts. A module's answer is plain data here.
_MARK = "__ansible"
MESSAGES, MESSAGE_LIMIT, TRACEBACK_LIMIT = 20, 2000, 20000


@dataclasses.dataclass(frozen=True)
class Answer:
    """A module's answer, fit to be handed on. ``refused``: names of what was left out, as the container wrote them."""

    stdout: bytes
    refused: tuple[str, ...] = ()


def checked_answer(stdout: bytes) -> Answer:
    """Return a command's output as it may be handed on: unchanged unless it is a module's answer that oversteps.

    Raises ValueError for an answer that can't be taken apart for its depth.
    """
    if b"{" not in stdout:
        return Answer(stdout)
    text = ActionBase._strip_success_message(t.cast(ActionBase, None), to_text(stdout, errors="surrogate_then_replace"))
    refused: list[str] = []
    try:
        content, junk = _filter_non_json_lines(text, objects_only=True)
        given = json.loads(content)
        kept = _result(given, refused)
        if kept == given and not junk:
            return Answer(stdout)
        return Answer(json.dumps(kept).encode("ascii"), tuple(refused))
    except RecursionError as error:
        raise ValueError("its answer is nested too deeply") from error
    except ValueError:
        return Answer(stdout)  # nor does Ansible read it: a command's plain output


def _result(given: c.Mapping[str, t.Any], refused: list[str]) -> dict[str, t.Any]:
    kept: dict[str, t.Any] = {}
    for key, value in given.items():
        if key == _ASYNC:
            kept[key] = value is True
        elif key.startswith(("_ansible_", _MARK)) or key in _STEERING:
            refused.append(key)
        elif key == FACTS:
            if isinstance(value, c.Mapping):
                facts, foreign = split_facts(_plain(value))
                refused += foreign
                kept[key] = facts
        elif key == "warnings":
            kept[key] = [_message(item) for item in _items(value)]
        elif key == "deprecations":
            kept[key] = [_deprecation(item) for item in _items(value)]
        elif key == "exception":
            kept[key] = _exception(value)
        elif key in ("msg", "diff"):
            kept[key] = _shown(_plain(value))
        else:
            kept[key] = _plain(value)
    return kept


def _plain(value: t.Any) -> t.Any:
    """Return plain data: what is marked as a typed value becomes the text or the data in it."""
    if isinstance(value, c.Mapping):
        if any(str(key).startswith(_MARK) for key in value):
            return _plain(next((value[key] for key in ("value", "iso8601", "msg") if key in value), None))
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _shown(value: t.Any) -> t.Any:
    """Return what Ansible prints as it is, fit for a terminal."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, c.Mapping):
        return {key: _shown(part) for key, part in value.items()}
    return [_shown(part) for part in value] if isinstance(value, list) else value


def _items(value: t.Any) -> list[t.Any]:
    return value[:MESSAGES] if isinstance(value, list) else []


def _text(value: t.Any, key: str = "msg") -> str:
    """Return the text of a message: plain, in a dictionary, or of Ansible's own type for it."""
    if isinstance(value, c.Mapping):
        event = value.get("event")
        found = event.get(key) if isinstance(event, c.Mapping) else value.get(key)
        return found if isinstance(found, str) else ""
    return value if isinstance(value, str) else ""


def _message(value: t.Any) -> str:
    return printable(_text(value), MESSAGE_LIMIT)


def _deprecation(value: t.Any) -> dict[str, t.Any]:
    """Return a deprecation in the form that modules give it; a version or a date only where it is a plain text."""
    made: dict[str, t.Any] = {"msg": _message(value)}
    for key in ("version", "date"):
        if isinstance(value, c.Mapping) and isinstance(value.get(key), str):
            made[key] = printable(value[key], 40)
    return made


def _exception(value: t.Any) -> str:
    text = _text(value, "formatted_traceback") or _text(value)
    return printable(text, TRACEBACK_LIMIT)
