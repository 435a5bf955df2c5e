# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages, files, accounts and services of a node, compared with what a role would make of them. Reads only.

Most of them are set by modules of Ansible. A state counts as right here only where such a module would certainly leave
it alone; whatever is in doubt counts as a difference, and the role decides.
"""

from __future__ import annotations

import functools
import grp
import os
import pwd
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable

from ..._core.system import accounts, apt_packages, apt_sources_text, package_families
from . import root_files

ZONES = "/usr/share/zoneinfo"
LOCALTIME = "/etc/localtime"
RELEASE = "/etc/os-release"
MODE = "0644"
_CODENAME = re.compile(r'^VERSION_CODENAME="?([\w.-]+)"?$', re.MULTILINE)
_UNIT = {"ActiveState": "active", "UnitFileState": "enabled"}

Run = Callable[[list[str]], str]
Wanted = Mapping[str, Any]


class Look:
    """One look at a node. ``run`` returns what a command prints, and raises an error where it fails."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def differences(self, wanted: Wanted) -> list[str]:
        """Return what differs from the state that a role makes, in words. Raises OSError and what ``run`` raises.

        wanted: `packages`, `files` and `absent` as phoenix_packages and phoenix_files have them; `owned`, files of root
        with their modes; `sources`, the rows and keyrings of the repositories; `timezone`; `services`, units that run
        and are enabled; `blocks`, lines that stand in a file between their markers; `accounts`, as `host_config` gives
        them.
        """
        known: dict[str, Callable[[Any], Iterable[str]]] = {
            "packages": self._packages,
            "files": _files,
            "absent": _absent,
            "owned": _owned,
            "sources": _sources,
            "timezone": _timezone,
            "services": self._services,
            "blocks": _blocks,
            "accounts": _accounts,
        }
        return [text for kind, value in wanted.items() if value for text in known[kind](value)]

    @functools.cached_property
    def _installed(self) -> list[apt_packages.Package]:
        family = package_families.FAMILIES[package_families.DEFAULT]
        return family.installed(self._run(list(family.query)))

    def _packages(self, names: list[str]) -> Iterator[str]:
        for name in apt_packages.missing(names, self._installed):
            yield f"the package {name} is missing"

    def _services(self, units: list[str]) -> Iterator[str]:
        answer = self._run(["systemctl", "show", f"--property={','.join(_UNIT)}", *units])
        found = [dict(line.partition("=")[::2] for line in part.splitlines()) for part in answer.strip().split("\n\n")]
        for unit, state in zip(units, [*found, *({} for _unit in units)]):
            if any(state.get(key) != value for key, value in _UNIT.items()):
                yield f"{unit} is not running and enabled"


def _files(rows: Iterable[Wanted]) -> Iterator[str]:
    for row in rows:
        found = root_files.read(row["path"])
        if found.content != row["content"] or not found.is_of_root(int(row.get("mode", MODE), 8)):
            yield f"{row['path']} differs"


def _absent(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if os.path.lexists(path):
            yield f"{path} exists"


def _owned(rows: Iterable[Wanted]) -> Iterator[str]:
    for row in rows:
        if not root_files.read(row["path"]).is_of_root(int(row.get("mode", MODE), 8)):
            yield f"{row['path']} is not a file of root with mode {row.get('mode', MODE)}"


def _sources(given: Wanted) -> Iterator[str]:
    found = _CODENAME.search(root_files.read(RELEASE).content or "")
    release = found[1] if found else ""
    rows, keyring = given["rows"], given["keyring"]
    present = [keyring] if os.path.isfile(keyring) else []
    yield from _files(apt_sources_text.files(rows, release, present, keyring, given["old_keyring"].format(release)))
    yield from _absent(sorted({os.path.join(apt_sources_text.FOLDER, row["replaces"]) for row in rows}))


def _timezone(name: str) -> Iterator[str]:
    zone = os.path.join(ZONES, name)
    try:
        target = os.path.normpath(os.path.join(os.path.dirname(LOCALTIME), os.readlink(LOCALTIME)))
    except OSError:
        target = ""
    if target != zone or not os.path.isfile(zone):
        yield f"the time zone is not {name}"


def _blocks(rows: Iterable[Wanted]) -> Iterator[str]:
    for row in rows:
        begin, *_inside, end = block = list(row["lines"])
        found = (root_files.read(row["path"]).content or "").splitlines()
        once = found.count(begin) == found.count(end) == 1
        start = found.index(begin) if once else 0
        if not once or found[start : start + len(block)] != block:
            yield f'{row["path"]} lacks the block "{begin}"'


def _accounts(rows: list[Wanted]) -> Iterator[str]:
    groups = {one.gr_name: ["x", str(one.gr_gid), ",".join(one.gr_mem)] for one in grp.getgrall()}
    found: dict[str, pwd.struct_passwd] = {}
    for row in rows:
        try:
            found[row["username"]] = pwd.getpwnam(row["username"])
        except KeyError:
            yield f"there is no account {row['username']}"
    plan = accounts.plan(rows, found, groups)
    yield from (f"there is no group {name}" for name in plan["groups"])
    yield from (f"{name} is to leave the group {accounts.SUDO}" for name in plan["leave"])
    yield from plan["powerless"]
    for row in plan["accounts"]:
        known = found.get(row["username"])
        if known is not None and not _is_settled(row, known, groups):
            yield f"the account {row['username']} differs"
    for row in plan["keys"]:
        known = found.get(row["username"])
        if known is not None and not _has_keys(row, known):
            yield f"the SSH keys of {row['username']} differ"


def _is_settled(row: Wanted, known: pwd.struct_passwd, groups: Mapping[str, list[str]]) -> bool:
    mine = {
        name
        for name, (_password, number, members) in groups.items()
        if row["username"] in members.split(",") or int(number) == known.pw_gid
    }
    return known.pw_shell == row["shell"] and mine >= set(row["all_groups"]) and os.path.exists(known.pw_dir)


def _has_keys(row: Wanted, known: pwd.struct_passwd) -> bool:
    """Return whether each key is a line of the account's file, and where they are exclusive, each line a key."""
    wanted = {line.strip() for key in row["keys"] for line in key.splitlines() if line.strip()}
    lines = _lines(os.path.join(known.pw_dir, ".ssh", "authorized_keys"))
    keys = {line for line in lines if line and not line.startswith("#")}
    return wanted <= keys and (not row["exclusive_keys"] or keys <= wanted)


def _lines(path: str) -> list[str]:
    """Return the lines of a file that another user owns: no link is followed, and nothing is waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    with os.fdopen(handle, encoding="utf-8", errors="surrogateescape") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > root_files.MOST_BYTES:
            return []
        return [line.strip() for line in file.read(root_files.MOST_BYTES).splitlines()]
