# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's interfaces: what PVE has, what was applied last, what is wanted -> the calls that stage the difference.

Three-way: an interface that we made and that is gone from the configuration is removed, one that was there before us
is left; a key that we set, that is gone and still has our value is unset. What PVE does with the calls is read from the
public source of pve-manager (PVE/API2/Network.pm): a PUT without an address makes the interface manual, so each PUT
carries everything that the interface keeps; DHCP can't be set at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..pve.apicalls import Calls, Kind, show

# What is compared, in the order in which it is shown. Everything else of an interface is left as it is.
KEYS = (
    "cidr",
    "gateway",
    "cidr6",
    "gateway6",
    "bridge_ports",
    "bridge_vlan_aware",
    "bridge_vids",
    "slaves",
    "bond_mode",
    "bond-primary",
    "bond_xmit_hash_policy",
    "vlan-raw-device",
    "vlan-id",
    "ovs_bridge",
    "ovs_ports",
    "ovs_bonds",
    "ovs_tag",
    "ovs_options",
    "mtu",
    "autostart",
    "comments",
)
_GATEWAYS = ("gateway", "gateway6")
# Keys whose values name other interfaces.
_LOWER = ("bridge_ports", "slaves", "vlan-raw-device", "ovs_bridge", "ovs_ports", "ovs_bonds")
# Those that take the interface over.
_TAKING = ("bridge_ports", "slaves", "ovs_bonds")
DNS = ("dns1", "dns2", "dns3")


@dataclass
class NetworkPlan(Calls):
    """The calls, what forbids them, the interfaces before and after as text, and what the record then holds."""

    refusals: list[str] = field(default_factory=list)
    before: dict[str, dict[str, str]] = field(default_factory=dict)
    after: dict[str, dict[str, str]] = field(default_factory=dict)
    applied: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What the node shows: PVE's interfaces and name servers, and which bridges guests use (bridge -> guests)."""

    interfaces: Sequence[Mapping[str, Any]]
    dns: Mapping[str, Any] = field(default_factory=dict)
    used: Mapping[str, Sequence[str]] = field(default_factory=dict)
    domain: str = "localdomain"


def plan(node: str, wanted: Sequence[Mapping[str, Any]], dns: Sequence[str], seen: Seen, applied: Any) -> NetworkPlan:
    """The comparison.

    Args:
        node: the node's name in the API's paths.
        wanted: interfaces with `name`, `type` ('' where the node must say), `params` (the keys above; '' for one
            that must not be set) and `dhcp`.
        dns: name servers; none are unmanaged.
        seen: the current state.
        applied: what the record holds, by interface: `made` and `params`.
    """
    earlier = applied if isinstance(applied, Mapping) else {}
    result = NetworkPlan()
    there = {str(row["iface"]): row for row in seen.interfaces}
    base = f"/nodes/{node}/network"
    work = _Work(base, result, {name: _values(row) for name, row in there.items()})
    names = {str(item["name"]) for item in wanted}
    for name in sorted(set(earlier) - names):
        _gone(name, earlier[name], seen.used.get(name, ()), there, work)
    for item in wanted:
        _compare(item, there.get(item["name"]), earlier.get(item["name"]), work)
    _judge(work, {name: str(row.get("method")) for name, row in there.items()}, names, seen)
    # One default gateway at a time: who loses one comes before who gets it.
    work.calls.sort(key=lambda call: (call[0] != "DELETE", not call[3]))
    for method, path, params, _frees in work.calls:
        result.add(method, path, params)
    _dns(node, dns, seen, result)
    if work.calls:
        result.add("PUT", base, {})
    return result


@dataclass
class _Work:
    """The plan in the making: each call with whether it frees a gateway; the interfaces as they will be."""

    base: str
    plan: NetworkPlan
    values: dict[str, dict[str, str]]
    calls: list[tuple[str, str, dict[str, Any], bool]] = field(default_factory=list)

    def call(self, method: str, name: str, params: Mapping[str, Any], frees: bool = False) -> None:
        path = self.base if method == "POST" else f"{self.base}/{quote(name, safe='')}"
        self.calls.append((method, path, dict(params), frees))

    def show(self, name: str, before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> None:
        if before is not None:
            self.plan.before[name] = dict(before)
        if after is not None:
            self.plan.after[name] = dict(after)


def form(key: str, value: Any) -> str:
    """A value in the one form that is compared; '' for what is not set."""
    if value is None or (key in ("autostart", "bridge_vlan_aware") and show(value) in ("0", "")):
        return ""
    text = show(value).strip()
    if key in ("ovs_ports", "ovs_bonds"):  # PVE appends a port to its bridge itself
        return " ".join(sorted(set(text.replace(",", " ").split()) - {"none"}))
    if key in ("bridge_ports", "slaves", "bridge_vids"):
        text = " ".join(text.replace(",", " ").split())
        return "" if text == "none" else text
    return text


def _values(row: Mapping[str, Any]) -> dict[str, str]:
    """What PVE has of the compared keys; the type besides."""
    values = {key: form(key, row.get(key)) for key in KEYS}
    return {"type": str(row.get("type") or ""), **{key: value for key, value in values.items() if value}}


def _gone(name: str, record: Any, users: Sequence[str], there: Mapping[str, Any], work: _Work) -> None:
    """An interface that the record knows and the configuration names no more."""
    if name not in there or not (isinstance(record, Mapping) and record.get("made")):
        return
    if users:
        work.plan.applied[name] = dict(record)
        work.plan.notes.append(
            f"{name} is no longer in the configuration and stays: {', '.join(users)} use it. "
            "Move them to another bridge, and run again"
        )
        return
    work.call("DELETE", name, {}, frees=True)
    work.show(name, work.values.pop(name), None)


def _compare(item: Mapping[str, Any], row: Mapping[str, Any] | None, record: Any, work: _Work) -> None:
    name = str(item["name"])
    record = record if isinstance(record, Mapping) else {}
    wanted = {key: form(key, value) for key, value in item["params"].items()}
    kind = str(item.get("type") or (row or {}).get("type") or "eth")
    made = row is None or bool(record.get("made"))
    work.plan.applied[name] = {"made": made, "params": {key: value for key, value in wanted.items() if value}}
    if row is None:
        _create(name, kind, wanted, work)
        return
    earlier = record.get("params")
    for key, value in earlier.items() if isinstance(earlier, Mapping) else ():
        if key not in wanted and work.values[name].get(key) == value:
            wanted[key] = ""  # we set it, its key is gone from the configuration, and nobody else changed it
    differing = {key for key, value in wanted.items() if work.values[name].get(key, "") != value}
    refusal = _refusal(item, row, kind, wanted, differing)
    if refusal:
        work.plan.refusals.append(refusal)
    elif differing:
        _update(name, {key: wanted[key] for key in differing}, work)


def _create(name: str, kind: str, wanted: Mapping[str, str], work: _Work) -> None:
    """An interface that PVE doesn't know yet; it comes up at boot unless told otherwise."""
    if kind == "eth":
        work.plan.refusals.append(_missing(name, work.values))
        return
    params = {key: value for key, value in {"autostart": "1", **wanted}.items() if value}
    sent = dict(params)
    if "ovs_ports" in sent:  # what is made after its bridge is put into it by PVE
        sent["ovs_ports"] = " ".join(port for port in sent["ovs_ports"].split() if port in work.values)
    work.call("POST", name, {"iface": name, "type": kind, **{key: value for key, value in sent.items() if value}})
    work.values[name] = {"type": kind, **params}
    work.show(name, None, work.values[name])


def _refusal(
    item: Mapping[str, Any], row: Mapping[str, Any], kind: str, wanted: Mapping[str, str], differing: set[str]
) -> str:
    """Why PVE can't turn an existing interface into the wanted one; '' when it can."""
    name, dhcp = item["name"], str(row.get("method")) == "dhcp"
    if row.get("type") != kind:
        return (
            f"{name} is of type {row.get('type')} on the node, not {kind}. PVE changes no interface's type: "
            "remove it on the node first, or give this one another name"
        )
    if item.get("dhcp") and not dhcp:
        return (
            f"{name} has no DHCP on the node, and PVE's API can't switch it on: write `iface {name} inet dhcp` into "
            "/etc/network/interfaces by hand, where it is kept, or give it an address"
        )
    if dhcp and differing and not wanted.get("cidr"):
        return (
            f"{name} has its address by DHCP, which PVE ends with any change of the interface ({_list(differing)}): "
            "make this change in /etc/network/interfaces by hand, or give it a fixed address"
        )
    return ""


def _update(name: str, changes: Mapping[str, str], work: _Work) -> None:
    """One PUT, with everything that the interface keeps."""
    current = work.values[name]
    after = {key: value for key, value in {**current, **changes}.items() if value}
    removed = [key for key in KEYS if changes.get(key) == ""]
    deleted = {"delete": ",".join(removed)} if removed else {}
    work.call("PUT", name, {**after, **deleted}, frees=any(key in removed for key in _GATEWAYS))
    work.show(name, current, after)
    work.values[name] = after


def _missing(name: str, values: Mapping[str, Mapping[str, str]]) -> str:
    ports = sorted(other for other, one in values.items() if one["type"] == "eth")
    return (
        f"there is no interface {name} on the node, which has {_list(ports) or 'none'}. "
        "Correct the name; a bridge has bridge_ports, a bond bond_slaves"
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _judge(work: _Work, methods: Mapping[str, str], named: set[str], seen: Seen) -> None:
    """What holds between the interfaces as they will be; only what the configuration names is judged."""
    refuse = work.plan.refusals.append
    owners: dict[str, str] = {}
    for name, one in work.values.items():
        device = name.rpartition(".")[0]
        if name in named and one["type"] == "vlan" and "vlan-raw-device" not in one and device not in work.values:
            ports = _list(other for other in work.values if other != name)
            refuse(
                f"{name}: there is no interface {device} on the node for this VLAN. It has {ports}. Correct the name"
            )
        for key in _LOWER:
            for lower in one.get(key, "").split() if name in named else ():
                if lower not in work.values:
                    ports = _list(other for other in work.values if other != name)
                    refuse(f"{name}: {key} names {lower}, which the node doesn't have. It has {ports}. Correct it")
                elif key in _TAKING and (work.values[lower].get("cidr") or methods.get(lower) == "dhcp"):
                    refuse(
                        f"{name}: {key} names {lower}, which has an address of its own and would lose it. "
                        f'Add {{"name": "{lower}", "address": "manual"}} to network.interfaces, before {name}'
                    )
                elif key in _TAKING and owners.setdefault(lower, name) != name:
                    refuse(f"{name}: {key} names {lower}, a port of {owners[lower]}. Remove it from one of the two")
    for key in _GATEWAYS:
        having = sorted(name for name, one in work.values.items() if one.get(key))
        if len(having) > 1 and set(having) & named:
            refuse(
                f"{' and '.join(having)} would both have a default {key}. PVE takes one: "
                'give the other "address": "manual", or remove its gateway on the node'
            )


def _dns(node: str, wanted: Sequence[str], seen: Seen, result: NetworkPlan) -> None:
    if not wanted:
        return
    there = [str(seen.dns[key]) for key in DNS if seen.dns.get(key)]
    if list(wanted) == there:
        return
    params = {"search": str(seen.dns.get("search") or seen.domain), **dict(zip(DNS, wanted))}
    result.add("PUT", f"/nodes/{node}/dns", params, kind=Kind.DNS)
    result.before["resolv.conf"] = {"nameserver": " ".join(there)}
    result.after["resolv.conf"] = {"nameserver": " ".join(wanted)}


def text(interfaces: Mapping[str, Mapping[str, str]]) -> str:
    """Interfaces for a diff."""
    lines = []
    for name in sorted(interfaces):
        lines.append(name)
        lines += [f"    {key}: {value}" for key, value in interfaces[name].items()]
    return "".join(f"{line}\n" for line in lines)
