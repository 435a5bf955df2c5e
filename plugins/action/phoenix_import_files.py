# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes what was read from the nodes as the two JSON files, on the controller."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.importing.assembled import (
    Assembled,
    ImportConflictError,
    assemble,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.written_files import read_text, write_whole
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.shown_text import one_line

_LONGEST = 400  # characters of a note: it may hold what a container's root has written


class ActionModule(ActionBase):
    """Runs on the controller alone."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write both files, or neither."""
        variables = task_vars or {}
        result = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(
            {
                "found": {"type": "list", "elements": "dict", "required": True},
                "ctids": {"type": "list", "elements": "int", "default": []},
                "to": {"type": "str", "required": True},
                "overwrite": {"type": "bool", "default": False},
            }
        )
        nodes = tuple(str(name) for name in (variables.get("groups") or {}).get("hypervisors") or ())
        found = {str(item["phoenix_one_node"]): item for item in args["found"]}
        made = _assembled(found, nodes)
        missing = sorted(
            set(map(str, args["ctids"])) - {ctid for item in found.values() for ctid in item["containers"]}
        )
        if missing:
            raise AnsibleError(
                f"phoenix_import_ctids: container {', '.join(missing)} does not exist on {', '.join(nodes)}; nothing "
                "is written. Name existing containers"
            )
        folder = os.path.abspath(os.path.expanduser(args["to"]))
        texts = {os.path.join(folder, name): text for name, text in made.texts().items()}
        before = {path: _before(path) for path in texts}
        changed = [path for path, text in texts.items() if before[path] != text]
        taken = [path for path in changed if before[path] is not None]
        if taken and not args["overwrite"]:
            raise AnsibleError(
                f"{', '.join(taken)} exists with other content; nothing is written. Choose another folder with "
                "-e phoenix_import_to=FOLDER, or replace the files with -e phoenix_import_overwrite=true"
            )
        if not self._task.check_mode:
            for path in changed:
                try:
                    write_whole(path, texts[path])
                except OSError as error:
                    raise AnsibleError(f"{path} can't be written: {error.strerror}") from None
        result.update(changed=bool(changed), files=list(texts), notes=[one_line(note, _LONGEST) for note in made.notes])
        result["containers"] = list(made.containers["lxc_configs"])
        if self._task.diff:
            result["diff"] = [
                {"before": before[path] or "", "after": texts[path], "before_header": path, "after_header": path}
                for path in changed
            ]
        return result


def _assembled(found: Mapping[str, Mapping[str, Any]], nodes: tuple[str, ...]) -> Assembled:
    try:
        return assemble(found, nodes, (load_schema("phoenix_lxc_configs"), load_schema("hypervisor_config")))
    except ImportConflictError as error:
        raise AnsibleError(f"{error}; nothing is written") from None


def _before(path: str) -> str | None:
    try:
        return read_text(path)
    except OSError as error:
        raise AnsibleError(f"{path} can't be read: {error.strerror}; nothing is written") from None
