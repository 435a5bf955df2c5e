# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users, groups, roles, ACLs and a token of PVE: current state -> the calls to the desired state.

What is not named is left alone: other users, further ACLs, a user's further groups when none are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..pve.apicalls import Calls, Kind, words

USER_TEXTS = ("comment", "email", "firstname", "lastname")
ACL_KINDS = ("user", "group", "token")


def plan(desired: Mapping[str, Any], actual: Mapping[str, Any]) -> Calls:
    """The calls for ``groups``, ``roles``, ``users``, ``token`` and ``acls``, in the order in which they need another.

    ``actual`` holds PVE's answers to GET /access/groups, roles, users?full=1 and acl under the same names.
    """
    result = Calls()
    _groups(desired.get("groups") or (), actual["groups"], result)
    _roles(desired.get("roles") or (), actual["roles"], result)
    _users(desired.get("users") or (), actual["users"], result)
    acls, token = actual["acls"], desired.get("token")
    if token:
        _token(token, actual["users"], result)
        if token.get("renew"):
            # What a token may do goes with it, and is not there any more when the new one has its name.
            acls = [row for row in acls if row["ugid"] != f"{token['userid']}!{token['tokenid']}"]
    _acls(desired.get("acls") or (), acls, result)
    return result


def path_part(name: str) -> str:
    """A name as one part of a URL's path."""
    return quote(str(name), safe="@!")


def _groups(desired: Sequence[Mapping[str, Any]], actual: Sequence[Mapping[str, Any]], result: Calls) -> None:
    there = {row["groupid"]: row for row in actual}
    for group in desired:
        name, comment = group["groupid"], group.get("comment")
        if name not in there:
            result.add("POST", "/access/groups", {"groupid": name, **({"comment": comment} if comment else {})})
        elif comment is not None and comment != (there[name].get("comment") or ""):
            result.add("PUT", f"/access/groups/{path_part(name)}", {"comment": comment})


def _roles(desired: Sequence[Mapping[str, Any]], actual: Sequence[Mapping[str, Any]], result: Calls) -> None:
    there = {row["roleid"]: row for row in actual}
    for role in desired:
        name, wanted = role["roleid"], words(role["privs"])
        if name not in there:
            result.add("POST", "/access/roles", {"roleid": name, "privs": ",".join(wanted)})
        elif words(there[name].get("privs")) != wanted:
            if int(there[name].get("special") or 0):
                result.notes.append(f"role {name} is built into PVE and can't be changed: give yours another name")
            else:
                result.add("PUT", f"/access/roles/{path_part(name)}", {"privs": ",".join(wanted), "append": False})


def _users(desired: Sequence[Mapping[str, Any]], actual: Sequence[Mapping[str, Any]], result: Calls) -> None:
    there = {row["userid"]: row for row in actual}
    for user in desired:
        name = user["userid"]
        if name not in there:
            params = {key: user[key] for key in (*USER_TEXTS, "enable", "password") if user.get(key) is not None}
            if user.get("groups"):
                params["groups"] = ",".join(words(user["groups"]))
            result.add("POST", "/access/users", {"userid": name, **params}, ("password",))
            continue
        row, changes = there[name], {}
        for key in USER_TEXTS:
            if user.get(key) is not None and user[key] != (row.get(key) or ""):
                changes[key] = user[key]
        if user.get("enable") is not None and bool(user["enable"]) != bool(int(row.get("enable", 1))):
            changes["enable"] = bool(user["enable"])
        if user.get("groups") is not None and words(user["groups"]) != words(row.get("groups")):
            changes.update(groups=",".join(words(user["groups"])), append=False)
        if changes:
            result.add("PUT", f"/access/users/{path_part(name)}", changes)


def _token(desired: Mapping[str, Any], users: Sequence[Mapping[str, Any]], result: Calls) -> None:
    """PVE shows a token's secret once, when it is made. Where the secret is kept and gone, only a new one helps."""
    userid, tokenid = desired["userid"], desired["tokenid"]
    path = f"/access/users/{path_part(userid)}/token/{path_part(tokenid)}"
    row = next((row for row in users if row["userid"] == userid), {})
    there = any(token.get("tokenid") == tokenid for token in row.get("tokens") or ())
    if there and desired.get("renew"):
        result.add("DELETE", path, {})
    elif there:
        if not desired.get("stored"):
            result.notes.append(
                f"token {userid}!{tokenid} is there, and its secret is not in {desired['file']}. PVE tells a secret "
                "once: renew the token (hypervisor_users_renew_token=true), which ends the old one"
            )
        return
    params = {"privsep": True, "comment": desired.get("comment") or "phoenix.hypervisor"}
    result.add("POST", path, params, kind=Kind.TOKEN)


def _acls(desired: Sequence[Mapping[str, Any]], actual: Sequence[Mapping[str, Any]], result: Calls) -> None:
    there = {(row["path"], row["type"], row["ugid"], row["roleid"]): int(row.get("propagate", 1)) for row in actual}
    for entry in desired:
        kind = next(kind for kind in ACL_KINDS if entry.get(kind))
        path = "/" + "/".join(part for part in entry["path"].split("/") if part)
        propagate = int(entry.get("propagate", True))
        if there.get((path, kind, entry[kind], entry["role"])) != propagate:
            params = {"path": path, "roles": entry["role"], f"{kind}s": entry[kind], "propagate": propagate}
            result.add("PUT", "/access/acl", params)
