# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to look whether a role for a node has anything to do: the state that it makes, and its modules in a dry run.

All else a role decides by itself: what another key of the file asks for, a variable of its own, a state in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.declared_roles import HostRole
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import share_plan
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import arc_limit
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import hostshape

Config = Mapping[str, Any]
KEYRING = "/usr/share/keyrings/proxmox-archive-keyring.gpg"
OLD_KEYRING = "/etc/apt/trusted.gpg.d/proxmox-release-{}.gpg"


@dataclass
class RoleLook:
    """How one role is looked at."""

    state: dict[str, Any] = field(default_factory=dict)
    """As the module phoenix_host_look compares it."""
    modules: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Names and options of modules that change nothing in a dry run where nothing is due, and warn of nothing."""
    due: list[str] = field(default_factory=list)
    """Why it is entered without a look."""
    apart: list[str] = field(default_factory=list)
    """Why it is entered although its look may find nothing: for what changes nothing that a later role finds."""


def looks(
    roles: Iterable[HostRole], config: Config, variables: Iterable[str], claims: Mapping[str, Any]
) -> dict[str, RoleLook]:
    """Return how the roles that can be looked at are looked at, in the order in which they run.

    variables: the names of those that the host has; claims: `inventory` and `consent` of the run.
    """
    due = {role.name: role for role in roles if role.is_due(config)}
    shape = hostshape.host_config(config)
    names = set(variables)
    found = {}
    for name, (keys, apart, make) in _LOOKS.items():
        if name not in due:
            continue
        others = sorted(set(due[name].keys).intersection(config) - keys - apart)
        own = sorted(one for one in names if one.startswith(f"{name}_"))
        reasons = [f"the file has {key}" for key in others] + [f"the variable {one} is set" for one in own]
        found[name] = RoleLook(due=reasons) if reasons else make(config, shape, claims)
        found[name].apart += [f"the file has {key}" for key in sorted(apart.intersection(config))]
    return found


def _base(config: Config, shape: Config, claims: Config) -> RoleLook:
    rows = shape["repositories"]
    return RoleLook(
        state={
            "packages": list(config.get("packages", ())),
            "sources": {"rows": rows, "keyring": KEYRING, "old_keyring": OLD_KEYRING} if rows else {},
            "timezone": config.get("timezone", ""),
            "files": shape["trail_files"],
        },
        apart=[f"the repository {row['name']} brings a key" for row in rows if row["key"]],
    )


def _storage(config: Config, shape: Config, claims: Config) -> RoleLook:
    modules: list[tuple[str, dict[str, Any]]] = []
    if shape["pools"] or shape["datasets"]:
        modules.append(
            ("phoenix.hypervisor.phoenix_zfs_survey", {"pools": shape["pools"], "datasets": shape["datasets"]})
        )
    if shape["arc_max"] is not None:
        modules.append(("phoenix.hypervisor.phoenix_zfs_arc", {"limit": shape["arc_max"]}))
        modules.append(("phoenix.hypervisor.phoenix_initramfs", {"files": [arc_limit.FILE]}))
    if shape["storages"]:
        storages = {"storages": shape["storages"], "secrets": shape["storage_secrets"]}
        modules.append(("phoenix.hypervisor.phoenix_pve_storage", storages))
    return RoleLook(modules=modules)


def _users(config: Config, shape: Config, claims: Config) -> RoleLook:
    names = [row["username"] for row in shape["users"]]
    modules: list[tuple[str, dict[str, Any]]] = []
    if shape["password_hashes"]:
        hashes = {"hashes": shape["password_hashes"], "accounts_to_come": names}
        modules.append(("phoenix.hypervisor.phoenix_system_passwords", hashes))
    if "pve" in config:
        keys = ("groups", "roles", "users", "acls", "passwords", "token")
        modules.append(
            (
                "phoenix.hypervisor.phoenix_pve_access",
                {key: shape["pve"][key] for key in keys if key != "token" or shape["pve"][key]},
            )
        )
    return RoleLook(
        state={
            "packages": ["sudo"] if shape["sudoers"] else [],
            "accounts": shape["users"],
            "files": shape["sudoers"],
            "absent": shape["sudoers_revoked"],
        },
        modules=modules,
    )


def _network(config: Config, shape: Config, claims: Config) -> RoleLook:
    options = {"interfaces": shape["interfaces"], "dns": shape["name_servers"], **claims}
    return RoleLook(modules=[("phoenix.hypervisor.phoenix_pve_network", options)])


def _shares(config: Config, shape: Config, claims: Config) -> RoleLook:
    look, users = RoleLook(), list(shape["samba_passwords"])
    workgroup = config.get("samba", {}).get("workgroup", "")
    survey = {
        "exports": shape["exports"],
        "shares": shape["shares"],
        "workgroup": workgroup,
        "volumes": shape["shared_volumes"],
        "accounts": users,
        "managed": [key for key in ("nfs", "samba") if key in config],
        **claims,
    }
    look.modules.append(("phoenix.hypervisor.phoenix_shares_survey", survey))
    packages, services, owned = [], [], []
    if "nfs" in config:
        if not shape["exports"]:
            look.due.append("the file has no exports")
        packages.append("nfs-kernel-server")
        services.append("nfs-server")
        owned.append({"path": share_plan.EXPORTS})
    if "samba" in config:
        if not shape["shares"] and not workgroup:
            look.due.append("the file has no shares")
        packages.append("samba")
        services.append("smbd")
        owned.append({"path": share_plan.SMB})
        look.state["blocks"] = [{"path": share_plan.SMB_CONF, "lines": share_plan.BLOCK}]
        passwords = {"users": users, "passwords": shape["samba_passwords"], "inventory": claims["inventory"]}
        look.modules.append(("phoenix.hypervisor.phoenix_samba_users", passwords))
    look.state.update(packages=packages, services=services, owned=owned)
    return look


# The roles in the order of the playbook, each with the keys of the file that its look covers, and with those that it
# does not cover, of which nothing shows in the looks of later roles.
_LOOKS: dict[str, tuple[set[str], set[str], Callable[[Config, Config, Config], RoleLook]]] = {
    "hypervisor_base": (
        {"repositories", "packages", "timezone", "log_keep_days"},
        {"hostname", "ntp", "subids", "sysctl"},
        _base,
    ),
    "hypervisor_storage": ({"zfs", "storage"}, set(), _storage),
    "hypervisor_users": ({"users", "pve"}, set(), _users),
    "hypervisor_network": ({"network"}, set(), _network),
    "hypervisor_shares": ({"nfs", "samba", "shared_volumes"}, set(), _shares),
}
