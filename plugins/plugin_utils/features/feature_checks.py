# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a configuration that need the features' manifests: is each provided, in order, with what it requires,
and with the GPUs that it needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import features as core
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Check, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import Container, Fleet
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import feature_errors, manifests


@dataclass(frozen=True)
class _Fault:
    """What is wrong with one feature of a list."""

    name: str
    got: str
    expected: str
    remedy: str
    nearest: str | None = None


_HIDDEN = _Fault(
    "",
    "a value that is not shown (text)",
    "a known feature, after the features that it requires",
    "Correct the list of features.",
)


def inherited_features(fleet: Fleet, ctid: str) -> tuple[str, ...]:
    """What a container's clone sources hold by the time it is made, lowest first, as far as the file has them."""
    result: list[str] = []
    for source in reversed(fleet.ancestors(ctid)):
        result = core.stack(result, source.features)
    return tuple(result)


def servers_of(fleet: Fleet, search: manifests.Search) -> tuple[Server, ...]:
    """The servers whose keys the containers of a fleet can have."""
    names = dict.fromkeys(name for container in fleet.containers.values() for name in _own(container))
    return manifests.servers(names, search)


def feature_checks(search: manifests.Search) -> tuple[Check, ...]:
    """The checks, with features looked for in the given places."""

    def provided_and_ordered(subject: Subject) -> Iterator[Finding]:
        # A fleet's lists are much the same: each is judged once.
        known: dict[tuple[tuple[str, ...], tuple[str, ...], bool], list[_Fault]] = {}
        for ctid, container in subject.fleet.containers.items():
            if container.absent:
                continue
            key = (_own(container), inherited_features(subject.fleet, ctid), subject.fleet.has_all_sources(ctid))
            if key not in known:
                known[key] = list(_faults(*key, search))
            for fault in known[key]:
                path = container.place("features", container.config["features"].index(fault.name))
                if subject.lxc_file in subject.hidden:
                    fault = _HIDDEN
                yield subject.at(path, fault.got, fault.expected, fault.remedy, fault.nearest)

    def gpus_for_features(subject: Subject) -> Iterator[Finding]:
        yield from _without_gpus(subject, search)

    return provided_and_ordered, gpus_for_features


def _without_gpus(subject: Subject, search: manifests.Search) -> Iterator[Finding]:
    """Features that need GPUs, in containers without."""
    names = {name for container in subject.fleet.containers.values() for name in _own(container)}
    needing = {name for name in names if manifests.container_needs([name], search)["devices"]}
    if not needing:
        return
    # Only here: in most fleets nothing needs a device, and the vendors' table takes long to load.
    from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors
    from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.gpu_checks import gpus

    for ctid, container in subject.fleet.containers.items():
        if container.absent or gpus(subject.fleet, ctid) != ():
            continue
        for name in _own(container):
            needed = manifests.container_needs([name], search)["devices"] if name in needing else ()
            if not vendors.classes().intersection(needed):
                continue
            shown = "a feature that needs GPUs" if subject.lxc_file in subject.hidden else f"the feature {name}"
            own = "gpu_assignment" in container.config
            yield subject.at(
                container.place("gpu_assignment") if own else container.place("features"),
                "gpu_assignment none" + ("" if own else " of its clone source") + f" beside {shown}",
                f"GPUs for {shown}",
                f'Assign GPUs, such as "0", or remove {shown} from features.',
            )


def _own(container: Container) -> tuple[str, ...]:
    """The container's list as far as the schema takes it: no broken names, none twice."""
    return tuple(dict.fromkeys(name for name in container.features if not core.name_error(name)))


def _faults(
    own: tuple[str, ...], inherited: tuple[str, ...], complete: bool, search: manifests.Search
) -> Iterator[_Fault]:
    requires: dict[str, tuple[str, ...]] = {}
    for name in core.stack(inherited, own):
        try:
            requires[name] = tuple(manifests.find_feature(name, search).manifest.get("requires", ()))
        except feature_errors.FeatureError as error:
            if name in own:
                yield from _unusable(name, error)
    if not complete:
        return  # what a source outside the file holds is seen on the node only
    whole = core.stack(inherited, own)
    for name in own:
        under = whole[: whole.index(name)]
        for wanted in requires.get(name, ()):
            if name in inherited or _is_among(wanted, under):
                continue
            later = next((other for other in own if _is_among(wanted, [other])), None)
            if later is not None:
                remedy = f"Put {later} before {name}."
                yield _Fault(name, f"{name} before {later}", f"{wanted} under {name}, which requires it", remedy)
            else:
                got, remedy = f"{name} without {wanted}", f"Put {wanted} before {name}."
                yield _Fault(name, got, f"{wanted} under {name}, here or in the clone source", remedy)


def _unusable(name: str, error: feature_errors.FeatureError) -> Iterator[_Fault]:
    if isinstance(error, feature_errors.FeatureLacksError):
        expected = f"what the role of {name} needs on the controller"
        yield from (_Fault(name, f"{name}: {lack.what}", expected, lack.remedy) for lack in error.lacks)
    elif isinstance(error, feature_errors.UnknownFeatureError):
        yield _unknown(name, error)
    else:
        for text in error.errors:
            reason = text.removeprefix(f"feature {name}: ")
            yield _Fault(name, f"{name}: {reason}", "a role that is a feature", "Correct the role or its manifest.")


def _unknown(name: str, error: feature_errors.UnknownFeatureError) -> _Fault:
    nearest = core.nearest(name, error.known) or None
    remedy = f"{f'Rename it to {nearest}' if nearest else 'Correct the name'}, or add it: {error.remedy}"
    expected = f"one of {', '.join(error.known)} (looked for the roles {', '.join(error.looked)})"
    return _Fault(name, json.dumps(name), expected, remedy, nearest)


def _is_among(wanted: str, names: list[str]) -> bool:
    """Whether a requirement is met: by the plain or by the full name."""
    return any(name.rpartition(".")[2] == wanted.rpartition(".")[2] for name in names)
