# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys of a container that features declare in their manifests: known to the schema, and only beside the feature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import features as core
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Check, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import manifests


def schema_with_keys(schema: Mapping[str, Any], document: Any, search: manifests.Search) -> Mapping[str, Any]:
    """Return the schema of the containers' file with the keys of the features that a document names.

    The document is what was read, whatever is wrong with it. A key of the schema itself stays as it is.
    """
    declared = manifests.keys(_named(document), search) if schema else {}
    if not declared:
        return schema
    container = schema["$defs"]["container"]
    effect = {"x-phoenix-effect": "the feature that declares it", "x-phoenix-disrupts": "work inside"}
    added = {key: {**effect, **item} for key, item in declared.items()}
    completed = {**container, "properties": {**added, **container["properties"]}}
    return {**schema, "$defs": {**schema["$defs"], "container": completed}}


def key_check(search: manifests.Search) -> Check:
    """Return the check that a container with a feature's key has the feature."""

    def keys_of_features(subject: Subject) -> Iterator[Finding]:
        fleet = subject.fleet
        named = dict.fromkeys(name for container in fleet.containers.values() for name in container.features)
        names = {name: declared for name in named if (declared := manifests.keys([name], search))}
        readers = {key: name for name, declared in names.items() for key in declared}
        if not readers:
            return
        for ctid, container in fleet.containers.items():
            if container.absent or not fleet.has_all_sources(ctid):
                continue  # what a source outside the file has is seen on the node only
            stack = core.stack([name for one in fleet.ancestors(ctid) for name in one.features], container.features)
            # By keys rather than by names: a feature has a plain and a full name.
            read = {key for name in stack for key in names.get(name, ())}
            for key, name in readers.items():
                place = container.place(key)
                if key not in container.config or key in read or place[0] != "lxc_configs":
                    continue  # a default is for the containers that have the feature
                got = f"{key} in a container without the feature {name}"
                remedy = f"Add {name} to features, or remove {key}."
                yield subject.at(place, got, f"the feature {name}, which reads it", remedy)

    return keys_of_features


def _named(document: Any) -> Iterator[str]:
    """Yield the names of features in a document."""
    if not isinstance(document, Mapping):
        return
    entries = document.get("lxc_configs")
    for entry in (document.get("lxc_defaults"), *(entries.values() if isinstance(entries, Mapping) else ())):
        listed = entry.get("features") if isinstance(entry, Mapping) else None
        yield from (name for name in (listed if isinstance(listed, list) else ()) if isinstance(name, str))
