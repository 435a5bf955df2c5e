# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers' file in the form that everything else reads: keys of the field and old spellings in their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Fleet, load_fleet
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files import field_keys, server_settings
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.lenient import settled
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.spellings import old_container_keys

ServersOf = Callable[[Fleet], tuple[Server, ...]]


def no_servers(_fleet: Fleet) -> tuple[Server, ...]:
    """Return no server, for a caller that has no features."""
    return ()


@dataclass(frozen=True)
class Prepared:
    """What the file holds.

    Attributes:
        document: the file with each key in its place, for the schema.
        reading: what was put where.
        fleet: its containers.
        servers: the servers whose keys they can have.
    """

    document: Any
    reading: field_keys.Reading
    fleet: Fleet
    servers: tuple[Server, ...] = ()


def prepared(value: Any, schema: Mapping[str, Any], servers_of: ServersOf = no_servers) -> Prepared:
    """Read the parsed file; what is given is not changed."""
    reading = field_keys.read(value, schema)
    spellings = old_container_keys(schema)
    document = settled(reading.document, schema)
    fleet = load_fleet(document, spellings)
    servers = servers_of(fleet)
    settings = [server.settings for server in servers if server.settings is not None]
    names = {name for one in settings for name in (*one.objects, *dict(one.named))}
    if any(names.intersection(container.config) for container in fleet.containers.values()):
        server_settings.spread(reading, settings)
        document = settled(reading.document, schema)
        fleet = load_fleet(document, spellings)
    return Prepared(document, reading, fleet, servers)
