# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON read strictly, with the line and column of everything in it.

The value comes from the standard library's fast decoder. Where something stands is found by a second pass over the
text, made only
when somebody asks: a settled fleet never pays for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn, Optional

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsonfaults import (
    RefusedNumberError,
    TextError,
    bad_characters,
    duplicate_keys,
    explain_decode_error,
    explain_depth,
    explain_number,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsonscan import BLANK, Lines, Place, Scan

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
_LONGEST_NUMBER = 30  # digits

_SUSPICIOUS_ESCAPE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")


class JsonText:
    """One parsed document: its value (None when nothing could be read), its errors, and where everything stands.

    `readable` says whether `value` is what the text says, as far as that is known.
    """

    def __init__(self, text: str, value: Any, errors: Iterable[TextError], readable: bool) -> None:
        self.text = text
        self.value = value
        self.errors: tuple[TextError, ...] = tuple(errors)
        self.readable = readable
        self._lines: Optional[Lines] = None

    def locate(self, paths: Iterable[Pointer]) -> dict[Pointer, Place]:
        """The places of all given paths that exist, in one pass over the text."""
        wanted = set(paths)
        return Scan(self.text, wanted).places if wanted else {}

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column, counted from 1, of an offset."""
        if self._lines is None:
            self._lines = Lines(self.text)
        return self._lines.at(offset)


def parse(data: bytes) -> JsonText:
    """Read JSON from bytes.

    Never raises: whatever is wrong with the bytes is in the result's `errors`, and as much as can be read is in its
    `value`.
    """
    errors: list[TextError] = []
    if len(data) > MAX_BYTES:
        expected = f"at most {MAX_BYTES // 1048576} MiB"
        remedy = "Check that the path names the right file; this one is too large to be a configuration."
        return JsonText("", None, [TextError(1, 1, (), f"{len(data)} bytes", expected, remedy)], False)
    text = _decode(data, errors)
    if not text.strip(BLANK):
        remedy = "Fill the file, or point the inventory source to the right one."
        errors.append(TextError(1, 1, (), "an empty file", "a JSON object", remedy))
        return JsonText(text, None, errors, False)
    value, has_duplicates, fault = _load(text)
    if fault is not None:
        return JsonText(text, None, [*errors, fault], False)
    if has_duplicates:
        errors += duplicate_keys(text)
    if _SUSPICIOUS_ESCAPE.search(text):
        errors += bad_characters(text, value)
    return JsonText(text, value, errors, True)


def _load(text: str) -> tuple[Any, bool, Optional[TextError]]:
    """The value, whether some key of it stands twice, and the fault at which reading ended."""
    has_duplicates = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal has_duplicates
        result = dict(items)
        has_duplicates = has_duplicates or len(result) != len(items)
        return result

    decoder = json.JSONDecoder(object_pairs_hook=pairs, parse_constant=_constant, parse_float=_float, parse_int=_int)
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as error:
        return None, False, explain_decode_error(text, error)
    except RefusedNumberError as error:
        return None, False, explain_number(text, error)
    except RecursionError:
        return None, False, explain_depth(text, MAX_DEPTH)
    if _depth(value) > MAX_DEPTH:
        return None, False, explain_depth(text, MAX_DEPTH)
    return value, has_duplicates, None


def _constant(token: str) -> NoReturn:
    raise RefusedNumberError(token, "a JSON number")


def _float(token: str) -> float:
    number = float(token)
    if number in (float("inf"), float("-inf")):
        raise RefusedNumberError(token, "a number of an ordinary size")
    return number


def _int(token: str) -> int:
    if len(token) > _LONGEST_NUMBER:
        raise RefusedNumberError(token, "a number of an ordinary size")
    return int(token)


def _decode(data: bytes, errors: list[TextError]) -> str:
    if data[:3] == b"\xef\xbb\xbf":
        remedy = "Save the file as UTF-8 without BOM."
        errors.append(TextError(1, 1, (), "a byte order mark (BOM)", "UTF-8 without BOM", remedy))
        data = data[3:]
    elif data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        remedy = "Save the file as UTF-8, for example with: iconv -f UTF-16 -t UTF-8"
        errors.append(TextError(1, 1, (), "UTF-16 text", "UTF-8", remedy))
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        got = f"byte 0x{data[error.start]:02x}, which is not UTF-8"
        remedy = "Save the file as UTF-8, for example with: iconv -f ISO-8859-1 -t UTF-8"
        errors.append(TextError(line, column, (), got, "UTF-8 text", remedy))
        return data.decode("utf-8", "replace")


def _depth(value: Any) -> int:
    deepest = 0
    stack = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        deepest = max(deepest, depth)
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        stack.extend((child, depth + 1) for child in children if isinstance(child, (dict, list)))
    return deepest
