# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of NFS exports, Samba shares and shared volumes.

exportfs leaves out a whole file with one wrong word in it, and ends the exports that it had; smbd ignores what it
doesn't know. So both are judged here, before a node is reached.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Checks, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer, show
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import hostshape, hoststorage

CHECKS = check = Checks()

# exports(5) of nfs-utils 2.6 and 2.8. The second group has a value.
OPTIONS = frozenset({
    "ro", "rw", "sync", "async", "wdelay", "no_wdelay", "hide", "nohide", "crossmnt", "nocrossmnt", "secure",
    "insecure", "root_squash", "no_root_squash", "all_squash", "no_all_squash", "subtree_check",
    "no_subtree_check", "secure_locks", "insecure_locks", "auth_nlm", "no_auth_nlm", "acl", "no_acl", "pnfs",
    "no_pnfs", "security_label", "nordirplus", "mountpoint", "mp",
})  # fmt: skip  # laid out to be read
WITH_VALUE = frozenset(["mountpoint", "mp", "fsid", "refer", "replicas", "anonuid", "anongid", "sec", "xprtsec"])
# Options of mount(8) and nfs(5), which files in the field have beside them.
OF_CLIENTS = frozenset({
    "noatime", "nodiratime", "relatime", "hard", "soft", "intr", "vers", "nfsvers", "rsize", "wsize", "timeo",
    "retrans", "nofail", "noexec", "nosuid", "nodev", "_netdev", "bg",
})  # fmt: skip  # laid out to be read
# Sections of smb.conf with a meaning of their own.
RESERVED = ("global", "homes", "printers", "print$", "ipc$")
_CLIENT = re.compile(r"[A-Za-z0-9*?@.:/_\[\]-]+\Z")
_LINE_END = re.compile(r"[\x00-\x1f\x7f]|\\\Z")


def _finding(
    subject: Subject, path: Pointer, value: Any, expected: str, remedy: str, near: str | None = None
) -> Finding:
    got = show(path, value, subject.hypervisor_file in subject.hidden)
    return Finding(subject.hypervisor_file, path, got, expected, remedy, near)


def _part(subject: Subject, key: str) -> dict[str, Any]:
    value = subject.hypervisor.get(key)
    return value if isinstance(value, dict) else {}


def _rows(part: dict[str, Any], *keys: str) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """Objects of the lists under these keys that have a path, with their places."""
    for key in keys:
        rows = part.get(key)
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            if isinstance(row, dict) and isinstance(row.get("path"), str):
                yield (key, index), row


def _is_host_or_network(client: str) -> bool:
    """Whether what begins as an address does is one, or a network; exportfs would leave any other out."""
    if not re.match(r"[0-9]+\.[0-9.]+(?:/|\Z)|[0-9A-Fa-f]*:[0-9A-Fa-f:]*(?:/|\Z)", client):
        return True
    try:
        ipaddress.ip_network(client, strict=False)
    except ValueError:
        return False
    return True


@check
def known_export_options(subject: Subject) -> Iterator[Finding]:
    """Every option is one of exports(5), and every client can stand in that file."""
    for place, row in _rows(_part(subject, "nfs"), "exports", "shares"):
        for option in hostshape.texts(row.get("options")):
            name, equals, value = option.partition("=")
            if name in (WITH_VALUE if equals else OPTIONS) and (not equals or re.match(r"[\w@.:/+-]+\Z", value)):
                continue
            remedy, near = _instead(name)
            path = ("nfs", *place, "options")
            yield _finding(subject, path, option, "options of exports(5)", remedy, near)
        for client in hostshape.texts(row.get("clients")):
            if not _CLIENT.match(client) or not _is_host_or_network(client):
                path = ("nfs", *place, "clients")
                remedy = "Name a host, a network such as 10.0.0.0/24, or *; options go into the key options."
                yield _finding(subject, path, client, "a client of exports(5)", remedy)


def _instead(option: str) -> tuple[str, str | None]:
    """(what to do about an option that exports(5) has not, the one that it looks like)."""
    if option in OF_CLIENTS:
        return "Remove it: it is an option of mount, which the clients set.", None
    near = difflib.get_close_matches(option, OPTIONS | WITH_VALUE, 1)
    return f"Write {near[0]}, or remove it." if near and near[0] != option else "See exports(5).", next(
        iter(near), None
    )


@check
def one_export_for_a_client(subject: Subject) -> Iterator[Finding]:
    """No folder is exported twice to the same client: exportfs would take the last one, and complain."""
    seen: dict[tuple[str, str], Pointer] = {}
    for place, row in _rows(_part(subject, "nfs"), "exports", "shares"):
        folder = _folder(subject, row["path"])
        for client in hostshape.texts(row.get("clients")) or [""]:
            first = seen.setdefault((folder, client), place)
            if first != place:
                expected = f"one export of a folder for each client (nfs/{first[0]}/{first[1]} has it)"
                remedy = "Join the two, or remove one."
                yield _finding(subject, ("nfs", *place, "path"), row["path"], expected, remedy)


@check
def one_share_of_a_name(subject: Subject) -> Iterator[Finding]:
    """Names of shares are equal in any case; smb.conf reserves some."""
    seen: dict[str, Pointer] = {}
    for place, row in _rows(_part(subject, "samba"), "shares"):
        name = hostshape.share_name(row)
        path: Pointer = ("samba", *place, "name" if "name" in row else "path")
        first = seen.setdefault(name.lower(), place)
        if first != place:
            expected = f"a name of its own (samba/shares/{first[1]} has {name})"
            yield _finding(subject, path, name, expected, "Give one of the two another name.")
        elif name.lower() in RESERVED:
            yield _finding(subject, path, name, "a name that smb.conf has no meaning for", "Give it another name.")


@check
def one_line_for_each_parameter(subject: Subject) -> Iterator[Finding]:
    """What goes into smb.conf stays on its line."""
    for place, row in _rows(_part(subject, "samba"), "shares"):
        options = row.get("options")
        pairs = options.items() if isinstance(options, dict) else [("", options or "")]
        for key, value in pairs:
            if isinstance(value, str) and _LINE_END.search(value):
                path: Pointer = ("samba", *place, "options", *([key] if key else []))
                remedy = "Remove the line break or the backslash."
                yield _finding(subject, path, value, "text on one line that ends in no backslash", remedy)
        lost = hostshape.no_parameter(options) if isinstance(options, str) else ""
        if lost:
            remedy = 'Write each as parameter=value: "read only=yes, guest ok=no", or as an object.'
            yield _finding(subject, ("samba", *place, "options"), lost, "parameters of smb.conf with =", remedy)


@check
def datasets_of_the_file(subject: Subject) -> Iterator[Finding]:
    """A path that is a dataset's name is one of the file's datasets or pools, or a folder in one of its datasets, where
    the file has its pool.
    """
    known = {hoststorage.full_name(row) for row in _named(subject, "datasets")}
    pools = {str(row["name"]) for row in _named(subject, "pools")}
    for part, keys in (("nfs", ("exports", "shares")), ("samba", ("shares",))):
        for place, row in _rows(_part(subject, part), *keys):
            name = row["path"].rstrip("/")
            above = {name.rsplit("/", depth)[0] for depth in range(name.count("/"))}  # itself, and what it may lie in
            if name.startswith("/") or name in pools or above & known or name.partition("/")[0] not in pools:
                continue
            near = difflib.get_close_matches(name, known, 1)
            remedy = "Name a dataset of zfs.datasets, or write the folder with a slash before it."
            nearest = near[0] if near else None
            yield _finding(subject, (part, *place, "path"), row["path"], "a dataset of the file", remedy, nearest)


def _named(subject: Subject, key: str) -> list[dict[str, Any]]:
    rows = _part(subject, "zfs").get(key)
    return [row for row in rows if isinstance(row, dict) and "name" in row] if isinstance(rows, list) else []


def _folder(subject: Subject, path: str) -> str:
    """Where a path is on the node; the path itself where the file is too faulty to say."""
    try:
        return hoststorage.folder(subject.hypervisor, path)
    except (KeyError, TypeError, AttributeError, ValueError):
        return path
