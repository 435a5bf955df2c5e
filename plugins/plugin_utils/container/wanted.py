# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a container's host variables to what the modules on the node want to know of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import (
    features as core_features,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables

from ..features import feature_errors, manifests, moved_files
from ..untrusted import own_variables
from . import application_files

Template = Callable[[Any], Any]
_OF_A_FEATURE = (
    "name",
    "role",
    "digest",
    "components",
    "container",
    "services",
    "packages",
    "check",
    "network",
    "layer",
    "judged",
)


def templates_of(templar: Any, hostvars: Any) -> Callable[[Mapping[str, Any]], Template]:
    """What `wanted` takes for its templates, from an action plugin's templar and all hosts' variables."""

    def own(variables: Mapping[str, Any]) -> Mapping[str, Any]:
        # Jinja takes no view of a host's variables; a plain mapping with the templates in it is what it wants.
        if isinstance(variables, dict):
            return variables
        return {**hostvars.raw_get(str(variables["phoenix_ctid"])), "hostvars": hostvars}

    def template(variables: Mapping[str, Any]) -> Template:
        made: list[Template] = []

        def lazily(value: Any) -> Any:
            # Most containers have nothing to be templated, and a whole set of variables is made for it.
            if not made:
                made.append(templar.copy_with_new_env(available_variables=own(variables)).template)
            return made[0](value)

        return lazily

    return template


def search_of(variables: Mapping[str, Any]) -> manifests.Search:
    """Where features are looked for: beside the configuration and the playbook, then Ansible's own places."""
    folders = [moved_files.config_folder(variables), str(variables.get("playbook_dir") or "")]
    return manifests.search_places(variables, folders)


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
    parent = None
    if hostvars is not None and source is not None and source in hostvars:
        parent = own_variables.of_host(hostvars, source)
    key = str(_given("phoenix_digest_key", variables, template, "")).encode()
    try:
        stack = manifests.feature_set(
            names, variables, template, key, search_of(variables), inherited(variables, hostvars)
        )
        work = application_files.application(variables, loader, template, key, stack)
    except (feature_errors.FeatureError, application_files.ApplicationError) as error:
        raise AnsibleError(f"container {variables.get('phoenix_ctid')}: {error}") from None
    gpu_assignment = assignment(variables, hostvars)
    result = {
        "ctid": variables.get("phoenix_ctid"),
        "config": config,
        "features": [{name: feature[name] for name in _OF_A_FEATURE} for feature in stack if feature["listed"]],
        "classes": core_features.device_classes((feature["container"] for feature in stack), gpu_assignment),
        "assignment": gpu_assignment,
        "inherited": [feature["name"] for feature in stack if not feature["listed"]],
        "application": {name: work[name] for name in ("name", "digest", "components", "health")} if work else None,
        "state": _given("phoenix_target_state", variables, template) or config.get("target_state") or "completed",
        "adopt": _adopt(variables, template),
        "confirm": _given("phoenix_destroy_confirm", variables, template, []),
        "recreate": _recreated(variables, template, hostvars),
        **_steered(variables, template, names, bool(work)),
    }
    if variables.get("phoenix_layers"):
        result["layers"] = dict(variables["phoenix_layers"])
    if variables.get("phoenix_guest_ssh"):
        named = _given("phoenix_new_host_key_ctids", variables, template, [])
        result["new_host_key"] = str(variables.get("phoenix_ctid")) in map(str, named)
    if parent is not None:
        result["clone_snapshot"] = (parent.get("phoenix_config") or {}).get("template_snapshot_name")
        if source in in_play:
            result["source"] = wanted(parent, templates, loader, hostvars, in_play)
    return result


def _given(name: str, variables: Mapping[str, Any], template: Template, default: Any = None) -> Any:
    """A variable of the run in its one form."""
    given = variables.get(name)
    try:
        return runvariables.value_of(name, None if given is None else template(given), default)
    except runvariables.RunVariableError as error:
        raise AnsibleError(str(error)) from None


def _recreated(variables: Mapping[str, Any], template: Template, hostvars: Mapping[str, Any] | None) -> list[int]:
    """``phoenix_recreate_ctids``: the CTIDs to destroy and to recreate, each one known."""
    ctids: list[int] = _given("phoenix_recreate_ctids", variables, template, [])
    for ctid in ctids:
        if hostvars is not None and str(ctid) not in hostvars:
            raise AnsibleError(
                f"phoenix_recreate_ctids: '{ctid}' is not a container of the inventory; name exact CTIDs"
            )
    return ctids


def _steered(
    variables: Mapping[str, Any], template: Template, features: Collection[str], has_application: bool
) -> dict[str, list[str]]:
    """``phoenix_force`` and ``phoenix_forget``: what of them is meant for this container."""
    own = {*features, *(["application"] if has_application else [])}
    force = [name for name in _given("phoenix_force", variables, template, []) if name in own]
    named = _given("phoenix_forget_ctids", variables, template, [])
    consents = str(variables.get("phoenix_ctid")) in map(str, named)
    return {"force": force, "forget": _given("phoenix_forget", variables, template, []) if consents else []}


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
        source = str(config.get("clone_from_ctid") or "")
        if hostvars is None or not source or source in seen or source not in hostvars:
            return None
        seen.add(source)
        config = own_variables.of_host(hostvars, source).get("phoenix_config") or {}
    return str(config["gpu_assignment"])


def _adopt(variables: Mapping[str, Any], template: Template) -> str:
    """``phoenix_adopt``: one word for every container, or a mapping from CTID to the word."""
    value = _given("phoenix_adopt", variables, template, "no")
    return str(value.get(str(variables.get("phoenix_ctid")), "no") if isinstance(value, Mapping) else value)
