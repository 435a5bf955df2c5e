# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON read strictly, with the line and column of everything in it.

The value comes from the standard library's fast decoder. Where something stands is found by a second pass over the text, made only when
somebody asks: a settled fleet never pays for it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, NoReturn, Optional, Set, Tuple

from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.finding import Pointer

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64

_TOKEN = re.compile(r'[ \t\n\r]*(?:("[^"\\]*(?:\\.[^"\\]*)*")|([{}\[\],:])|([^\s{}\[\],:"]+))', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_BLANK = " \t\n\r"


@dataclass(frozen=True)
class TextError:
    """A fault of the text itself. `path` is the place in the document as far as it is known; line and column count from 1."""

    line: int
    column: int
    path: Pointer
    got: str
    expected: str
    remedy: str


@dataclass(frozen=True)
class Place:
    """Offsets (characters from the start of the text) of a value and, for a member of an object, of its key."""

    value: int
    key: Optional[int]


class JsonText:
    """One parsed document: its value (None when nothing could be read), its errors, and where everything stands."""

    def __init__(self, text: str, value: Any, errors: Iterable[TextError], readable: bool) -> None:
        self.text = text
        self.value = value
        self.errors: Tuple[TextError, ...] = tuple(errors)
        self.readable = readable
        """Whether `value` is what the text says, as far as it can be told."""

    def locate(self, paths: Iterable[Pointer]) -> Dict[Pointer, Place]:
        """The places of all given paths that exist, in one pass over the text."""
        return _scan(self.text, set(paths), False)[0]

    def line_column(self, offset: int) -> Tuple[int, int]:
        """Line and column, counted from 1, of an offset."""
        return line_column(self.text, offset)


def line_column(text: str, offset: int) -> Tuple[int, int]:
    """Line and column, counted from 1, of an offset in characters."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


class _Refused(ValueError):
    """A number or constant that the decoder would take and JSON does not know, or that no config can mean."""

    def __init__(self, token: str, expected: str) -> None:
        super().__init__(token)
        self.token = token
        self.expected = expected


def _constant(token: str) -> NoReturn:
    raise _Refused(token, "a JSON number")


def _float(token: str) -> float:
    number = float(token)
    if number in (float("inf"), float("-inf")):
        raise _Refused(token, "a number of an ordinary size")
    return number


def _int(token: str) -> int:
    if len(token) > 30:
        raise _Refused(token, "a number of an ordinary size")
    return int(token)


def parse(data: bytes) -> JsonText:
    """Read JSON from bytes.

    Never raises: whatever is wrong with the bytes is in the result's `errors`, and as much as can be read is in its `value`.
    """
    errors: List[TextError] = []
    if len(data) > MAX_BYTES:
        error = TextError(
            1, 1, (), "%d bytes" % len(data), "at most %d MiB" % (MAX_BYTES // 1048576), "Check that the path names the right file; this one is too large to be a configuration."
        )
        return JsonText("", None, [error], False)
    text = _decode(data, errors)
    if not text.strip(_BLANK):
        errors.append(TextError(1, 1, (), "an empty file", "a JSON object", "Fill the file, or point the inventory source to the right one."))
        return JsonText(text, None, errors, False)

    duplicates_seen = False

    def pairs(items: List[Tuple[str, Any]]) -> Dict[str, Any]:
        nonlocal duplicates_seen
        result = dict(items)
        if len(result) != len(items):
            duplicates_seen = True
        return result

    try:
        value = json.JSONDecoder(object_pairs_hook=pairs, parse_constant=_constant, parse_float=_float, parse_int=_int).decode(text)
    except json.JSONDecodeError as error:
        errors.append(_explain(text, error))
        return JsonText(text, None, errors, False)
    except _Refused as error:
        errors.append(_refused(text, error))
        return JsonText(text, None, errors, False)
    except RecursionError:
        errors.append(_too_deep(text))
        return JsonText(text, None, errors, False)
    if _depth(value) > MAX_DEPTH:
        errors.append(_too_deep(text))
        return JsonText(text, None, errors, False)
    if duplicates_seen:
        errors.extend(_duplicates(text))
    if _SURROGATE.search(text) or "\\u0000" in text:
        errors.extend(_bad_characters(text, value))
    return JsonText(text, value, errors, True)


def _decode(data: bytes, errors: List[TextError]) -> str:
    if data[:3] == b"\xef\xbb\xbf":
        errors.append(TextError(1, 1, (), "a byte order mark (BOM)", "UTF-8 without BOM", "Save the file as UTF-8 without BOM."))
        data = data[3:]
    elif data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        errors.append(TextError(1, 1, (), "UTF-16 text", "UTF-8", "Save the file as UTF-8, for example with: iconv -f UTF-16 -t UTF-8"))
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        errors.append(
            TextError(line, column, (), "byte 0x%02x, which is not UTF-8" % data[error.start], "UTF-8 text", "Save the file as UTF-8, for example with: iconv -f ISO-8859-1 -t UTF-8")
        )
        return data.decode("utf-8", "replace")


def _depth(value: Any) -> int:
    deepest = 0
    stack = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        deepest = max(deepest, depth)
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        for child in children:
            if isinstance(child, (dict, list)):
                stack.append((child, depth + 1))
    return deepest


def _too_deep(text: str) -> TextError:
    depth = 0
    offset = 0
    for match in _TOKEN.finditer(text):
        mark = match.group(2)
        if mark in ("{", "["):
            depth += 1
            if depth > MAX_DEPTH:
                offset = match.start(2)
                break
        elif mark in ("}", "]"):
            depth -= 1
    line, column = line_column(text, offset)
    return TextError(line, column, (), "more than %d nested levels" % MAX_DEPTH, "a flat configuration", "Remove the superfluous brackets.")


def _explain(text: str, error: json.JSONDecodeError) -> TextError:
    offset = min(error.pos, len(text))
    rest = text[offset : offset + 40].lstrip(_BLANK)
    before = text[:offset].rstrip(_BLANK)
    line, column = line_column(text, offset)

    def at(expected: str, remedy: str, got: Optional[str] = None) -> TextError:
        # What stands there is not shown word for word: a broken line may hold a secret.
        return TextError(line, column, (), got or ("%r" % rest[0] if rest else "the end of the file"), expected, remedy)

    if error.msg.startswith(("Unterminated string", "Invalid control character")):
        return at("a closing double quote on the same line", "Close the string with a double quote; write a line break inside it as \\n.", "a string that does not end")
    if error.msg.startswith(("Invalid \\", "Invalid unicode")):
        return at("one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX", "Write a single backslash as two.", "an unknown escape")
    if not text[offset:].strip(_BLANK):
        return _truncated(text)
    if error.msg.startswith("Extra data"):
        return at("nothing after the end of the document", "Remove what follows, or the closing bracket that came too early.")
    if rest[0] == "," and text[offset:].lstrip(_BLANK + ",")[:1] in ("}", "]"):
        return at("a further member", "Remove the comma before the closing bracket.", "a trailing comma")
    if rest[0] in "}]" and before.endswith(","):
        line, column = line_column(text, len(before) - 1)
        return at("a further member", "Remove the comma before the closing bracket.", "a trailing comma")
    if rest[0] == "'":
        return at("double quotes", "Write strings and keys in double quotes.", "a single quote")
    if rest[0] == "#" or rest[:2] in ("//", "/*"):
        return at("JSON, which knows no comments", "Remove the comment.", "a comment")
    if rest[:5].startswith(("True", "False", "None")):
        return at("true, false or null", "Write it in lower case.", rest.split(",")[0].split("\n")[0].split("}")[0].strip()[:8])
    if error.msg.startswith("Expecting ',' delimiter"):
        return at("a comma or a closing bracket", "Put a comma at the end of the member before.")
    if error.msg.startswith("Expecting ':' delimiter"):
        return at("a colon after the key", "Put a colon between key and value.")
    if error.msg.startswith("Expecting property name"):
        return at("a key in double quotes", "Write the key in double quotes.")
    return at("a value", "Write a JSON value here: text in double quotes, a number, true, false, null, a list or an object.")


def _truncated(text: str) -> TextError:
    opened: List[Tuple[str, int]] = []
    for match in _TOKEN.finditer(text):
        mark = match.group(2)
        if mark in ("{", "["):
            opened.append((mark, match.start(2)))
        elif mark in ("}", "]") and opened:
            opened.pop()
    line, column = line_column(text, len(text.rstrip(_BLANK)))
    if not opened:
        return TextError(line, column, (), "the end of the file", "a value", "Complete the document.")
    mark, offset = opened[-1]
    return TextError(
        line,
        column,
        (),
        "the end of the file",
        "%s for the %s of line %d" % ("}" if mark == "{" else "]", mark, line_column(text, offset)[0]),
        "Close the %d open bracket%s; is the file complete?" % (len(opened), "" if len(opened) == 1 else "s"),
    )


def _refused(text: str, error: _Refused) -> TextError:
    found = re.search(r'(?<![\w"])' + re.escape(error.token), text)
    line, column = line_column(text, found.start() if found else 0)
    shown = error.token if len(error.token) <= 30 else "a number of %d digits" % len(error.token)
    return TextError(line, column, (), shown, error.expected, "Write an ordinary number.")


def _duplicates(text: str) -> List[TextError]:
    errors = []
    for path, first, second in _scan(text, set(), True)[1]:
        line, column = line_column(text, second)
        errors.append(
            TextError(line, column, path, "the key a second time", "each key once (the first is in line %d)" % line_column(text, first)[0], "Remove or rename one of the two.")
        )
    return errors


def _bad_characters(text: str, value: Any) -> List[TextError]:
    bad: List[Pointer] = []
    stack: List[Tuple[Pointer, Any]] = [((), value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, dict):
            stack.extend((path + (key,), child) for key, child in item.items())
            bad.extend(path for key in item if _is_bad(key))
        elif isinstance(item, list):
            stack.extend((path + (index,), child) for index, child in enumerate(item))
        elif isinstance(item, str) and _is_bad(item):
            bad.append(path)
    places = _scan(text, set(bad), False)[0]
    errors = []
    for path in bad:
        line, column = line_column(text, places[path].value) if path in places else (0, 0)
        errors.append(TextError(line, column, path, "a NUL or half a surrogate pair", "text", "Remove the \\u escape that makes no character."))
    return errors


def _is_bad(text: str) -> bool:
    return "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)


def _key(token: str) -> str:
    if "\\" in token:
        decoded = json.loads(token, strict=False)
        return str(decoded)
    return token[1:-1]


class _Frame:
    """One open object or list of the scan."""

    __slots__ = ("index", "is_object", "key", "key_offset", "keys", "live")

    def __init__(self, is_object: bool, live: bool) -> None:
        self.is_object = is_object
        self.live = live  # some wanted path goes through here
        self.index = -1
        self.key = ""
        self.key_offset = -1
        self.keys: Dict[str, int] = {}


def _scan(text: str, wanted: Set[Pointer], find_duplicates: bool) -> Tuple[Dict[Pointer, Place], List[Tuple[Pointer, int, int]]]:
    """Walk over a text that the decoder has accepted: (places of the wanted paths, duplicate keys as (path, first, second offset))."""
    prefixes: Set[Pointer] = {path[:length] for path in wanted for length in range(len(path) + 1)}
    places: Dict[Pointer, Place] = {}
    duplicates: List[Tuple[Pointer, int, int]] = []
    frames: List[_Frame] = []

    def path_here() -> Pointer:
        return tuple(frame.key if frame.is_object else frame.index for frame in frames)

    expect_key = False
    for match in _TOKEN.finditer(text):
        mark = match.group(2)
        if mark in ("}", "]"):
            if frames:
                frames.pop()
            expect_key = False
            continue
        if mark == ",":
            expect_key = bool(frames) and frames[-1].is_object
            continue
        if mark == ":":
            continue
        frame = frames[-1] if frames else None
        if expect_key and frame is not None:
            expect_key = False
            token = match.group(1)
            if token is None:
                continue
            if frame.live or find_duplicates:
                frame.key = _key(token)
                frame.key_offset = match.start(1)
                if find_duplicates:
                    first = frame.keys.setdefault(frame.key, frame.key_offset)
                    if first != frame.key_offset:
                        duplicates.append((path_here(), first, frame.key_offset))
            continue
        # A value begins here.
        live = False
        if frame is None:
            live = True
        elif frame.live or find_duplicates:
            if not frame.is_object:
                frame.index += 1
            live = frame.live
        if live:
            here = path_here()
            live = here in prefixes
            if here in wanted:
                offset = match.start(match.lastindex or 0)
                places[here] = Place(offset, frame.key_offset if frame is not None and frame.is_object else None)
        if mark in ("{", "["):
            frames.append(_Frame(mark == "{", live))
            expect_key = mark == "{"
    return places, duplicates
