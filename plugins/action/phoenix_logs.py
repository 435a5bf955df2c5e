# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collects the logs of one container: the node's part by the module there, the controller's part here."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.auditline import of_container
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit import log_parts
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit.audit_reading import latest_lines
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.nodes import node_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.written_files import write_whole
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import own_variables
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.shown_text import one_line


class ActionModule(ActionBase):
    """The CTID names the folder; nothing that a container or a node answers names a path."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Collect, and write or return."""
        variables = task_vars or {}
        result = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec({"ctid": {"type": "int"}, "to": {"type": "str", "default": ""}})
        own = own_variables.of_task(variables)
        ctid = int(args["ctid"] if args["ctid"] is not None else own.get("phoenix_ctid") or 0)
        if ctid < 100:
            raise AnsibleActionFail("phoenix_logs: ctid: got none, expected the CTID of a container (100 or more)")
        by_token = node_of(self, variables)
        options = {"ctid": ctid}
        answer = by_token.logs(options) if by_token else self._execute_module(module_args=options, task_vars=variables)
        if answer.get("failed") or answer.get("unreachable"):
            return {**result, **answer}
        trail = of_container(latest_lines(), ctid, log_parts.MOST)
        found = {**(answer.get("parts") or {}), "controller": "".join(f"{line}\n" for line in trail)}
        parts = log_parts.safe(found)
        notes = [one_line(str(note), 400) for note in answer.get("notes") or ()]
        written = self._write(args["to"], ctid, parts) if args["to"].strip() else []
        lines = log_parts.lines(parts, notes, written)
        result.update(changed=False, parts=parts, notes=notes, files=written, lines=lines)
        return result

    def _write(self, to: str, ctid: int, parts: dict[str, str]) -> list[str]:
        folder = os.path.join(os.path.abspath(os.path.expanduser(to)), str(ctid))
        texts = {os.path.join(folder, name): text for name, text in log_parts.files(parts).items()}
        for path, text in texts.items():
            if self._task.check_mode:
                continue
            try:
                write_whole(path, text)
            except OSError as error:
                raise AnsibleActionFail(f"phoenix_logs_to: {path} can't be written: {error.strerror}") from None
        return list(texts)
