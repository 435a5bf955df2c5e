# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of the configuration files on their way to the node: read from the file when they are used, kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.api_entry import SOURCE
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.redaction import (
    CONTAINERS,
    HOST,
    SecretNotFoundError,
    references,
    resolved,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import (
    read_containers,
    read_hypervisor,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.moved_files import elsewhere

FILES = "phoenix_config_files"
"""The variable with the paths of the configuration files by kind, as the inventory source names them."""

_READERS = {HOST: read_hypervisor, CONTAINERS: read_containers}
_KINDS = (*_READERS, SOURCE)


class SecretAction(ActionBase):
    """Runs the module of the same name with the secrets that its options refer to.

    The module marks the options with `no_log`; here they are in the module's input and nowhere else.
    """

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Put the secrets into the options and run the module on the node."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        options = revealed(dict(self._task.args), self._loader, variables)
        result.update(self._execute_module(module_name=self._task.action, module_args=options, task_vars=variables))
        return result


def revealed(value: Any, loader: Any, variables: Mapping[str, Any]) -> Any:
    """Return `value` with the secrets in place of its references. Raises AnsibleActionFail."""
    kinds = sorted({str(found.get("file")) for found in references(value)})
    if not kinds:
        return value
    paths = {kind: _found(kind, variables) for kind in kinds}
    try:
        return resolved(value, {kind: _document(kind, path, loader) for kind, path in paths.items()}, paths)
    except SecretNotFoundError as error:
        raise AnsibleActionFail(str(error)) from None


def _document(kind: str, path: str, loader: Any) -> dict[str, Any]:
    """The file as the inventory plugin reads it."""
    try:
        if kind == SOURCE:
            found = loader.load_from_file(path, cache="none", trusted_as_template=True)
            return dict(found) if isinstance(found, Mapping) else {}
        # The loader decrypts. Its bytes, because only they tell where a file is not UTF-8.
        content, _plain = loader._get_file_contents(path)
        return _READERS[kind](parse(bytes(content)), load_schema(kind))
    except (AnsibleError, OSError, UnicodeError, ValueError) as error:
        # Nothing of the file may be in the text: its first line says what is wrong.
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise AnsibleActionFail(
            f"{path}: can't be read for the secrets of this task: {reason}; expected the file that the inventory was "
            "made of. Check its permissions, and the vault password if it is encrypted."
        ) from None


def _found(kind: str, variables: Mapping[str, Any]) -> str:
    """The file here: where the inventory found it, else at the same place below the project of this run.

    A controller such as AWX makes the inventory in another job, whose project may have lain elsewhere.
    """
    files = variables.get(FILES)
    named = str(files.get(kind) or "") if isinstance(files, Mapping) and kind in _KINDS else ""
    if not named:
        raise AnsibleActionFail(
            f"{FILES} names no {kind}; expected the variable of the inventory plugin phoenix.hypervisor.phoenix. "
            "Run with that inventory, or give the role its configuration with the secrets in it."
        )
    searched = [named, *elsewhere(named, variables)]
    for path in searched:
        if os.path.isfile(path):
            return path
    raise AnsibleActionFail(
        f"{named}: no such file on this controller; expected the file that the inventory was made of. Searched: "
        f"{', '.join(searched)}. Use a project that has the file at the same place below its folder."
    )
