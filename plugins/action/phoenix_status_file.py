# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the status of the fleet as a file of the controller: JSON, or a page of HTML."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.audit.audit_reading import latest_lines
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.wanted import assignment, search_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import feature_errors, manifests
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.written_files import write_whole
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.status.fleet_status import document
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.status.page import page
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import own_variables


class ActionModule(ActionBase):
    """Runs on the controller alone."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the file."""
        variables = task_vars or {}
        result = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(
            {
                "nodes": {"type": "list", "elements": "dict", "required": True},
                "without_node": {"type": "list", "elements": "str", "default": []},
                "path": {"type": "str", "required": True},
            }
        )
        path = os.path.abspath(os.path.expanduser(args["path"]))
        at = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        hosts = [str(host) for host in variables.get("ansible_play_hosts_all") or ()]
        known = {host: _known(variables["hostvars"], host) for host in hosts}
        status = document(at, args["nodes"], args["without_node"], known, latest_lines())
        is_json = path.endswith(".json")
        text = json.dumps(status, indent=2, ensure_ascii=False) + "\n" if is_json else page(status)
        if not self._task.check_mode:
            try:
                write_whole(path, text)
            except OSError as error:
                raise AnsibleError(f"phoenix_status_file: {path} can't be written: {error.strerror}") from None
        result.update(changed=False, path=path, status=status)
        return result


def _known(hostvars: Mapping[str, Any], host: str) -> dict[str, Any]:
    """What the inventory knows of a container."""
    variables = own_variables.of_host(hostvars, host)
    config = variables.get("phoenix_config") or {}
    shares: list[float] = []
    names = [str(name) for name in config.get("features") or ()]
    try:
        servers = manifests.servers(names, search_of(variables))
        shares = [share for share in (server.share(config) for server in servers) if share is not None]
    except feature_errors.FeatureError:
        pass  # the check of the configuration reports it
    gpus = assignment(variables, hostvars)
    return {
        "source": config.get("clone_from_ctid"),
        "node": variables.get("phoenix_node"),
        "gpus": gpus if gpus not in (None, "none") else ("all" if shares and gpus is None else ""),
        "share": sum(shares) if shares else None,
    }
