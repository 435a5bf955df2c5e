# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages of Debian and Ubuntu: what is missing of those wanted, what apt is asked, what it could install."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

# One line of dpkg-query for each package: its state, name, version, architecture and what it provides besides.
FORMAT = "${db:Status-Abbrev}|${Package}|${Version}|${Architecture}|${Provides}\\n"
# The options of the module that asks them.
OPTIONS: dict[str, Any] = {
    "name": {"type": "list", "elements": "str", "default": []},
    "fetch_lists": {"type": "bool", "default": False},
    "refresh": {"type": "bool", "default": False},
    "cache_valid_time": {"type": "int", "default": 3600},
    "lock_timeout": {"type": "int", "default": 300},
    "retries": {"type": "int", "default": 3},
    "delay": {"type": "int", "default": 5},
    "install_recommends": {"type": "bool"},
    "allow_downgrade": {"type": "bool", "default": False},
    "look_for": {"type": "list", "elements": "str", "default": []},
}
_INSTALLED = re.compile(r"[ih]i ")
_WANTED = re.compile(r"(?P<name>[^=<>:~!]+)(?::(?P<arch>[\w-]+))?(?P<operator>[=<>~!]+)?(?P<version>.*)\Z")
_GLOB = re.compile(r"[*?\[]")
_CANDIDATE = re.compile(r"^(\S+):\n(?:  .*\n)*?  Candidate: (?:\d+:)?(\S+)$", re.MULTILINE)


class Package(NamedTuple):
    """One installed package."""

    name: str
    version: str
    architecture: str
    provides: tuple[str, ...]


def installed(text: str) -> list[Package]:
    """Return the packages of an answer of dpkg-query in the form FORMAT that are installed, held ones too."""
    found = []
    for line in text.splitlines():
        state, separator, rest = line.partition("|")
        fields = rest.split("|", 3)
        if separator and _INSTALLED.match(state) and len(fields) == 4:
            provides = tuple(part.split()[0] for part in fields[3].split(",") if part.strip())
            found.append(Package(fields[0], fields[1], fields[2], provides))
    return found


def missing(wanted: Iterable[str], packages: Iterable[Package]) -> list[str]:
    """Return the specifications that are not met, in their order.

    A specification is `name`, `name:architecture` or either with `=version`, in which `*` stands for any text. What
    only apt can decide, such as a name with a pattern, counts as not met.
    """
    known = list(packages)
    return [one for one in dict.fromkeys(wanted) if not any(_meets(one, package) for package in known)]


def _meets(wanted: str, package: Package) -> bool:
    match = _WANTED.match(wanted.strip())
    if match is None or match["operator"] not in (None, "=") or _GLOB.search(match["name"]):
        return False
    if match["arch"] not in (None, "any", "native", package.architecture):
        return False
    if match["version"]:
        return match["name"] == package.name and fnmatch.fnmatchcase(package.version, match["version"])
    return match["name"] == package.name or match["name"] in package.provides


def apt_options(options: Mapping[str, Any], lacking: Iterable[str], has_lists: bool) -> dict[str, Any]:
    """Return the options of ansible.builtin.apt; {} where nothing is to be done.

    has_lists: whether apt has any package list. A small template comes without one, and the recent date of the folder
    would pass it off as fresh.
    """
    names = list(lacking)
    if not names and not options["fetch_lists"]:
        return {}
    fresh = has_lists and not options["refresh"]
    asked = {
        "update_cache": True,
        "cache_valid_time": options["cache_valid_time"] if fresh else 0,
        "lock_timeout": options["lock_timeout"],
    }
    if names:
        asked.update(
            name=names,
            state="present",
            install_recommends=options["install_recommends"],
            allow_downgrade=options["allow_downgrade"],
        )
    return {key: value for key, value in asked.items() if value is not None}


def candidates(text: str) -> dict[str, str]:
    """Return package to version, without epoch, of what apt could install, from `apt-cache policy` in LC_ALL=C."""
    return {name: version for name, version in _CANDIDATE.findall(text) if version != "(none)"}


def available(text: str, names: Iterable[str], least: str = "") -> list[str]:
    """Return those of `names` that apt could install, in this order; with `least`, from this version on.

    text: the answer of `apt-cache policy`, in LC_ALL=C. Only the numbers at the beginning of a version are compared.
    """
    found = candidates(text)
    return [name for name in names if name in found and _numbers(found[name]) >= _numbers(least)]


def _numbers(version: str) -> list[int]:
    leading = re.match(r"\d+(?:\.\d+)*", version)
    return [int(part) for part in leading[0].split(".")] if leading else []


def of_versions(text: str, names: str, versions: Iterable[str]) -> list[str]:
    """Return the packages whose name matches the pattern `names` and whose version is one of `versions` and a revision.

    text: lines of a package's name and its version.
    """
    rows = [line.split() for line in text.splitlines()]
    wanted, pattern = tuple(f"{version}-" for version in versions), re.compile(names)
    return [row[0] for row in rows if len(row) == 2 and pattern.match(row[0]) and row[1].startswith(wanted)]


def of_version(names: Iterable[str], version: str) -> list[str]:
    """Return specifications of packages that have a version, of any revision."""
    return [f"{name}={version}-*" for name in names]
