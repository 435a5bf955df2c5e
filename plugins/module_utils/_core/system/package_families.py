# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Families of distributions, named as in ansible_facts['os_family']: how each lists and installs packages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import apt_packages, locales
from .apt_packages import Package

# One line of rpm for each package: its name, version, architecture and what it provides besides.
RPM_FORMAT = "%{NAME}|%{VERSION}-%{RELEASE}|%{ARCH}|[%{PROVIDENAME},]\\n"
_APK = re.compile(r"(?P<name>\S+?)-(?P<version>[0-9][^\s-]*(?:-r[0-9]+)?)\Z")

Options = Mapping[str, Any]


def rpm_installed(text: str) -> list[Package]:
    """Return the packages of an answer of rpm in the form RPM_FORMAT."""
    rows = (line.split("|", 3) for line in text.splitlines())
    return [
        Package(row[0], row[1], row[2], tuple(part for part in row[3].split(",") if part))
        for row in rows
        if len(row) == 4
    ]


def apk_installed(text: str) -> list[Package]:
    """Return the packages of an answer of `apk info -v`: a name, a version and a revision in a line."""
    found = (_APK.match(line.strip()) for line in text.splitlines())
    return [Package(match["name"], match["version"], "", ()) for match in found if match]


def apk_options(options: Options, lacking: Iterable[str], has_lists: bool) -> dict[str, Any]:
    """Return the options of community.general.apk; {} where nothing is to be done."""
    names = list(lacking)
    asked: dict[str, Any] = {"update_cache": True} if names or options["fetch_lists"] else {}
    return {**asked, "name": names, "state": "present"} if names else asked


def dnf_options(options: Options, lacking: Iterable[str], has_lists: bool) -> dict[str, Any]:
    """Return the options of ansible.builtin.dnf; {} where nothing is to be done: dnf refreshes lists itself."""
    names = [name.replace("=", "-", 1) for name in lacking]
    asked = {
        "name": names,
        "state": "present",
        "update_cache": options["refresh"],
        "lock_timeout": options["lock_timeout"],
        "install_weak_deps": options["install_recommends"],
        "allow_downgrade": options["allow_downgrade"],
    }
    return {key: value for key, value in asked.items() if value is not None} if names else {}


def zypper_options(options: Options, lacking: Iterable[str], has_lists: bool) -> dict[str, Any]:
    """Return the options of community.general.zypper; {} where nothing is to be done."""
    asked: dict[str, Any] = {"name": list(lacking), "state": "present", "update_cache": options["refresh"]}
    if options["install_recommends"] is not None:
        asked["disable_recommends"] = not options["install_recommends"]
    return asked if asked["name"] else {}


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        tools: the programs by which a machine of it is known.
        query: the command that lists the installed packages.
        installed: reads its answer.
        module: installs packages.
        options: the options of that module, from those of ours, the missing packages, and whether there are any lists.
    """

    tools: tuple[str, ...]
    query: tuple[str, ...]
    installed: Callable[[str], list[Package]]
    module: str
    options: Callable[[Options, Iterable[str], bool], dict[str, Any]]


_RPM = ("rpm", "--query", "--all", f"--queryformat={RPM_FORMAT}")
#: In the order in which they are looked for: rpm and dpkg can be installed on the others too.
FAMILIES: Mapping[str, Family] = {
    "Debian": Family(
        ("dpkg-query", "apt-get"),
        ("dpkg-query", "--show", f"--showformat={apt_packages.FORMAT}"),
        apt_packages.installed,
        "ansible.builtin.apt",
        apt_packages.apt_options,
    ),
    "Alpine": Family(("apk",), ("apk", "info", "-v"), apk_installed, "community.general.apk", apk_options),
    "Suse": Family(("rpm", "zypper"), _RPM, rpm_installed, "community.general.zypper", zypper_options),
    "RedHat": Family(("rpm", "dnf"), _RPM, rpm_installed, "ansible.builtin.dnf", dnf_options),
}
DEFAULT = "Debian"
OPTIONS: dict[str, Any] = {
    **apt_packages.OPTIONS,
    "families": {"type": "list", "elements": "str", "choices": list(FAMILIES), "default": [DEFAULT]},
    "names": {"type": "dict", "default": {}, "options": {name: {"type": "dict", "default": {}} for name in FAMILIES}},
    "refuse": {
        "type": "dict",
        "default": {},
        "options": {name: {"type": "list", "elements": "str", "default": []} for name in FAMILIES},
    },
    "apt_config": {"type": "dict", "default": {}},
    **locales.OPTIONS,
}


def found(has_tool: Callable[[str], bool]) -> str:
    """Return the family of a machine by the programs that it has, '' for an unknown one."""
    return next((name for name, family in FAMILIES.items() if all(map(has_tool, family.tools))), "")


def refusal(family: str, wanted: Iterable[str]) -> str:
    """Return why a machine of a family is refused, '' when it is one of those wanted."""
    names = {"Debian": "Debian or Ubuntu", "Suse": "openSUSE", "RedHat": "Rocky and its relatives"}
    if family in wanted:
        return ""
    got = names.get(family, family) or "none of " + ", ".join(tool for row in FAMILIES.values() for tool in row.tools)
    expected = " or ".join(names.get(name, name) for name in wanted)
    return (
        f"This machine is of another family: got {got}, expected {expected}."
        " Nothing has been changed. Use a template or a host of these."
    )


def translated(names: Iterable[str], others: Mapping[str, Iterable[str]]) -> list[str]:
    """Return names of packages, each replaced by those that a family has for it, if it names any; each name once."""
    return list(dict.fromkeys(one for name in names for one in others.get(name, (name,))))


def wanted(options: Options, family: str) -> list[str]:
    """Return the packages that a machine of a family is to have, by the family's own names."""
    return translated(options["name"], (options["names"] or {}).get(family) or {})


def language_packages(locales: Iterable[str], prefix: str) -> list[str]:
    """Return the packages of the languages of locales such as de_AT.UTF-8; C and POSIX need none."""
    languages = (re.split(r"[._@]", locale)[0] for locale in locales)
    return list(dict.fromkeys(prefix + language for language in languages if language not in ("", "C", "POSIX")))
