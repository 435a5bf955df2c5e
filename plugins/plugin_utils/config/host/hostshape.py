# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`hypervisor_config.json` in one form: both dialects of the field become what the roles for a node read.

Given a document that its schema has accepted; the keys are described there. Every part is computed from the file alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.declared_roles import TRACES
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import share_plan
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import sudoers
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import (
    hostinterfaces,
    hostrules,
    hoststorage,
    model_keys,
)

PVE_URI = "http://download.proxmox.com/debian"
ENTERPRISE_URI = "https://enterprise.proxmox.com/debian"
# Names of Proxmox's own repositories -> (file, address, components, the file with one-line entries of PVE 8). PVE 9 has
# the same files with deb822 entries.
KNOWN = {
    "pve-no-subscription": ("proxmox", f"{PVE_URI}/pve", "pve-no-subscription", "pve-no-subscription.list"),
    "pve-enterprise": ("pve-enterprise", f"{ENTERPRISE_URI}/pve", "pve-enterprise", "pve-enterprise.list"),
    "ceph-no-subscription": ("ceph", f"{PVE_URI}/ceph-{{ceph}}", "no-subscription", "ceph.list"),
    "ceph-enterprise": ("ceph", f"{ENTERPRISE_URI}/ceph-{{ceph}}", "enterprise", "ceph.list"),
}
CEPH_RELEASE = "squid"
# Where the key of a repository is kept that the file brings, and the options of phoenix_apt_key that it gives.
KEYRING = "/etc/apt/keyrings/phoenix-{name}.gpg"
KEY_OPTIONS = ("key_url", "key", "key_fingerprints")
_ONE_LINE = re.compile(r"(?P<type>deb(?:-src)?)\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<rest>\S.*)\Z")
_MASK = {True: "yes", False: "no"}


def host_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """All parts in one form: `repositories`, `users`, `pve`, `zfs`, `storages`, `nfs`, `samba`, `shared_volumes`, …"""
    return {
        "repositories": repositories(config.get("repositories", ())),
        "users": [account(item) for item in as_list(config.get("users"))],
        "password_hashes": password_hashes(as_list(config.get("users"))),
        "sudoers": sudoers.files(account(item) for item in as_list(config.get("users"))),
        "sudoers_revoked": sudoers.revoked(account(item) for item in as_list(config.get("users"))),
        "pve": pve(config.get("pve", {})),
        "pools": hoststorage.pools(config),
        "datasets": hoststorage.datasets(config),
        "folders": sorted({*hoststorage.folders(config)}),
        "storages": hoststorage.storages(config),
        "storage_secrets": hoststorage.storage_secrets(config),
        "interfaces": hostinterfaces.interfaces(config.get("network", {})),
        "name_servers": hostinterfaces.name_servers(config.get("network", {})),
        "model_store": model_keys.shape(config),
        "firewall": hostrules.firewall(config),
        "arc_max": hoststorage.arc_max(config.get("zfs", {})),
        "exports": [export(item, config) for item in nfs_exports(config.get("nfs", {}))],
        "shares": [share(item, config) for item in config.get("samba", {}).get("shares", ())],
        "exports_record": share_plan.TOLD,
        "samba_passwords": samba_passwords(config.get("samba", {})),
        "traces": dict(TRACES),
        "trail_files": trail_files(config),
        "shared_volumes": [volume(name, item) for name, item in config.get("shared_volumes", {}).items()],
    }


def sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of the file that are undone when they leave it, those that it has; `sysctl` below `values`."""
    shape: dict[str, Any] = {}
    if "network" in config:
        shape["network"] = {"interfaces": hostinterfaces.interfaces(config["network"])}
    if "firewall" in config:
        shape["firewall"] = hostrules.firewall(config)
    if "nfs" in config:
        shape["nfs"] = {"exports": [export(item, config) for item in nfs_exports(config["nfs"])]}
    if "samba" in config:
        given = config["samba"]
        shares = [share(item, config) for item in given.get("shares", ())]
        shape["samba"] = {"shares": shares, "workgroup": given.get("workgroup", "")}
    if "ntp" in config:
        shape["ntp"] = {"servers": list(config["ntp"].get("servers", ()))}
    if "sysctl" in config:
        shape["sysctl"] = {"values": dict(config["sysctl"])}
    return shape


def as_list(value: Any) -> list[Any]:
    """A list, one item as it is, or nothing."""
    return [] if value is None else value if isinstance(value, list) else [value]


def texts(value: Any) -> list[str]:
    """A list of texts: as it is, or text with commas; nothing of what is neither."""
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    return [str(item).strip() for item in items if str(item).strip()]


# Days for which the audit trail is kept.
KEPT_DAYS = 90
# The trail has a file a day, so rotation is by name: logrotate only keeps a single day's file within bounds (its maxage
# never looks at files whose day is over), and systemd-tmpfiles removes what is too old.
_ROTATION = """\
# Written by phoenix.hypervisor
/var/log/phoenix_hypervisor/*.log {
    size 50M
    rotate 9
    compress
    missingok
    nocreate
}
"""
_REMOVAL = """\
# Written by phoenix.hypervisor; by the time of the last change alone, so that reading keeps nothing
e /var/log/phoenix_hypervisor - - - m:{days}d
"""


def trail_files(config: Mapping[str, Any]) -> list[dict[str, str]]:
    """The files that keep the audit trail within bounds, for phoenix_files."""
    days = config.get("log_keep_days", KEPT_DAYS)
    return [
        {"path": "/etc/logrotate.d/phoenix_hypervisor", "content": _ROTATION},
        {"path": "/etc/tmpfiles.d/phoenix_hypervisor.conf", "content": _REMOVAL.format(days=days)},
    ]


# -- base ------------------------------------------------------------------------------------------------------------


def repository(item: str | Mapping[str, Any]) -> dict[str, Any]:
    """A repository for deb822: `file` without its ending, `replaces` the one-line files that would say the same."""
    given = one_line(item) if isinstance(item, str) else dict(item)
    known = KNOWN.get(given["name"])
    file, uri, components, old = known or (given["name"], None, None, f"{given['name']}.list")
    has_key = "key_url" in given or "key" in given
    if uri:
        uri = uri.format(ceph=given.get("ceph_release", CEPH_RELEASE))
    return {
        "name": given["name"],
        "file": file,
        "known": bool(known),
        "types": given.get("types", ["deb"]),
        "uri": given.get("uri", uri),
        "suites": given.get("suites", []),
        "components": given.get("components", [components] if components else []),
        "architectures": given.get("architectures", []),
        "signed_by": KEYRING.format(name=given["name"]) if has_key else given.get("signed_by", ""),
        "key": {key: given[key] for key in KEY_OPTIONS if key in given} if has_key else {},
        "enabled": given.get("enabled", True),
        "replaces": old,
    }


def repositories(items: Iterable[str | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All repositories, each in a file of its own.

    Both of Ceph's go to the one file that a node comes with, so that either replaces the other; named together, the one
    without a subscription must give way.
    """
    found = [repository(item) for item in items]
    names = {row["name"] for row in found}
    for row in found:
        if row["name"] == "ceph-no-subscription" and "ceph-enterprise" in names:
            row["file"] = row["name"]
    return found


def _pattern(uri: str) -> re.Pattern[str]:
    """A known address, whatever release of Ceph it names."""
    return re.compile(re.escape(uri).replace(r"\{ceph\}", "[a-z]+") + r"/?\Z")


def one_line(text: str) -> dict[str, Any]:
    """A line of sources.list. Its name is the known one of a repository of Proxmox, else made of its address."""
    match = _ONE_LINE.match(text.strip())
    if match is None:
        return {"name": "unreadable", "uri": text}
    options = dict(part.partition("=")[::2] for part in (match["options"] or "").split())
    suite, *components = match["rest"].split()
    found = next(
        (
            name
            for name, (_file, uri, component, _old) in KNOWN.items()
            if component in components
            and re.match(re.escape(uri).replace(r"\{ceph\}", r"[a-z]+") + r"/?\Z", match["uri"])
        ),
        None,
    )
    slug = re.sub(r"[^a-z0-9]+", "-", f"{match['uri'].partition('://')[2]}-{suite}".lower()).strip("-")
    return {
        "name": found or slug,
        "types": [match["type"]],
        "uri": match["uri"],
        "suites": [suite],
        "components": components,
        "architectures": texts(options.get("arch")),
        "signed_by": options.get("signed-by", ""),
    }


# -- users -----------------------------------------------------------------------------------------------------------


def account(item: Mapping[str, Any]) -> dict[str, Any]:
    """An account without its hash, so that a loop over accounts shows none; `keys` are all public keys."""
    return {
        "username": item["username"],
        "has_password": bool(password_hashes([item])),
        "keys": [key for key in [item.get("ssh_public_key", ""), *item.get("ssh_public_keys", ())] if key],
        "exclusive_keys": item.get("exclusive_keys", False),
        "shell": item.get("shell", "/bin/bash"),
        "groups": item.get("groups", []),
        "sudo": item.get("sudo_access"),
        "sudo_nopasswd": item.get("sudo_nopasswd", False),
    }


def password_hashes(items: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The hash of each account for which the file has one."""
    found = {item["username"]: item.get("password_hash", "NOT_SET") for item in items}
    return {name: text for name, text in found.items() if text != "NOT_SET"}


# Least privilege for this collection, in the order of a real node's refusals: containers, their storages, their bridge.
TOKEN_ROLES = (
    ("/vms", "PVEVMAdmin"),
    ("/storage", "PVEDatastoreUser"),
    ("/sdn/zones/localnetwork", "PVESDNUser"),
)


def pve(item: Mapping[str, Any]) -> dict[str, Any]:
    """PVE's users and so on; `api_token` brings its user and what both may do."""
    users = [{key: value for key, value in user.items() if key != "password"} for user in item.get("users", ())]
    result: dict[str, Any] = {
        "groups": list(item.get("groups", ())),
        "roles": list(item.get("roles", ())),
        "users": users,
        "acls": list(item.get("acls", ())),
        "passwords": {user["userid"]: user["password"] for user in item.get("users", ()) if user.get("password")},
        "token": {},
    }
    token = item.get("api_token")
    if token:
        userid, tokenid = token["userid"], token["tokenid"]
        if userid not in [user["userid"] for user in users]:
            users.append({"userid": userid, "comment": "phoenix.hypervisor"})
        for path, role in TOKEN_ROLES:
            result["acls"] += [
                {"path": path, "role": role, "user": userid},
                {"path": path, "role": role, "token": f"{userid}!{tokenid}"},
            ]
        result["token"] = {
            "userid": userid,
            "tokenid": tokenid,
            "file": token.get("file", "/root/.phoenix_hypervisor/api_token"),
        }
    return result


# -- shares ----------------------------------------------------------------------------------------------------------


def nfs_exports(nfs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The exports under both of their names."""
    return [*nfs.get("exports", ()), *nfs.get("shares", ())]


def export(item: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """An NFS export with the options that exports(5) would otherwise choose by itself."""
    options = texts(item.get("options"))
    if not {"subtree_check", "no_subtree_check"} & set(options):
        options.append("no_subtree_check")
    clients = texts(item.get("clients")) or [config.get("network", {}).get("default_subnet", "*")]
    return {"path": hoststorage.folder(config, item["path"]), "clients": clients, "options": options}


# Parameters of a share that are several words, for the dialect that puts all on one line with blanks between.
_WORDS = (
    "admin users|aio read size|aio write size|case sensitive|create mask|create mode|csc policy|default case|"
    "delete readonly|directory mask|directory mode|dos filemode|ea support|follow symlinks|force create mode|"
    "force directory mode|force group|force user|guest account|guest ok|guest only|hide dot files|hide files|"
    "hide unreadable|hosts allow|hosts deny|inherit acls|inherit owner|inherit permissions|invalid users|"
    "kernel oplocks|level2 oplocks|map archive|map hidden|map readonly|map system|max connections|"
    "min print space|preserve case|read list|read only|short preserve case|store dos attributes|strict allocate|"
    "strict locking|strict sync|sync always|use sendfile|valid users|veto files|vfs objects|wide links|write list|"
    "write ok"
)
_KEY = re.compile(rf"(?:^|[,;\s])\s*({_WORDS}|[^\s,;=]+)\s*=", re.IGNORECASE)


def parameters(text: str) -> dict[str, str]:
    """Parameters of smb.conf on one line, with commas, semicolons or blanks between them."""
    found = list(_KEY.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    return {
        match[1].lower().replace("_", " "): text[match.end() : end].strip(" ,;")
        for match, end in zip(found, ends, strict=False)  # no end without a beginning
    }


def no_parameter(text: str) -> str:
    """What stands before the first parameter of such a line, and belongs to none."""
    first = _KEY.search(text)
    return text[: first.start()].strip(" ,;") if first else text.strip()


# Keys of a share that are parameters of smb.conf.
SHARE_KEYS = {"browsable": "browseable", "guest_ok": "guest ok", "read_only": "read only"}


def share(item: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """A Samba share with its parameters in smb.conf's words, sorted."""
    samba = config["samba"]
    options: dict[str, str] = {}
    given = item.get("options")
    if isinstance(given, Mapping):
        options = {key.replace("_", " "): _parameter(value) for key, value in given.items()}
    elif given:
        options = parameters(given)
    for key, parameter in SHARE_KEYS.items():
        if key in item:
            options[parameter] = _parameter(item[key])
    users = item.get("valid_users") or ([samba["user"]] if samba.get("user") and "valid users" not in options else [])
    if users:
        options["valid users"] = " ".join(users)
    return {
        "name": share_name(item),
        "path": hoststorage.folder(config, item["path"]),
        "options": dict(sorted(options.items())),
    }


def share_name(item: Mapping[str, Any]) -> str:
    """The name of a share: its own, or the last part of its path."""
    return str(item.get("name") or item["path"].rstrip("/").rpartition("/")[2])


def _parameter(value: Any) -> str:
    return _MASK[value] if isinstance(value, bool) else str(value)


def samba_passwords(samba: Mapping[str, Any]) -> dict[str, Any]:
    """The accounts with a Samba password to it, which is '' when the file has none."""
    users = {user["name"]: user.get("password", "") for user in samba.get("users", ())}
    if samba.get("user"):
        users.setdefault(samba["user"], "")
    return users


# The first host ID of unprivileged containers, as PVE gives it (lxc.idmap u 0 100000 65536).
FIRST_ID = 100000


def volume(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """A folder that containers share: its owner as the host has it."""
    first = FIRST_ID if item.get("unprivileged", True) else 0
    return {
        "name": name,
        "path": item["host_path"],
        "owner": first + item.get("owner_uid", 0),
        "group": first + item.get("owner_gid", item.get("owner_uid", 0)),
        "mode": item.get("mode", "0775"),
    }
