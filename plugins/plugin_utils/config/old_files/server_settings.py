# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a server as files of the field write it, read as the container's keys that mean the same.

Which keys these are stands in the manifest of the feature that brings the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Settings
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.field_keys import Conflict, Reading


def spread(reading: Reading, settings: Iterable[Settings]) -> None:
    """Put the options of servers into the keys of each container, and of `lxc_defaults`."""
    kinds = tuple(settings)
    document = reading.document
    if not kinds or not isinstance(document, dict):
        return
    defaults = document.get("lxc_defaults")
    if isinstance(defaults, dict):
        document["lxc_defaults"] = _spread(defaults, ("lxc_defaults",), kinds, reading)
    configs = document.get("lxc_configs")
    if isinstance(configs, dict):
        document["lxc_configs"] = {
            ctid: _spread(one, ("lxc_configs", ctid), kinds, reading) if isinstance(one, dict) else one
            for ctid, one in configs.items()
        }


def _spread(given: dict[str, Any], base: Pointer, kinds: tuple[Settings, ...], reading: Reading) -> dict[str, Any]:
    result = given
    for one in kinds:
        written = list(_options(given, one))
        if not written:
            continue
        result = {key: item for key, item in result.items() if key not in {path[0] for path, _name, _value in written}}
        others = result.get(one.others, {})
        if not isinstance(others, dict):
            continue  # the schema says so
        others = dict(others)
        keys = dict(one.keys)
        for path, name, value in written:
            plain = name.replace("-", "_")
            key = keys.get(plain)
            if key is not None and value is None:
                continue
            option = key or plain.replace("_", "-")
            holder: dict[str, Any] = result if key else others
            place: Pointer = (*base, key) if key else (*base, one.others, option)
            if holder.get(option) is None:
                holder[option] = value
                reading.moves[place] = (*base, *path)
            elif holder[option] != value:
                # What was put there a moment ago has its own place in the file.
                other = reading.moves.get(place, place)
                reading.conflicts.append(Conflict((*base, *path), value, other, holder[option]))
        if others:
            result[one.others] = others
    return result


def _options(container: Mapping[str, Any], settings: Settings) -> Iterator[tuple[Pointer, str, Any]]:
    """(path, name, value) of each option that the container has; an object of another shape is left to the schema."""
    for key in settings.objects:
        value = container.get(key)
        for name, item in value.items() if isinstance(value, Mapping) else ():
            if name[:1].isupper() and isinstance(item, Mapping):
                yield from (((key, name, inner), inner, option) for inner, option in item.items())
            else:
                yield (key, name), name, item
    for key, option in settings.named:
        if key in container:
            yield (key,), option, container[key]
