# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the task files that what is due inside a container takes, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.features import plain_packages
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.in_turn import in_turn

DOCUMENTATION = r"""
name: work_inside
short_description: List the task files for what is due inside a container
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - The task files for what is due inside a container, in order, so that a play includes those only. Each skipped task
    costs nearly as much as one that runs.
  - In check mode without Python inside, no role can predict anything, so the features are left out.
positional: _input
options:
  _input:
    description: The result of M(phoenix.hypervisor.phoenix_lxc_state).
    type: dict
    required: true
  probe:
    description:
      - What the container answered. V(found) among its words means that it has Python, and V(interrupted) that dpkg
        was ended at its work.
    type: str
    required: true
  check_mode:
    description: Whether this is a dry run.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Do what is due
  ansible.builtin.include_tasks: "{{ phoenix_part.file }}"
  loop: "{{ phoenix_step | phoenix.hypervisor.work_inside(phoenix_python.stdout, ansible_check_mode) }}"
  loop_control:
    loop_var: phoenix_part
"""

RETURN = r"""
_value:
  description:
    - The parts, each with C(file), C(label), and C(after), which keeps their order in a loop. One that installs Python
      has C(packages), the packages of all features that are due, which come in the same transaction.
    - That of a feature also has C(install_python), and C(feature), as
      RV(phoenix.hypervisor.phoenix_lxc_state#module:due_features) has it, and C(services_above), the services of the
      features after it.
  type: list
  elements: dict
"""


def work_inside(step: Mapping[str, Any], probe: str, check_mode: bool = False) -> list[dict[str, Any]]:
    """Return the parts of what is due, in order."""
    words = probe.split()
    lacks_python = "found" not in words
    features = [] if check_mode and lacks_python else list(step["due_features"])
    packages = plain_packages(name for feature in features for name in feature.get("packages") or ())
    parts: list[dict[str, Any]] = []
    if "interrupted" in words:
        parts.append({"file": "dpkg.yml", "label": "interrupted installation"})
    if lacks_python and not features and not check_mode:
        parts.append({"file": "python.yml", "label": "Python", "packages": []})
    for position, feature in enumerate(features):
        label = f"{feature['name']}: {feature.get('reason', '')}"
        services = [unit for later in features[position + 1 :] for unit in later.get("services") or ()]
        part = {"feature": feature, "services_above": services, "label": label}
        if feature.get("variables"):
            parts.append({**part, "file": "node_facts.yml"})
        first = {"install_python": True, "packages": packages} if lacks_python and position == 0 else {}
        parts.append({**part, "file": "feature.yml", "install_python": False, **first})
        if feature["name"] == step.get("leaves_layer_after") and not check_mode:
            parts.append({"file": "layer.yml", "label": f"layer after {feature['name']}"})
    if step.get("health_due"):
        parts.append({"file": "health.yml", "label": f"health check: {step['health_due']}"})
    if step.get("application_due"):
        parts.append({"file": "application.yml", "label": f"application: {step['application_due']}"})
    return in_turn(parts)


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"work_inside": work_inside}
