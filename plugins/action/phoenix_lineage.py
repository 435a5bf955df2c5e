# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers of one run tell each other how they ended, by marks in the run's own temporary directory."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import lineage

OUTCOMES = ("finished", "skipped")


class ActionModule(ActionBase):
    """Waits for a clone source, or notifies the clones of this one."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Tell, or wait for one slice."""
        result = super().run(tmp, task_vars)
        _spec, args = self.validate_argument_spec(
            {
                "tell": {"type": "str", "choices": list(OUTCOMES)},
                "source": {"type": "str"},
                "seconds": {"type": "float", "default": 5.0},
            },
            required_one_of=[["tell", "source"]],
        )
        if args["tell"]:
            lineage.end(_safe(str((task_vars or {}).get("inventory_hostname", ""))), args["tell"])
        if args["source"]:
            result["outcome"] = lineage.outcome_of(_safe(args["source"]), args["seconds"])
            result["source"] = args["source"]
        result["changed"] = False
        return result


def _safe(name: str) -> str:
    """An inventory name as a file name."""
    if not lineage.is_name(name):
        raise AnsibleActionFail(f"not a container's inventory name: {name!r}")
    return name
