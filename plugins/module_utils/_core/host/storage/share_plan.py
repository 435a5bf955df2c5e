# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NFS exports, Samba shares, shared folders: desired and current state -> files, folders, and refusals.

Only drop-in files are written. Foreign exports and shares stay, and the same thing said twice is
refused, because both servers would quietly join the two.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..declared_roles import TRACES

EXPORTS = TRACES["nfs"]
# The exports that exportfs read last.
TOLD = "/var/lib/phoenix_hypervisor/host/exports.told"
SMB = TRACES["samba"]
SMB_CONF = "/etc/samba/smb.conf"
INCLUDE = f"include = {SMB}"
# As the role puts it into smb.conf.
BLOCK = ("# BEGIN of what phoenix.hypervisor shares", INCLUDE, "# END of what phoenix.hypervisor shares")
HEAD = "Written by phoenix.hypervisor from hypervisor_config.json; the next run overwrites it."
_EXPORT = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s#"]\S*)\s*(.*)\Z')
_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True)
class Folder:
    """What was found at a path. ``kind``: '' when nothing is there, else folder, other, or link.

    ``link`` is one on the way which another user than root can have set, such as a guest in its mount.
    """

    kind: str = ""
    owner: int = 0
    group: int = 0
    mode: int = 0
    empty: bool = True
    link: str = ""


@dataclass
class Plan:
    """What is to be done. ``errors`` refuse the whole of it."""

    exports: str = ""
    smb: str = ""
    folders: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


# -- texts -----------------------------------------------------------------------------------------------------------


def quoted(path: str) -> str:
    """A path for exports(5): whatever is not plain as three octal digits, byte by byte."""
    return "".join(
        chr(byte) if re.match(r"[\w./+:@%=-]", chr(byte), re.ASCII) else f"\\{byte:03o}"
        for byte in path.encode("utf-8", "surrogateescape")
    )


def exports_text(exports: Sequence[Mapping[str, Any]]) -> str:
    """The drop-in file, '' for no exports."""
    lines = [
        " ".join([quoted(row["path"]), *(f"{client}({','.join(row['options'])})" for client in row["clients"])])
        for row in exports
    ]
    return "\n".join([f"# {HEAD}", *lines, ""]) if lines else ""


def smb_text(shares: Sequence[Mapping[str, Any]], workgroup: str) -> str:
    """The file that smb.conf includes, '' when there is nothing to say."""
    lines = ["[global]", f"\tworkgroup = {workgroup}"] if workgroup else []
    for share in shares:
        lines += [f"[{share['name']}]", f"\tpath = {share['path']}"]
        lines += [f"\t{key} = {value}" for key, value in sorted(share["options"].items())]
    return "\n".join([f"# {HEAD}", *lines, ""]) if lines else ""


def _unquoted(text: str) -> str:
    return _OCTAL.sub(lambda octal: bytes([int(octal[1], 8) & 255]), text.strip('"').encode()).decode(errors="replace")


def parse_exports(text: str) -> list[tuple[str, str]]:
    """(path, client) of each export of a file in exports(5)'s form; '*' is the client of a line without any."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        match = _EXPORT.match(line)
        if not match or line.lstrip().startswith("#"):
            continue
        path = _unquoted(match[1])
        clients = [word.partition("(")[0] or "*" for word in match[2].partition("#")[0].split() if word[0] != "-"]
        found += [(path.rstrip("/") or "/", client) for client in clients or ["*"]]
    return found


def export_rows(text: str) -> list[dict[str, Any]]:
    """Return the exports of a file that `exports_text` wrote: `path`, `clients`, `options`."""
    found = []
    for line in text.splitlines():
        match = _EXPORT.match(line)
        if not match or line.lstrip().startswith("#"):
            continue
        path = _unquoted(match[1])
        for word in match[2].split():
            client, _mark, options = word.partition("(")
            found.append({"path": path, "clients": [client], "options": options.rstrip(")").split(",")})
    return found


def smb_shape(text: str) -> dict[str, Any]:
    """Return the shares and the workgroup of a file that `smb_text` wrote."""
    shares: list[dict[str, Any]] = []
    workgroup = ""
    share: dict[str, Any] | None = None
    for line in text.splitlines():
        head = re.match(r"\[([^\]]+)\]\Z", line.strip())
        key, mark, value = (part.strip() for part in line.partition("="))
        if head:
            share = {"name": head[1], "path": "", "options": {}} if head[1] != "global" else None
            shares += [share] if share else []
        elif mark and not line.startswith("#"):
            if share is None:
                workgroup = value if key == "workgroup" else workgroup
            elif key == "path":
                share["path"] = value
            else:
                share["options"][key] = value
    return {"shares": shares, "workgroup": workgroup}


def sections(text: str) -> list[str]:
    """The names of smb.conf's sections."""
    return re.findall(r"^[ \t]*\[([^\]\n]+)\]", text, re.MULTILINE)


# -- comparison ------------------------------------------------------------------------------------------------------


def plan(
    desired: Mapping[str, Any],
    by_hand: Mapping[str, str],
    smb_conf: str,
    folders: Mapping[str, Folder],
    to_come: Sequence[str] = (),
) -> Plan:
    """The plan.

    desired: `exports`, `shares`, `volumes`, `workgroup` in one form. by_hand: the text of every other exports file by
    its path. smb_conf: its text. folders: what is at each path that is shared. to_come: folders that an earlier part of
    this dry run would make.
    """
    result = Plan(exports_text(desired["exports"]), smb_text(desired["shares"], desired["workgroup"]))
    _refuse_doubles(desired, by_hand, smb_conf, result)
    for volume in desired["volumes"]:
        _volume(volume, folders[volume["path"]], result)
    coming = {volume["path"].rstrip("/") for volume in desired["volumes"]} | {path.rstrip("/") for path in to_come}
    for what, row in [
        *(("NFS export", row) for row in desired["exports"]),
        *((f"Samba share {row['name']}", row) for row in desired["shares"]),
    ]:
        wrong = _wrong(what, row["path"], folders[row["path"]])
        if wrong:
            result.errors.append(wrong)
        elif not folders[row["path"]].kind and row["path"].rstrip("/") not in coming:
            result.errors.append(
                f"{what}: {row['path']} is not there. It is not created, because it could hide a "
                "dataset that is not mounted: make the folder, or describe it under zfs.datasets or shared_volumes"
            )
    return result


def _refuse_doubles(desired: Mapping[str, Any], by_hand: Mapping[str, str], smb_conf: str, result: Plan) -> None:
    taken = {export: file for file, text in by_hand.items() for export in parse_exports(text)}
    for row in desired["exports"]:
        for client in row["clients"]:
            file = taken.get((row["path"].rstrip("/") or "/", client))
            if file:
                result.errors.append(
                    f"NFS export {row['path']} to {client}: {file} has it already; remove one of the two"
                )
    names = {name.strip().lower() for name in sections(smb_conf)}
    for row in desired["shares"]:
        if row["name"].lower() in names:
            result.errors.append(
                f"Samba share {row['name']}: /etc/samba/smb.conf has a section of that name; remove one of the two"
            )


def _wrong(what: str, path: str, seen: Folder) -> str:
    """Why a path can't be used as a folder; '' where it can."""
    if seen.kind == "link":
        return (
            f"{what}: {path} leads through the link {seen.link}, which another user than root can have set, such as a "
            "guest; expected a folder. Remove the link, or name the folder that it leads to"
        )
    return f"{what}: {path} is no folder" if seen.kind == "other" else ""


def _volume(wanted: Mapping[str, Any], seen: Folder, result: Plan) -> None:
    """Plan a folder. One that is not empty keeps its owner and mode: nobody here knows whose content it is."""
    path, mode = wanted["path"], int(wanted["mode"], 8)
    wrong = _wrong(f"shared volume {wanted['name']}", path, seen)
    if wrong:
        result.errors.append(wrong)
        return
    row = {"path": path, "owner": str(wanted["owner"]), "group": str(wanted["group"]), "mode": f"{mode:04o}"}
    now = {"path": path, "owner": str(seen.owner), "group": str(seen.group), "mode": f"{seen.mode:04o}"}
    if seen.kind and not seen.empty and now != row:
        owner, folder = f"{wanted['owner']}:{wanted['group']}", shlex.quote(path)
        commands = (
            [f"chown -R {owner} {folder}"] if (now["owner"], now["group"]) != (row["owner"], row["group"]) else []
        )
        commands += [f"chmod {mode:04o} {folder}"] if now["mode"] != row["mode"] else []
        result.notes.append(
            f"shared volume {wanted['name']}: {path} is not empty and belongs to {seen.owner}:{seen.group} with mode "
            f"{seen.mode:04o}. The file says {owner} with mode {mode:04o}, but a folder with content keeps both. To "
            f"change them: {' && '.join(commands)}"
        )
        row = now
    result.folders.append(row)
