# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which nodes are reached by an API token. What speaks to their API is loaded for those alone: that takes 0.2 s."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..config.files.secret_values import revealed
from .access import access_of, entry_of

if TYPE_CHECKING:
    from .by_token import TokenNode


def node_of(action: ActionBase, task_vars: Mapping[str, Any], node: str = "") -> TokenNode | None:
    """Return the node of a task where it is reached by a token, None where it is reached in another way.

    Args:
        action: the task's action plugin.
        task_vars: the task's variables.
        node: its name, where it is not the one that the task is delegated to.

    Raises AnsibleActionFail where the entry lacks something, or the controller lacks proxmoxer.
    """
    name = node or str(action._task.delegate_to or task_vars.get("inventory_hostname"))
    hostvars = task_vars.get("hostvars") or {}
    if name not in hostvars:
        return None
    if entry_of(getattr(hostvars, "raw_get", hostvars.__getitem__)(name)) is None:
        return None
    variables = hostvars[name]

    def reveal(value: Any) -> Any:
        # Its template may name variables of the node, which another host's task does not have. Jinja takes no view.
        own = {**task_vars, **getattr(hostvars, "raw_get", hostvars.__getitem__)(name), "hostvars": hostvars}
        templar = action._templar.copy_with_new_env(available_variables=own)
        return templar.template(revealed(value, action._loader, task_vars))

    at = access_of(name, entry_of(variables) or {}, reveal, str(variables.get("ansible_host") or ""))
    if not at.verified:
        Display().warning(f"node {name}: its certificate is not verified (validate_certs of the entry api is false)")
    made: TokenNode = importlib.import_module(f"{__package__}.by_token").TokenNode(
        at, variables.get("phoenix_guest_ssh")
    )
    return made
