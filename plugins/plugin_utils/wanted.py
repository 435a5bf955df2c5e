# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a container's host variables to what the modules on the node want to know of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

from . import application, features, own_variables

Template = Callable[[Any], Any]
_OF_A_FEATURE = ("name", "role", "digest", "components", "container", "services", "check", "network")


def templates_of(templar: Any, hostvars: Any) -> Callable[[Mapping[str, Any]], Template]:
    """What `wanted` takes for its templates, from an action plugin's templar and all hosts' variables."""

    def template(variables: Mapping[str, Any]) -> Template:
        # Jinja takes no view of a host's variables; a plain mapping with the templates in it is what it wants.
        if not isinstance(variables, dict):
            variables = {**hostvars.raw_get(str(variables["phoenix_ctid"])), "hostvars": hostvars}
        made: Template = templar.copy_with_new_env(available_variables=variables).template
        return made

    return template


def search_of(variables: Mapping[str, Any]) -> features.Search:
    """Where features are looked for: beside the configuration and the playbook, then Ansible's own places."""
    folders = [str(variables.get(name) or "") for name in ("phoenix_config_dir", "playbook_dir")]
    return features.search_places(variables, folders)


def wanted(
    variables: Mapping[str, Any],
    templates: Callable[[Mapping[str, Any]], Template],
    loader: DataLoader,
    hostvars: Mapping[str, Any] | None = None,
    in_play: Collection[str] = (),
) -> dict[str, Any]:
    """The options of phoenix_lxc_state that follow from a container's variables. Raises AnsibleError with one text.

    ``templates`` gives the templating of a container by its variables: a role's default is a template over those of the
    container that it is applied in, not of the host whose task asks.

    ``in_play`` are the containers that this run works on: a clone source among them is described too, so that a plan
    can be made before it exists. The values are plain data; nothing of the configuration is ever templated.
    """
    own_variables.check(variables)
    template = templates(variables)
    config = dict(variables.get("phoenix_config") or {})
    names = [str(name) for name in config.get("features") or ()]
    source = str(config["clone_from_ctid"]) if config.get("clone_from_ctid") is not None else None
    known = hostvars is not None and source is not None and source in hostvars
    parent = own_variables.of_host(hostvars, source) if known else None
    key = str(template(variables.get("phoenix_digest_key", "")) or "").encode()
    try:
        stack = features.feature_set(
            names, variables, template, key, search_of(variables), inherited(variables, hostvars)
        )
        work = application.application(variables, loader, template, key, stack)
    except (features.FeatureError, application.ApplicationError) as error:
        raise AnsibleError(f"container {variables.get('phoenix_ctid')}: {error}") from error
    result = {
        "ctid": variables.get("phoenix_ctid"),
        "config": config,
        "features": [{name: feature[name] for name in _OF_A_FEATURE} for feature in stack if feature["listed"]],
        "classes": sorted({device for feature in stack for device in feature["container"]["devices"]}),
        "assignment": assignment(variables, hostvars),
        "inherited": [feature["name"] for feature in stack if not feature["listed"]],
        "application": {name: work[name] for name in ("name", "digest", "components", "health")} if work else None,
        "state": str(template(variables.get("phoenix_target_state")) or config.get("target_state") or "completed"),
        "adopt": _adopt(variables, template),
        "confirm": _confirmed(variables, template),
        "recreate": _recreated(variables, template, hostvars),
    }
    if parent is not None:
        result["clone_snapshot"] = (parent.get("phoenix_config") or {}).get("template_snapshot_name")
        if source in in_play:
            result["source"] = wanted(parent, templates, loader, hostvars, in_play)
    return result


def _confirmed(variables: Mapping[str, Any], template: Template) -> list[int]:
    """``phoenix_destroy_confirm``: the CTIDs that may be destroyed, as a list or with commas between them."""
    value = template(variables.get("phoenix_destroy_confirm") or [])
    items = value if isinstance(value, (list, tuple)) else str(value).split(",")
    return [int(item) for item in items if str(item).strip().isdigit()]


def _recreated(variables: Mapping[str, Any], template: Template, hostvars: Mapping[str, Any] | None) -> list[int]:
    """``phoenix_recreate_ctids``: the CTIDs to destroy and make anew, a list or with commas between; each one known."""
    value = template(variables.get("phoenix_recreate_ctids") or [])
    items = value if isinstance(value, (list, tuple)) else str(value).split(",")
    names = [str(item).strip() for item in items]
    for name in names:
        if not name.isdigit() or (hostvars is not None and name not in hostvars):
            raise AnsibleError(f"phoenix_recreate_ctids: {name!r} is no container of the inventory; name exact CTIDs")
    return [int(name) for name in names]


def inherited(variables: Mapping[str, Any], hostvars: Mapping[str, Any] | None) -> list[str]:
    """The features of the clone sources, lowest first: they lie under the container's own."""
    names: list[str] = []
    for ctid in [str(item) for item in variables.get("phoenix_lineage") or ()]:
        if hostvars is None or ctid == str(variables.get("phoenix_ctid")) or ctid not in hostvars:
            continue
        config = own_variables.of_host(hostvars, ctid).get("phoenix_config") or {}
        names += [str(name) for name in config.get("features") or () if str(name) not in names]
    return names


def assignment(variables: Mapping[str, Any], hostvars: Mapping[str, Any] | None) -> str | None:
    """The container's ``gpu_assignment``, else that of the nearest clone source; None for all GPUs."""
    config = variables.get("phoenix_config") or {}
    seen: set[str] = set()
    while config.get("gpu_assignment") is None:
        source = str(config.get("clone_from_ctid"))
        if hostvars is None or source in seen or source not in hostvars:
            return None
        seen.add(source)
        config = own_variables.of_host(hostvars, source).get("phoenix_config") or {}
    return str(config["gpu_assignment"])


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
