# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of the values of a run's variables: each turns any spelling into one form, or says what is expected. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.ownership import SECTIONS

CTID = re.compile(r"[1-9][0-9]{2,8}\Z", re.ASCII)
CREDENTIAL = re.compile(r"[^\s:/!@]+@[A-Za-z][A-Za-z0-9._-]*(?:![A-Za-z][A-Za-z0-9._-]+)?\Z", re.ASCII)
COLLECTION = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*\Z", re.ASCII)
SECONDS = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
MODE = re.compile(r"0?[67][0-7]{2}\Z", re.ASCII)
PATH = re.compile(r"/[^\0]*\Z", re.DOTALL)
FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
ADOPT = ("no", "record", "reapply")


def word(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        # YAML 1.1 reads a bare no as false.
        text = "no" if value is False else value
        if isinstance(text, str) and text.strip() in choices:
            return text.strip()
        raise ValueError("one of " + ", ".join(choices))

    return read


def ctids(value: Any) -> list[int]:
    """CTIDs: a list, a number, or text with commas or blanks between them."""
    expected = "CTIDs, such as 950,951"
    if isinstance(value, str):
        items: Iterable[Any] = (
            parsed(value) if value.strip().startswith("[") else re.split(r"\s*,\s*|\s+", value.strip())
        )
    else:
        items = value if isinstance(value, (list, tuple)) else [value]
    found = []
    for item in items:
        if isinstance(item, bool) or not isinstance(item, (int, str)) or not CTID.match(str(item).strip()):
            raise ValueError(expected)
        found.append(int(str(item).strip()))
    return sorted(set(found))


def adopt(value: Any) -> str | dict[str, str]:
    """One word for all containers, or {CTID: word}."""
    expected = "no, record or reapply, or a mapping from CTID to one of them"
    if isinstance(value, str) and value.strip().startswith("{"):
        value = parsed(value)
    try:
        if not isinstance(value, Mapping):
            return word(ADOPT)(value)
        return {str(ctids(key)[0]): word(ADOPT)(given) for key, given in value.items()}
    except (ValueError, IndexError):
        raise ValueError(expected) from None


def seconds(value: Any, unit: str = "seconds") -> int:
    text = str(value).strip() if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if SECONDS.match(text) and int(text) > 0:
        return int(text)
    raise ValueError(f"a whole number of {unit}, at least 1")


def flag(value: Any) -> bool:
    """True or false, as a boolean, a number 0 or 1, or one of Ansible's words for it."""
    found = FLAGS.get(str(value).strip().lower()) if isinstance(value, (bool, int, str)) else None
    if found is None:
        raise ValueError("true or false")
    return found


def file(value: Any) -> str:
    """A path of the controller, relative ones from where the run was started."""
    if isinstance(value, str) and "\0" not in value:
        return value.strip()
    raise ValueError("a path of the controller, such as plan.json")


def mode(value: Any) -> int:
    """A file's mode as octal digits; its owner must be able to read and write it."""
    if isinstance(value, str) and MODE.match(value.strip()):
        return int(value.strip(), 8)
    raise ValueError("octal digits in quotes, such as '0640'")


def items(value: Any, valid: Callable[[str], bool], expected: str) -> list[str]:
    items = value if isinstance(value, (list, tuple)) else value.split(",") if isinstance(value, str) else None
    if items is None or not all(isinstance(item, str) and valid(item.strip()) for item in items):
        raise ValueError(expected)
    return [item.strip() for item in items]


def collections(value: Any) -> list[str]:
    return items(value, lambda item: bool(COLLECTION.match(item)), "names of collections, such as acme.models")


def features(value: Any) -> list[str]:
    valid = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}\Z", re.ASCII)
    return list(
        dict.fromkeys(items(value, lambda item: bool(valid.match(item)), "names of features, such as acme.web.nginx"))
    )


def folders(value: Any) -> list[str]:
    return items(value, lambda item: bool(item) and "\0" not in item, "folders, such as /srv/applications")


def matching(pattern: re.Pattern[str], expected: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and pattern.match(value.strip()):
            return value.strip()
        raise ValueError(expected)

    return read


def environment(value: Any) -> dict[str, Any]:
    expected = "a mapping from names of variables to text"
    if isinstance(value, str):
        value = parsed(value)
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError(expected)
    return dict(value)


def text(value: Any) -> str:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("text")


def consent(value: Any) -> list[str]:
    items = value if isinstance(value, (list, tuple)) else value.split(",") if isinstance(value, str) else None
    if items is None or not all(isinstance(item, str) for item in items):
        raise ValueError("a list, or text with commas, such as network:vmbr1,nfs")
    words = [item.strip() for item in items if item.strip()]
    if any(word.partition(":")[0] not in SECTIONS for word in words):
        raise ValueError(f"sections ({', '.join(SECTIONS)}), or one with an item, such as network:vmbr1")
    return words


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None if text.strip().startswith("{") else [None]
