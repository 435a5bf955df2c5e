# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a text that is no JSON, in words for somebody who wrote it by hand.

The words don't depend on the Python version, as the decoder's do. Nothing of the text is repeated but a single
character or a number:
a broken line may hold a secret.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Optional

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsonscan import (
    BLANK,
    Lines,
    Scan,
    open_brackets,
    too_deep_at,
)

# Message of the decoder (its beginning), expected, remedy, got (None: the character that stands there).
_BY_MESSAGE: tuple[tuple[str, str, str, Optional[str]], ...] = (
    (
        "Unterminated string",
        "a closing double quote on the same line",
        "Close the string with a double quote; write a line break inside it as \\n.",
        "a string that does not end",
    ),
    (
        "Invalid control character",
        "a closing double quote on the same line",
        "Close the string with a double quote; write a line break inside it as \\n.",
        "a string that does not end",
    ),
    (
        "Invalid \\",
        'one of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX',
        "Write a single backslash as two.",
        "an unknown escape",
    ),
    (
        "Extra data",
        "nothing after the end of the document",
        "Remove what follows, or the closing bracket that came too early.",
        None,
    ),
)
_BY_DELIMITER: tuple[tuple[str, str, str, Optional[str]], ...] = (
    (
        "Expecting ',' delimiter",
        "a comma or a closing bracket",
        "Put a comma at the end of the member before.",
        None,
    ),
    ("Expecting ':' delimiter", "a colon after the key", "Put a colon between key and value.", None),
    ("Expecting property name", "a key in double quotes", "Write the key in double quotes.", None),
    (
        "",
        "a value",
        "Write a JSON value here: text in double quotes, a number, true, false, null, a list or an object.",
        None,
    ),
)


_DECIMAL = "Write digits only, without leading zeros, separators, prefix or unit; a text needs double quotes."
_OTHER_NUMBER = re.compile(
    r"(?:[+-]?(?:0[xXoObB]?[0-9A-Fa-f_]+|[0-9]+(?:_[0-9]+)+|[0-9]*\.[0-9]*)|[0-9.]+[A-Za-z]+|[+][0-9]+)(?=[\s,}\]]|\Z)"
)
_QUOTES = "\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2033"
_BLANKS = "\u00a0\u2000\u2001\u2002\u2003\u2007\u2009\u200a\u200b\u202f\u3000\ufeff\u000b\u000c"


@dataclass(frozen=True)
class TextError:
    """A fault of the text itself.

    `path` is the place in the document as far as it is known; line and column count from 1.
    """

    line: int
    column: int
    path: Pointer
    got: str
    expected: str
    remedy: str


class RefusedNumberError(ValueError):
    """A number or constant that the decoder would take, but that JSON does not know or no configuration can mean."""

    def __init__(self, token: str, expected: str) -> None:
        super().__init__(token)
        self.token = token
        self.expected = expected


def explain_decode_error(text: str, error: json.JSONDecodeError) -> TextError:
    """The fault at which the decoder gave up."""
    offset = min(error.pos, len(text))
    rest = text[offset:].lstrip(BLANK)
    told = _control(text, offset) if error.msg.startswith("Invalid control character") else None
    told = told or next((row for row in _BY_MESSAGE if error.msg.startswith(row[0])), None)
    if told is None and not rest:
        return _truncated(text)
    if told is None:
        comma = _trailing_comma(text, offset)
        if comma is not None:
            offset = comma
            told = ("", "a further member", "Remove the comma before the closing bracket.", "a trailing comma")
    if told is None:
        told = _foreign(rest)
    if told is None:
        start = _number_before(text, offset)
        if start is not None:
            offset = start
            told = ("", "a number in decimal notation", _DECIMAL, "a number in another notation")
    if told is None:
        told = next(row for row in _BY_DELIMITER if error.msg.startswith(row[0]))
    line, column = Lines(text).at(offset)
    return TextError(line, column, (), told[3] or repr(rest[:1]), told[1], told[2])


def explain_number(text: str, error: RefusedNumberError) -> TextError:
    """A number that was refused."""
    found = re.search(r'(?<![\w"])' + re.escape(error.token), text)
    line, column = Lines(text).at(found.start() if found else 0)
    shown = error.token if len(error.token) <= 30 else f"a number of {len(error.token)} digits"
    return TextError(line, column, (), shown, error.expected, "Write an ordinary number.")


def explain_depth(text: str, limit: int) -> TextError:
    """Brackets in brackets in brackets."""
    line, column = Lines(text).at(too_deep_at(text, limit))
    remedy = "Remove the superfluous brackets."
    return TextError(line, column, (), f"more than {limit} nested levels", "a flat configuration", remedy)


def duplicate_keys(text: str) -> list[TextError]:
    """All keys that stand a second time in their object."""
    lines = Lines(text)
    errors = []
    for duplicate in Scan(text, find_duplicates=True).duplicates:
        line, column = lines.at(duplicate.again)
        expected = f"each key once (the first is in line {lines.at(duplicate.first)[0]})"
        remedy = "Remove or rename one of the two."
        errors.append(TextError(line, column, duplicate.path, "the key a second time", expected, remedy))
    return errors


def bad_characters(text: str, value: object) -> list[TextError]:
    """All texts of a value with characters that no file name, command or config line can have: NUL, and half a
    surrogate pair.
    """
    bad: list[Pointer] = []
    stack: list[tuple[Pointer, object]] = [((), value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, dict):
            stack.extend(((*path, key), child) for key, child in item.items())
            bad.extend((*path, key) for key in item if _is_bad(key))
        elif isinstance(item, list):
            stack.extend(((*path, index), child) for index, child in enumerate(item))
        elif isinstance(item, str) and _is_bad(item):
            bad.append(path)
    places = Scan(text, bad).places
    lines = Lines(text)
    errors = []
    for path in bad:
        line, column = lines.at(places[path].value) if path in places else (0, 0)
        remedy = "Remove the \\u escape that makes no character."
        # A key with half a surrogate pair could not be printed: its object stands for it.
        shown = tuple(part for part in path if not (isinstance(part, str) and _is_bad(part)))
        errors.append(TextError(line, column, shown, "a NUL or half a surrogate pair", "text", remedy))
    return errors


def _is_bad(text: str) -> bool:
    return "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)


def _trailing_comma(text: str, offset: int) -> Optional[int]:
    """The offset of a comma before a closing bracket, which Python 3.13 reports at the comma and older ones at the
    bracket.
    """
    rest = text[offset:].lstrip(BLANK)
    if rest[:1] == "," and rest[1:].lstrip(BLANK)[:1] in ("}", "]"):
        return len(text) - len(rest)
    before = text[:offset].rstrip(BLANK)
    if rest[:1] in ("}", "]") and before.endswith(","):
        return len(before) - 1
    return None


def _control(text: str, offset: int) -> Optional[tuple[str, str, str, Optional[str]]]:
    """A control character inside of a string, None for a line break, which most often ends a string without quote."""
    char = text[offset : offset + 1]
    if char in ("", "\n", "\r"):
        return None
    escape = "\\t" if char == "\t" else f"\\u{ord(char):04x}"
    got = "a tab in a string" if char == "\t" else "a control character in a string"
    return ("", "an escape for it", f"Write {escape}, or a blank.", got)


def _number_before(text: str, offset: int) -> Optional[int]:
    """Where a number begins that is one for other programs, such as 0950, 0x10, 1_000 or +5; None for anything else."""
    start = offset
    while start and text[start - 1] in "0123456789+-.":
        start -= 1
    found = _OTHER_NUMBER.match(text, start)
    return start if found and found.end() > offset else None


def _foreign(rest: str) -> Optional[tuple[str, str, str, Optional[str]]]:
    """What other languages would take at this place."""
    if rest[0] == "'":
        return ("", "double quotes", "Write strings and keys in double quotes.", "a single quote")
    if rest[0] in _QUOTES:
        return (
            "",
            "straight double quotes",
            "Replace the typographic quotes, here and elsewhere.",
            "a typographic quote",
        )
    if rest[0] in _BLANKS:
        remedy = "Replace it by an ordinary blank, here and elsewhere."
        return ("", "an ordinary blank", remedy, f"an invisible character (U+{ord(rest[0]):04X})")
    if rest[0] == "\0":
        return ("", "UTF-8 text", "Save the file as UTF-8; this is UTF-16, or no text.", "a NUL byte")
    if rest[0] == "#" or rest[:2] in ("//", "/*"):
        return ("", "JSON, which knows no comments", "Remove the comment.", "a comment")
    word = re.match(r"True|False|None|yes\b|no\b|on\b|off\b", rest)
    if word is not None:
        return ("", "true, false or null", "Write true, false or null, in lower case.", word[0])
    return None


def _truncated(text: str) -> TextError:
    lines = Lines(text)
    line, column = lines.at(len(text.rstrip(BLANK)))
    opened = open_brackets(text)
    if not opened:
        return TextError(line, column, (), "the end of the file", "a value", "Complete the document.")
    mark, offset = opened[-1]
    expected = f"{'}' if mark == '{' else ']'} for the {mark} of line {lines.at(offset)[0]}"
    remedy = f"Close the {len(opened)} open bracket{'' if len(opened) == 1 else 's'}; is the file complete?"
    return TextError(line, column, (), "the end of the file", expected, remedy)
