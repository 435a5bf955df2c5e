# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a container's host variables to what the modules on the node want to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

from . import application, features

Template = Callable[[Any], Any]


def search_of(variables: Mapping[str, Any]) -> features.Search:
    """Where features are looked for: beside the configuration and the playbook, then Ansible's own places."""
    folders = [str(variables.get(name) or "") for name in ("phoenix_config_dir", "playbook_dir")]
    return features.search_places(variables, folders)


def wanted(variables: Mapping[str, Any], template: Template, loader: DataLoader) -> dict[str, Any]:
    """The options of phoenix_lxc_state that follow from a container's variables. Raises AnsibleError with one text.

    The values are plain data afterwards: nothing of the configuration is ever templated.
    """
    config = dict(variables.get("phoenix_config") or {})
    names = [str(name) for name in config.get("features") or ()]
    key = str(template(variables.get("phoenix_digest_key", "")) or "").encode()
    try:
        listed = features.feature_set(names, variables, template, key, search_of(variables))
        work = application.application(variables, loader, template, key, listed)
    except (features.FeatureError, application.ApplicationError) as error:
        raise AnsibleError(f"container {variables.get('phoenix_ctid')}: {error}") from error
    return {
        "ctid": variables.get("phoenix_ctid"),
        "config": config,
        "features": [
            {name: feature[name] for name in ("name", "role", "digest", "components", "container")}
            for feature in listed
        ],
        "application": {name: work[name] for name in ("name", "digest", "components", "health")} if work else None,
        "state": str(template(variables.get("phoenix_target_state")) or config.get("target_state") or "completed"),
        "adopt": _adopt(variables, template),
    }


def _adopt(variables: Mapping[str, Any], template: Template) -> str:
    """``phoenix_adopt``: one word for every container, or a mapping from CTID to the word."""
    value = template(variables.get("phoenix_adopt", "no"))
    if isinstance(value, Mapping):
        value = value.get(str(variables.get("phoenix_ctid")), "no")
    if value is False:
        value = "no"  # YAML 1.1 reads a bare no as false
    if value not in ("no", "record", "reapply"):
        raise AnsibleError(f"phoenix_adopt: {value!r} is none of no, record, reapply")
    return str(value)
