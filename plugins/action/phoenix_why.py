# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shows why the next run does what it plans for containers, and writes it as JSON."""

from __future__ import annotations

import datetime
import json
import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.written_files import write_whole
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.status import why_text


class ActionModule(ActionBase):
    """Runs on the controller alone."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the lines, and write the file if one is named."""
        result = super().run(tmp, task_vars)
        _spec, args = self.validate_argument_spec(
            {
                "nodes": {"type": "list", "elements": "dict", "required": True},
                "without_node": {"type": "list", "elements": "str", "default": []},
                "path": {"type": "str", "default": ""},
            }
        )
        at = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        document = why_text.document(at, args["nodes"], args["without_node"])
        if args["path"].strip():
            path = os.path.abspath(os.path.expanduser(args["path"]))
            if not self._task.check_mode:
                try:
                    write_whole(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
                except OSError as error:
                    raise AnsibleError(f"phoenix_why_file: {path} can't be written: {error.strerror}") from None
            result["path"] = path
        lines: list[str] = []
        for why in document["containers"]:
            lines += [*([""] if lines else []), *why_text.lines(why)]
        result.update(changed=False, lines=lines)
        return result
