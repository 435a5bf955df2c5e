# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container's application is made of, on the controller: script, environment, health check, digest."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import digest as core_digest
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import environment as core
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.contained import folder_of, is_below
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.moved_files import moved
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.role_digests import effective_value

DEFAULT_TIMEOUT = 3600
HEALTH_KEYS = ("command", "retries", "interval", "timeout")


class ApplicationError(ValueError):
    """A container's application can't be used as it is written down; the text says why."""


def script_path(variables: Mapping[str, Any]) -> str:
    """Return the path of the application script of a container by its host variables; an empty text without one.

    The inventory has found it already, maybe in another checkout of the project. Raises ApplicationError when it is
    gone, or was never there.
    """
    found = variables.get("phoenix_application")
    path = str(found.get("path") or "") if isinstance(found, Mapping) else ""
    path = moved(path, variables)
    named = (variables.get("phoenix_config") or {}).get("application_script")
    if not path and named:
        raise ApplicationError(f"application_script {named} was not found beside the configuration")
    if path and not os.path.isfile(path):
        raise ApplicationError(f"application script {path} is not there")
    folder = folder_of(path, str(found.get("name") or "") if isinstance(found, Mapping) else "")
    if path and not is_below(path, folder):
        raise ApplicationError(f"application script {outside(path, folder)}")
    return path


def outside(path: str, folder: str) -> str:
    """Return what is wrong with a script that a link brings in from elsewhere."""
    return (
        f"{path} leads to {os.path.realpath(path)}, outside of the folder {folder} in which it was found. Copy the "
        "script into that folder, or name its own folder in application_path of the inventory source"
    )


def read_script(path: str, loader: DataLoader) -> bytes:
    """Return a script's content, decrypted when it is encrypted by Ansible Vault. Raises ApplicationError."""
    try:
        with open(loader.get_real_file(path), "rb") as file:
            return file.read()
    except Exception as error:  # noqa: BLE001 - whatever Vault raises; its words are in the message
        raise ApplicationError(f"can't read application script {path}: {error}") from None


def health_check(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the health check of a container's configuration as the module takes it, or None without one."""
    found = config.get("health_check")
    if not isinstance(found, Mapping) or not found.get("command"):
        return None
    return {key: found[key] for key in HEALTH_KEYS if found.get(key) is not None}


def application(
    variables: Mapping[str, Any],
    loader: DataLoader,
    template: Callable[[Any], Any] | None = None,
    key: bytes = b"",
    features: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any] | None:
    """Return the application of a container, or None for one with neither script nor health check.

    features: what feature_set returned for it; a changed feature runs the script again. The result has name, path,
    digest, components (for explain) and health (bool). The values of phoenix_application_env enter the digest as HMACs
    with `key`. Raises ApplicationError.
    """
    config = variables.get("phoenix_config") or {}
    path, health = script_path(variables), health_check(config)
    if not path and not health:
        return None
    content = read_script(path, loader) if path else b""
    own, _vaulted = effective_value(variables.get("phoenix_application_env") or {}, template)
    names = [str(name) for name in config.get("features") or ()]
    name, node = str(variables.get("phoenix_name", "")), str(variables.get("phoenix_node", ""))
    given = core.environment(config, int(variables["phoenix_ctid"]), name, node, names)
    counted: dict[str, Any] = dict(core_digest.script_variables(content, given))
    # A script that reads the whole configuration is to run again for any change of it.
    if b"PHOENIX_CONFIG" in content:
        counted["PHOENIX_CONFIG"] = {name: value for name, value in config.items() if name != "health_check"}
    try:
        secrets = core.user_environment(runvariables.value_of("phoenix_application_env", own, {}))
        files = core_digest.sha256(content) if path else "no script"
        under = [(str(feature["name"]), str(feature["digest"])) for feature in features]
        parts = core_digest.components(files, {**counted, **secrets}, [n for n, v in secrets.items() if v], key, under)
    except runvariables.RunVariableError as error:
        raise ApplicationError(str(error)) from None
    except (ValueError, TypeError) as error:
        raise ApplicationError(f"phoenix_application_env: {error}") from None
    return {
        "name": os.path.basename(path) if path else "health check",
        "path": path,
        "digest": core_digest.digest(parts),
        "components": parts,
        "health": bool(health),
    }


def longest(args: Mapping[str, Any]) -> int:
    """Return the seconds that phoenix_application may take with these arguments, by its own time-outs.

    It waits for an earlier run's script as long as for its own. Raises ValueError or TypeError for what is no number.
    """
    seconds = 2 * float(args.get("timeout") or 3600) if args.get("script") else 0.0
    health = args.get("health_check") or {}
    if health:
        retries = int(health.get("retries", 3))
        seconds += (retries + 1) * (float(health.get("timeout", 30)) + 1) + retries * float(health.get("interval", 10))
    return int(seconds) + 120
