# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the task files that what is due inside a container takes, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import status_rows
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
  - In check mode without Python inside, no role can predict anything, so the features are left out. So is everything of
    a container that does not run.
  - The last of them records the end; after a layer with which everything has ended, a part of its own does.
  - A call that has only named the files to include first, as C(first), has these.
positional: _input
options:
  _input:
    description: The result of M(phoenix.hypervisor.phoenix_lxc_state).
    type: dict
    required: true
  check_mode:
    description: Whether this is a dry run.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Do what is due
  ansible.builtin.include_tasks: "{{ phoenix_part.file }}"
  loop: "{{ phoenix_step | phoenix.hypervisor.work_inside(ansible_check_mode) }}"
  loop_control:
    loop_var: phoenix_part
"""

RETURN = r"""
_value:
  description:
    - The parts, each with C(file), C(label), and C(after), which keeps their order in a loop. One that installs Python
      has C(packages), the packages of all features that are due, which come in the same transaction.
    - That of a feature also has C(feature), as RV(phoenix.hypervisor.phoenix_lxc_state#module:due_features) has it,
      C(services_above), the services of the features after it, C(next), the feature that begins when it has ended, and
      C(last), whether everything has ended with it.
  type: list
  elements: dict
"""


def work_inside(step: Mapping[str, Any], check_mode: bool = False) -> list[dict[str, Any]]:
    """Return the parts of what is due, in order."""
    if step.get("first"):
        return in_turn([{"file": file, "label": file} for file in step["first"]])
    parts: list[dict[str, Any]] = [{"file": "notes.yml", "label": "notes"}] if status_rows.notes(step) else []
    if step.get("running"):
        parts += _inside(step, check_mode)
    return in_turn(parts)


def _inside(step: Mapping[str, Any], check_mode: bool) -> list[dict[str, Any]]:
    lacks_python = not step.get("has_python")
    features = [] if check_mode and lacks_python else list(step["due_features"])
    packages = plain_packages(name for feature in features for name in feature.get("packages") or ())
    after = []
    if step.get("health_due"):
        after.append({"file": "health.yml", "label": f"health check: {step['health_due']}"})
    if step.get("application_due"):
        after.append({"file": "application.yml", "label": f"application: {step['application_due']}"})
    parts: list[dict[str, Any]] = []
    if step.get("interrupted"):
        parts.append({"file": "dpkg.yml", "label": "interrupted installation"})
    if lacks_python and after and not features and not check_mode:
        parts.append({"file": "python.yml", "label": "Python", "packages": []})
    for position, feature in enumerate(features):
        label = f"{feature['name']}: {feature.get('reason', '')}"
        later = features[position + 1 :]
        services = [unit for one in later for unit in one.get("services") or ()]
        part = {"feature": feature, "services_above": services, "label": label}
        if feature.get("variables"):
            parts.append({**part, "file": "node_facts.yml"})
        if lacks_python and position == 0:
            parts.append({"feature": feature, "packages": packages, "file": "feature_python.yml", "label": "Python"})
        # A layer has what is applied by then and nothing that has begun.
        leaves_layer = feature["name"] == step.get("leaves_layer_after") and not check_mode
        following = {"next": later[0] if later else {}}
        more = {"next": {}, "last": False} if leaves_layer else {**following, "last": not later and not after}
        parts.append({**part, **more, "file": "feature.yml"})
        if leaves_layer:
            parts.append({**following, "file": "layer.yml", "label": f"layer after {feature['name']}"})
    ends = parts and parts[-1]["file"] == "layer.yml" and not after
    last = [{"file": "end.yml", "label": "end"}] if ends and not check_mode else []
    return [*parts, *after, *last]


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"work_inside": work_inside}
