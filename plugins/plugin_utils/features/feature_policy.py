# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features against the operator's policy: by their full names, and by the GPUs that they would be given."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.gpu_checks import gpus
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Check, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.policy import Policy
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import feature_errors, manifests


def feature_policy(policy: Policy, search: manifests.Search) -> tuple[Check, ...]:
    """The checks that a policy brings for features, with these looked for in the given places."""

    def allowed_features(subject: Subject) -> Iterator[Finding]:
        for container in subject.fleet.containers.values():
            if container.absent:
                continue
            for index, name in enumerate(container.config.get("features") or ()):
                full = _full_name(name, search)
                if full is None or policy.allows("features", full):
                    continue
                path = container.place("features", index)
                got = subject.show(path, name)
                if full != name and subject.lxc_file not in subject.hidden:
                    got += f", which is {full}"
                remedy = policy.remedy("features", "Remove the feature")
                yield subject.at(path, got, policy.expected("features"), remedy)

    def all_gpus(subject: Subject) -> Iterator[Finding]:
        if not policy.restricts("gpus"):
            return
        for ctid, container in subject.fleet.containers.items():
            if container.absent or gpus(subject.fleet, ctid) is not None:
                continue
            names = [name for name in container.features if _full_name(name, search)]
            needed = manifests.container_needs(names, search)["devices"]
            if vendors.classes().intersection(needed) and not policy.allows("gpus", "all"):
                path = container.place("features")
                got = "a feature that needs GPUs without gpu_assignment, which means all GPUs of the node"
                yield subject.at(path, got, policy.expected("gpus"), policy.remedy("gpus", "Set gpu_assignment"))

    return allowed_features, all_gpus


def _full_name(name: object, search: manifests.Search) -> str | None:
    """The role of a feature: `namespace.collection.role`, or the folder of a local one; None where there is none."""
    try:
        return manifests.find_feature(str(name), search).role if isinstance(name, str) else None
    except feature_errors.FeatureError:
        return None  # reported by the check of features
