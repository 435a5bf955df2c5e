# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things stand in a JSON text: one pass over its tokens, without recursion, for texts of any depth."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass
from typing import Optional

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer

TOKEN = re.compile(
    r'[ \t\n\r]*(?:(?P<text>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<mark>[{}\[\],:])|(?P<word>[^\s{}\[\],:"]+))', re.DOTALL
)
BLANK = " \t\n\r"


@dataclass(frozen=True)
class Place:
    """Offsets (characters from the start of the text) of a value and, for a member of an object, of its key."""

    value: int
    key: Optional[int]


@dataclass(frozen=True)
class Duplicate:
    """A key that stands twice in one object, with the offsets of the first and of the repeated one."""

    path: Pointer
    first: int
    again: int


class Lines:
    """Line and column of offsets of one text, both counted from 1."""

    def __init__(self, text: str) -> None:
        self._breaks = [match.start() for match in re.finditer("\n", text)]

    def at(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        line = bisect_left(self._breaks, offset)
        return line + 1, offset - (self._breaks[line - 1] if line else -1)


class _Frame:
    """One open object or list of the scan."""

    __slots__ = ("index", "is_object", "key", "key_offset", "keys", "live")

    def __init__(self, is_object: bool, live: bool) -> None:
        self.is_object = is_object
        self.live = live  # some wanted path leads through here
        self.index = -1
        self.key = ""
        self.key_offset = -1
        self.keys: dict[str, int] = {}


class Scan:
    """A walk over a text that the decoder has accepted.

    Args:
        text: the document.
        wanted: paths whose places are noted.
        find_duplicates: note the keys that stand twice in an object; with it every path is followed, which takes
        longer.
    """

    def __init__(self, text: str, wanted: Collection[Pointer] = (), find_duplicates: bool = False) -> None:
        self.places: dict[Pointer, Place] = {}
        self.duplicates: list[Duplicate] = []
        self._wanted = set(wanted)
        self._prefixes: set[Pointer] = {path[:length] for path in self._wanted for length in range(len(path) + 1)}
        self._find_duplicates = find_duplicates
        self._frames: list[_Frame] = []
        self._walk(text)

    def _walk(self, text: str) -> None:
        frames = self._frames
        expect_key = False
        for match in TOKEN.finditer(text):
            mark = match["mark"]
            if mark in ("}", "]"):
                if frames:
                    frames.pop()
            elif mark == ",":
                expect_key = bool(frames) and frames[-1].is_object
            elif mark == ":":
                pass
            elif expect_key:
                self._key(match["text"] or '""', match.start("text"))
                expect_key = False
            else:
                live = self._value(match.start(match.lastindex or 0))
                expect_key = mark == "{"
                if mark in ("{", "["):
                    frames.append(_Frame(mark == "{", live))

    def _key(self, token: str, offset: int) -> None:
        frame = self._frames[-1]
        if not frame.live and not self._find_duplicates:
            return
        frame.key = str(json.loads(token, strict=False)) if "\\" in token else token[1:-1]
        frame.key_offset = offset
        if self._find_duplicates:
            first = frame.keys.setdefault(frame.key, offset)
            if first != offset:
                self.duplicates.append(Duplicate(self._path(), first, offset))

    def _value(self, offset: int) -> bool:
        """Note a value that begins here; whether a wanted path leads into it."""
        frame = self._frames[-1] if self._frames else None
        if frame is not None:
            frame.index += 1
            if not frame.live:
                return False
        path = self._path()
        if path in self._wanted:
            # Of a key that stands twice the last one counts, as for the decoder.
            self.places[path] = Place(offset, frame.key_offset if frame is not None and frame.is_object else None)
        return path in self._prefixes

    def _path(self) -> Pointer:
        return tuple(frame.key if frame.is_object else frame.index for frame in self._frames)


def open_brackets(text: str) -> list[tuple[str, int]]:
    """The brackets that are open at the end of a text, outermost first, with their offsets."""
    opened: list[tuple[str, int]] = []
    for match in TOKEN.finditer(text):
        mark = match["mark"]
        if mark in ("{", "["):
            opened.append((mark, match.start("mark")))
        elif mark in ("}", "]") and opened:
            opened.pop()
    return opened


def too_deep_at(text: str, limit: int) -> int:
    """The offset of the first bracket that lies deeper than `limit` levels; 0 if there is none."""
    depth = 0
    for match in TOKEN.finditer(text):
        mark = match["mark"]
        if mark in ("{", "["):
            depth += 1
            if depth > limit:
                return match.start("mark")
        elif mark in ("}", "]"):
            depth -= 1
    return 0
