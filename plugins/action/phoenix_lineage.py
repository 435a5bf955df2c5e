# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers of one run tell each other how they ended, by marks in the run's own temporary directory."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

OUTCOMES = ("finished", "skipped")


class ActionModule(ActionBase):
    """Waits for a clone source, or tells the clones of this one."""

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
        # Ansible makes this directory anew for each run, for this user only, and its workers share it.
        marks = os.path.join(constants.DEFAULT_LOCAL_TMP, "phoenix_lineage")
        os.makedirs(marks, mode=0o700, exist_ok=True)
        if args["tell"]:
            name = str((task_vars or {}).get("inventory_hostname", ""))
            self._mark(os.path.join(marks, _safe(name)), args["tell"])
        if args["source"]:
            result["outcome"] = self._wait(os.path.join(marks, _safe(args["source"])), args["seconds"])
        result["changed"] = False
        return result

    @staticmethod
    def _mark(path: str, outcome: str) -> None:
        with open(f"{path}.new", "w", encoding="ascii") as file:
            file.write(outcome)
        os.rename(f"{path}.new", path)

    @staticmethod
    def _wait(path: str, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while True:
            try:
                with open(path, encoding="ascii") as file:
                    return file.read()
            except FileNotFoundError:
                if time.monotonic() > deadline:
                    return "waiting"
            time.sleep(0.1)


def _safe(name: str) -> str:
    """An inventory name as a file name."""
    if not name or "/" in name or name.startswith("."):
        raise AnsibleActionFail(f"not a container's inventory name: {name!r}")
    return name
