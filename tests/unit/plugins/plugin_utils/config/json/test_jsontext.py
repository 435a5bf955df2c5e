# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader gives what the standard library gives, and tells where it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import MAX_BYTES, MAX_DEPTH, parse

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """All paths of a document with their values."""
    found = {path: value}
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in members:
        found.update(paths_of(item, (*path, key)))
    return found


@given(DOCUMENTS, st.sampled_from([None, 0, 2]), st.booleans())
def test_every_place_is_the_beginning_of_its_value(document: Any, indent: int | None, ascii_only: bool):
    data = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    text = parse(data.encode())
    assert text.readable
    assert text.value == document
    paths = paths_of(document)
    places = text.locate(paths)
    assert set(places) == set(paths)
    decoder = json.JSONDecoder()
    for path, value in paths.items():
        place = places[path]
        assert decoder.raw_decode(data, place.value)[0] == value
        if path and isinstance(path[-1], str):
            assert place.key is not None
            assert decoder.raw_decode(data, place.key)[0] == path[-1]
        line, column = text.line_column(place.value)
        assert sum(len(item) + 1 for item in data.split("\n")[: line - 1]) + column - 1 == place.value


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes):
    text = parse(data)
    assert text.readable or text.errors


@given(DOCUMENTS, st.data())
def test_a_cut_document_has_one_error_with_a_place(document: Any, draw: st.DataObject):
    data = json.dumps({"a": document}).encode()
    cut = draw.draw(st.integers(0, len(data) - 1))
    text = parse(data[:cut])
    assert len(text.errors) == 1
    assert text.errors[0].line >= 1
    assert text.errors[0].column >= 1
    assert text.errors[0].remedy


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "marked"])
@pytest.mark.parametrize("space", ["\r\n", "\n", "\t", "\r\n\t ", "\n\n"])
def test_places_after_a_mark_and_any_line_ends(mark: str, space: str):
    """Line and column as editors count them: CRLF is one line end, a tab one column, the mark of a file none."""
    text = f'{{{space}"a": "é\U0001f600",{space}"b":{space}["x",{space}12 345]{space}}}'
    parsed = parse((mark + text).encode())
    error = parsed.errors[-1]
    before = text[: text.index("345")]
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert error.line == len(lines)
    assert error.column == len(lines[-1]) + 1


@pytest.mark.parametrize(
    ("value", "column", "got"),
    [
        *((number, 7, "a number in another notation") for number in ("0950", "0x10", "2_048", "+5", ".5", "5.", "8GB")),
        ("1 2", 9, "'2'"),
        ("-", 7, "'-'"),
        ('"a\tb"', 9, "a tab in a string"),
        ('"a\x1bb"', 9, "a control character in a string"),
        ('"a\nb"', 9, "a string that does not end"),
        ("\u201ca\u201d", 7, "a typographic quote"),
        ("\u00a01", 7, "an invisible character (U+00A0)"),
        ("\0", 7, "a NUL byte"),
    ],
)
def test_what_people_and_editors_write_instead_is_named(value: str, column: int, got: str):
    (error,) = parse(f'{{"a": {value}}}'.encode()).errors
    assert (error.line, error.column, error.got) == (1, column, got)


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 990, 1_000_000])
def test_depth(depth: int):
    text = parse(b"[" * depth + b"]" * depth)
    assert text.readable == (depth <= MAX_DEPTH)
    if not text.readable:
        assert text.errors[0].column == MAX_DEPTH + 1


def test_too_large_a_file_is_refused_unread():
    text = parse(b" " * (MAX_BYTES + 1))
    assert "16 MiB" in text.errors[0].expected


def test_every_duplicate_is_found_with_the_line_of_the_first():
    text = parse(b'{"a": {"x": 1,\n"x": 2},\n"b": [{"y": 1,\n"y": 2, "y": 3}],\n"a": 1}')
    found = [(error.path, error.line, error.expected) for error in text.errors]
    assert [item[:2] for item in found] == [(("a", "x"), 2), (("b", 0, "y"), 4), (("b", 0, "y"), 4), (("a",), 5)]
    assert "line 1" in found[0][2]
    assert "line 3" in found[1][2]


def test_an_escaped_key_is_the_same_key():
    text = parse(b'{"a": 1, "\\u0061": 2}')
    assert [error.path for error in text.errors] == [("a",)]


def test_half_a_surrogate_pair_is_an_error_that_can_be_printed():
    text = parse(b'{"a": "\\ud800", "\\udfff": 1, "\\ud83d\\ude00": 2}')
    assert len(text.errors) == 2
    assert all("\ud800" not in repr(error.path) and "\udfff" not in str(error.path) for error in text.errors)
