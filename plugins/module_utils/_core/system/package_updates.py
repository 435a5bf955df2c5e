# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Updates of packages as the package managers of Linux distributions list them: which, from which version to which."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

MOST = 2000
"""Packages of one list that are read; a guest may print any number."""


class Update(NamedTuple):
    """A package with its version before, empty for a new one, and after, empty for an unknown one."""

    name: str
    old: str
    new: str

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.name} {self.old or '(new)'} -> {self.new or '(not known)'}"


class Listed(NamedTuple):
    """What a machine answered. ``packages`` is None where nobody can say which there are."""

    family: str
    packages: tuple[Update, ...] | None
    kept: tuple[str, ...] = ()


_WORD = r"[A-Za-z0-9][A-Za-z0-9+._:~^-]{0,127}"
_APT = re.compile(rf"^Inst ({_WORD})(?: \[({_WORD})\])? \(({_WORD})[ )]", re.MULTILINE)
_APK = re.compile(
    rf"^\(\d+/\d+\) (?:Upgrading|Installing|Replacing) ({_WORD}) \((?:({_WORD}) -> )?({_WORD})\)", re.MULTILINE
)
_DNF = re.compile(rf"^({_WORD})\.(?:\w+) +({_WORD}) +\S+ *$", re.MULTILINE)
_RPM = re.compile(rf"^({_WORD})\|({_WORD})$", re.MULTILINE)
_ZYPPER = re.compile(rf"^v *\|[^|\n]*\| *({_WORD}) *\| *({_WORD}) *\| *({_WORD}) *\|", re.MULTILINE)
_KEPT = re.compile(r"kept back:\n((?:  .*\n)+)")


def apt(text: str) -> tuple[Update, ...]:
    """Of ``apt-get -s upgrade`` in LC_ALL=C."""
    return _few(Update(name, old, new) for name, old, new in _APT.findall(text))


def apt_kept(text: str) -> tuple[str, ...]:
    """What apt holds back, of the same text."""
    found = _KEPT.search(text)
    return tuple(re.findall(_WORD, found.group(1))[:MOST]) if found else ()


def apk(text: str) -> tuple[Update, ...]:
    """Of ``apk upgrade --simulate``."""
    return _few(Update(name, old, new) for name, old, new in _APK.findall(text))


def dnf(text: str) -> tuple[Update, ...]:
    """Of ``rpm -qa`` as name|version, then ``dnf check-update``."""
    known = dict(_RPM.findall(text))
    return _few(Update(name, known.get(name, ""), new) for name, new in _DNF.findall(text))


def zypper(text: str) -> tuple[Update, ...]:
    """Of ``zypper list-updates``."""
    return _few(Update(name, old, new) for name, old, new in _ZYPPER.findall(text))


def _few(found: Iterable[Update]) -> tuple[Update, ...]:
    return tuple(sorted({one for one, _number in zip(found, range(MOST))}))


READERS: Mapping[str, Callable[[str], tuple[Update, ...]]] = {"apt": apt, "apk": apk, "dnf": dnf, "zypper": zypper}


def listed(text: str) -> Listed:
    """The answer of the script that looks: the family on the first line, then what its program printed."""
    family, _line, rest = text.partition("\n")
    read = READERS.get(family.strip())
    if read is None:
        return Listed("", None)
    return Listed(family.strip(), read(rest), apt_kept(rest) if read is apt else ())
