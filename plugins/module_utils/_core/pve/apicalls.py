# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes of the control plane as values: what plans for containers, users, storages, networks and firewalls hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Kind(Enum):
    """What a call does: whatever treats calls differently goes by this, never by their path."""

    CREATE = "create"
    DESTROY = "destroy"
    CLONE = "clone"
    CONFIG = "config"
    RESIZE = "resize"
    TEMPLATE = "template"
    START = "start"
    STOP = "stop"
    SHUTDOWN = "shutdown"
    REBOOT = "reboot"
    SNAPSHOT = "snapshot"
    SNAPSHOT_DELETE = "snapshot_delete"
    ROLLBACK = "rollback"
    BACKUP = "backup"
    FIREWALL_OPTIONS = "firewall_options"
    RULE_ADD = "rule_add"
    RULE_CHANGE = "rule_change"
    RULE_DELETE = "rule_delete"
    POOL = "pool"  # moves a guest into a resource pool, or out of it
    HA = "ha"  # the entry of a guest among the resources of the HA manager
    HA_RULE = "ha_rule"  # a guest among the resources of a rule of the HA manager
    DOWNLOAD = "download"
    DNS = "dns"
    TOKEN = "token"  # makes an API token: its answer has the secret
    HOST = "host"  # any other call for the node itself


# (method, path below the container's) of what is done to a container; {name} is a snapshot or a rule's position. Only
# a creation has no container in its path yet.
_CONTAINER: Mapping[Kind, tuple[str, str]] = {
    Kind.CREATE: ("POST", ""),
    Kind.DESTROY: ("DELETE", ""),
    Kind.CLONE: ("POST", "/clone"),
    Kind.CONFIG: ("PUT", "/config"),
    Kind.RESIZE: ("PUT", "/resize"),
    Kind.TEMPLATE: ("POST", "/template"),
    Kind.START: ("POST", "/status/start"),
    Kind.STOP: ("POST", "/status/stop"),
    Kind.SHUTDOWN: ("POST", "/status/shutdown"),
    Kind.REBOOT: ("POST", "/status/reboot"),
    Kind.SNAPSHOT: ("POST", "/snapshot"),
    Kind.SNAPSHOT_DELETE: ("DELETE", "/snapshot/{name}"),
    Kind.ROLLBACK: ("POST", "/snapshot/{name}/rollback"),
    Kind.FIREWALL_OPTIONS: ("PUT", "/firewall/options"),
    Kind.RULE_ADD: ("POST", "/firewall/rules"),
    Kind.RULE_CHANGE: ("PUT", "/firewall/rules/{name}"),
    Kind.RULE_DELETE: ("DELETE", "/firewall/rules/{name}"),
}
FIREWALL = frozenset({Kind.FIREWALL_OPTIONS, Kind.RULE_ADD, Kind.RULE_CHANGE, Kind.RULE_DELETE})


@dataclass(frozen=True)
class Call:
    """One write. ``secret`` names the parameters whose values nobody may read.

    ``ctid`` is the container that it acts on, 0 for none: of a clone its source, of a creation the one that is made.
    ``position`` is that of a firewall rule that is changed or deleted.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    secret: tuple[str, ...] = ()
    kind: Kind = Kind.HOST
    ctid: int = 0
    position: int = -1

    @property
    def what(self) -> str:
        """The call without its parameters, for people."""
        return f"{self.method} {self.path}"

    def text(self) -> str:
        """The call as a diff or a result shows it."""
        shown = (f"{key}={'***' if key in self.secret else show(value)}" for key, value in sorted(self.params.items()))
        return " ".join([self.method, self.path, *shown])


@dataclass
class Calls:
    """A plan: the calls in order, and what was found and can't or must not be changed."""

    calls: list[Call] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        secret: Iterable[str] = (),
        kind: Kind = Kind.HOST,
    ) -> None:
        """One more call."""
        self.calls.append(Call(method, path, dict(params), tuple(secret), kind))

    def diff(self) -> dict[str, str]:
        """For Ansible's --diff: the calls, in order."""
        return {"prepared": "".join(f"{call.text()}\n" for call in self.calls)}


def container_path(node: str, ctid: int) -> str:
    """The path of a container."""
    return f"/nodes/{node}/lxc/{ctid}"


def container_call(
    kind: Kind,
    node: str,
    ctid: int,
    params: Mapping[str, Any] | None = None,
    snapshot: str = "",
    position: int = -1,
) -> Call:
    """What is done to a container, as a call."""
    method, below = _CONTAINER[kind]
    base = f"/nodes/{node}/lxc" if kind is Kind.CREATE else container_path(node, ctid)
    name = snapshot or position
    return Call(method, base + below.format(name=name), params or {}, (), kind, ctid, position)


def show(value: Any) -> str:
    """A parameter as PVE takes it: booleans are 0 and 1."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def words(value: Any) -> list[str]:
    """A list of PVE, which comes as text with commas, as a JSON list or not at all, sorted."""
    if value is None:
        return []
    items = value.replace(";", ",").replace(" ", ",").split(",") if isinstance(value, str) else value
    return sorted({str(item).strip() for item in items} - {""})
