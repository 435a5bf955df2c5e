# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the configuration of a container asks for: read here once, with the defaults, and nowhere else in the core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..pve import marker, rawlines
from ..pve.fwfile import Rule, rule_of
from .harules import KEY as HA_RULES
from .refusal import Code, Refusal
from .registry import addresses, netcards, table
from .registry.device_rows import WantedDevice, wanted_devices
from .registry.option import LINES
from .registry.wanted_options import WantedOption, wanted_options
from .wanted_places import Place, wanted_places

DEFAULT_ROOTFS_GB = 4  # PVE's own default (PVE facts, 'How PVE rewrites what you send')
FIREWALL = "firewall"
EXISTING = "existing"
"""In place of a template: no run creates the container."""
PASSWORD, SSH_KEYS = "password", "ssh-public-keys"
HIDDEN = "***"
"""What a plan has in place of the password: only the call itself gets that."""


@dataclass(frozen=True)
class WantedFirewall:
    """The firewall that a configuration asks for: whether it filters, None for unmanaged, and the rules in order."""

    enabled: bool | None = None
    rules: tuple[Rule, ...] = ()

    def remembered(self) -> dict[str, Any]:
        """What the last-applied record keeps of it; empty when the configuration manages nothing of it."""
        switch = {} if self.enabled is None else {"enable": str(int(self.enabled))}
        return {**switch, "rules": [rule.line() for rule in self.rules]} if self.rules else dict(switch)


@dataclass(frozen=True)
class Desired:
    """What one configuration asks for; None or nothing for a key that the file doesn't have.

    Attributes:
        keys: the keys that the file has.
        name: its host name.
        template: what it is created from; None for EXISTING, too.
        clone_from: the CTID of its clone source.
        restore_from: the backup that it is restored from.
        pool: the storage of its root disk.
        size_gb: the size of its root disk in GiB.
        resource_pool: PVE's resource pool that it is in, empty for an unmanaged one.
        ha: the settings of its entry in the HA manager, None for an unmanaged one.
        ha_rules: the rules of the HA manager that it is to be in.
        ssh_keys: the public keys that may log in as its root, written at the creation.
        has_password: whether its root gets a password at the creation.
        unprivileged: whether it is unprivileged.
        protected: whether PVE protects it.
        hold: whether no run changes it, and none creates it.
        is_template: whether it becomes a template once it is complete.
        snapshot: the snapshot that it gets then.
        restarts: whether a run may restart it for a change.
        guard: none, report or rollback.
        awaits: the kind of address that it must have once it runs, see addresses.
        devices: the devices that it names, and what it says of its GPUs.
        devices_by_lines: whether the devices with a path are passed on by raw lines rather than by ``devN``.
        gpus_by_lines: the same for its GPUs.
        options: the PVE options that follow from the configuration and from its features alone.
        networks: its interfaces besides the first, without their slots.
        places: its mount points and volumes, without their slots.
        written: the raw lines as they stand in the file; None for one that is none.
        firewall: its firewall.
        unfit: why a text can't be a value of PVE's config.
    """

    keys: frozenset[str] = frozenset()
    name: str | None = None
    template: Any = None
    clone_from: int | None = None
    restore_from: str | None = None
    pool: Any = None
    size_gb: Any = None
    resource_pool: str = ""
    ha: Mapping[str, str] | None = None
    ha_rules: tuple[str, ...] = ()
    ssh_keys: tuple[str, ...] = ()
    has_password: bool = False
    unprivileged: bool | None = None
    protected: bool | None = None
    hold: bool = False
    is_template: bool = False
    snapshot: str | None = None
    restarts: bool = False
    guard: str = "none"
    awaits: str = ""
    devices: tuple[WantedDevice, ...] = ()
    devices_by_lines: bool = False
    gpus_by_lines: bool = False
    options: Mapping[str, WantedOption] = field(default_factory=dict)
    networks: tuple[Mapping[str, str], ...] = ()
    places: tuple[Place, ...] = ()
    written: tuple[rawlines.Line | None, ...] = ()
    firewall: WantedFirewall = field(default_factory=WantedFirewall)
    unfit: Refusal | None = None

    def called(self, ctid: int) -> str:
        """The host name that it gets at its creation: its own, or PVE's for the CTID."""
        return self.name or f"CT{ctid}"

    @property
    def is_unprivileged(self) -> bool:
        """Whether it is created unprivileged."""
        return self.unprivileged is not False

    @property
    def rootfs_gb(self) -> Any:
        """The size of the root disk that it is created with."""
        return DEFAULT_ROOTFS_GB if self.size_gb is None else self.size_gb

    @property
    def rootfs_options(self) -> Mapping[str, str]:
        """The sub-options that the root disk is created with."""
        asked = self.options.get("rootfs")
        return (asked.parts if asked else None) or {}

    @property
    def created_with(self) -> dict[str, str]:
        """The options that a creation takes, since they decide how PVE sets the container up."""
        own = (option for option in self.options.values() if table.row(option.key).at_creation)
        return {option.key: option.text for option in own if option.text is not None}

    @property
    def access(self) -> dict[str, str]:
        """The parameters of a creation that let somebody log in, with the password hidden."""
        keys = {SSH_KEYS: "\n".join(self.ssh_keys)} if self.ssh_keys else {}
        return {**keys, PASSWORD: HIDDEN} if self.has_password else keys

    @property
    def lines(self) -> list[rawlines.Line]:
        """The raw lines, each once, in their order."""
        return list(dict.fromkeys(line for line in self.written if line is not None))


def understand(config: Mapping[str, Any], needs: Mapping[str, str] | None = None) -> Desired:
    """The configuration as the inventory gives it -> what it asks for.

    ``needs`` are the features' demands on the container's option ``features``.
    """
    source, snapshot = config.get("clone_from_ctid"), config.get("template_snapshot_name")
    return Desired(
        keys=frozenset(config),
        name=str(config["name"]) if config.get("name") else None,
        template=None if config.get("template") == EXISTING else config.get("template"),
        clone_from=None if source is None else int(source),
        restore_from=str(config["restore_from"]) if config.get("restore_from") else None,
        pool=config.get("storage_pool"),
        size_gb=config.get("storage_size_gb"),
        resource_pool=str(config.get("pool") or ""),
        ha=wanted_entry(config.get("ha")),
        ha_rules=wanted_rules(config.get("ha")),
        ssh_keys=tuple(str(key) for key in config.get("ssh_public_keys") or ()),
        has_password=bool(config.get("root_password")),
        unprivileged=_switch(config.get("unprivileged")),
        protected=_switch(config.get("protection")),
        hold=bool(config.get("hold")),
        is_template=bool(config.get("is_template")),
        snapshot=str(snapshot) if snapshot else None,
        restarts=config.get("restart_policy") == "if_needed",
        guard=str(config.get("guard") or "none"),
        awaits=addresses.awaited(config),
        devices=wanted_devices(config),
        devices_by_lines=config.get("device_passthrough") == "raw",
        gpus_by_lines=config.get("gpu_passthrough") == "raw",
        options=wanted_options(config, needs or {}),
        networks=netcards.further(config),
        places=tuple(wanted_places(config)),
        written=tuple(rawlines.parse_line(str(text)) for text in config.get("lxc_options") or ()),
        firewall=wanted_firewall(config.get(FIREWALL) or {}),
        unfit=_unfit(config),
    )


def wanted_firewall(section: Mapping[str, Any]) -> WantedFirewall:
    """A section ``firewall`` -> what it asks for, each rule once. What can't be read validation has refused."""
    rules: dict[tuple[str, ...], Rule] = {}
    for item in section.get("rules") or ():
        try:
            rule = rule_of(item)
        except ValueError:
            continue
        rules.setdefault(rule.key, rule)
    return WantedFirewall(_switch(section.get("enabled")), tuple(rules.values()))


def wanted_entry(section: Any) -> Mapping[str, str] | None:
    """A section ``ha`` -> the settings that it asks for; None where the file has none."""
    if not isinstance(section, Mapping):
        return None
    own = {name: value for name, value in section.items() if name != HA_RULES}
    return {name: str(int(value)) if isinstance(value, bool) else str(value) for name, value in own.items()}


def wanted_rules(section: Any) -> tuple[str, ...]:
    """A section ``ha`` -> the rules that it asks for, each once."""
    names = section.get(HA_RULES) if isinstance(section, Mapping) else None
    return tuple(dict.fromkeys(str(name) for name in names or ()))


def _switch(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _unfit(config: Mapping[str, Any]) -> Refusal | None:
    """Why a text can't be a value of PVE's config: it would be read as another option, or as another line."""
    patterns = table.unfit_texts()
    for key in filter(config.__contains__, patterns):
        pattern = patterns[key]
        for text in _texts(config[key]):
            if pattern.search(text):
                what = "a control character" if pattern is LINES else "a comma or a control character"
                return Refusal(
                    Code.UNFIT_TEXT, f"{text!r} has {what}, which no value of PVE's config can hold", key=key
                )
    for text in config.get("lxc_options") or ():
        found = rawlines.parse_line(str(text))
        if found and marker.is_marker(found):
            got = f"{str(text)!r} sets {marker.NAME}, which is reserved for this collection"
            return Refusal(Code.RESERVED_LINE, got, "remove it", "lxc_options")
        if found is None:
            got = f"{str(text)!r} is not one line of the form 'lxc.key: value'"
            return Refusal(Code.MALFORMED_LINE, got, key="lxc_options")
    return None
