#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_model_store
short_description: Manage the models of a hub in one folder of the node, for containers to mount
version_added: 0.1.0
description:
  - Downloads models from a hub (Hugging Face, or a mirror of it) or copies them from a folder of the node. A model
    appears in the store when every file has the hash that the hub announces.
  - This run or the next one continues an interrupted transfer at the byte that it had reached.
  - All users can read the files, because unprivileged containers have other user ids.
  - A complete model needs no request. Models outside of the list are kept and reported in RV(unlisted).
  - Needs nothing but Python's standard library on the node.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
options:
  path:
    description:
      - The folder. It belongs to this module alone.
      - One that has content of others already keeps its mode, and is refused when others can't read it.
    type: path
    required: true
  models:
    description:
      - The models, as the filter P(phoenix.hypervisor.host_config#filter) gives them, each with C(name), C(revision),
        C(source), C(include) and C(exclude).
    type: list
    elements: dict
    required: true
  endpoint:
    description: Address of the hub.
    type: str
    default: https://huggingface.co
  token:
    description: Token for the hub. It is sent to that address alone, and not in clear text.
    type: str
    default: ""
  update:
    description: Whether to ask the hub for a newer commit of models that are whole.
    type: bool
    default: false
  verify:
    description: Whether to read all files again and to compare their SHA-256.
    type: bool
    default: false
  lock_timeout:
    description: Seconds to wait while another run fetches.
    type: int
    default: 86400
"""

EXAMPLES = r"""
- name: Keep a model
  phoenix.hypervisor.phoenix_model_store:
    path: /srv/models
    models:
      - name: Qwen/Qwen3-8B
        revision: main
        source: ""
        include: []
        exclude: ["*.md"]
    token: "{{ hf_token }}"
"""

RETURN = r"""
models:
  description: What was fetched, or would be, each with C(name), C(reason), C(commit), C(files), C(bytes).
  returned: success
  type: list
  elements: dict
unlisted:
  description: Models in the store that the list doesn't have.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage.model_files import Model
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.models.model_store import Fetch, Store


def wanted(item: dict[str, Any]) -> Model:
    """One element of ``models``."""
    return Model(
        str(item["name"]),
        str(item.get("revision") or "main"),
        str(item.get("source") or ""),
        tuple(str(word) for word in item.get("include") or ()),
        tuple(str(word) for word in item.get("exclude") or ()),
    )


def work(module: AnsibleModule) -> dict[str, Any]:
    """Fetch what is due, and warn of what nothing needs."""
    params = module.params
    with failing(where=params["path"]):
        result = keep(params, module.check_mode)
    for name in result["unlisted"]:
        module.warn(f"{params['path']}/{name} is in the store and not in model_store: nothing needs it, and it is kept")
    return result


def keep(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Look what is due, and fetch it."""
    store = Store(params["path"], params["endpoint"], params["token"])
    models = [wanted(item) for item in params["models"]]

    def planned() -> list[Fetch]:
        found = (store.plan(model, params["update"], params["verify"]) for model in models)
        plans = [plan for plan in found if plan is not None]
        store.check_room(plans)
        return plans

    store.check()
    plans = planned()
    if plans and not check:
        store.prepare()
        with store.locked(params["lock_timeout"]):
            plans = planned()  # the run that was waited for may have fetched it
            for plan in plans:
                store.fetch(plan)
    names = {model.name for model in models}
    lines = [plan.line() for plan in plans]
    return {
        "changed": bool(plans),
        "models": [
            {
                "name": plan.model.name,
                "reason": plan.reason,
                "commit": plan.commit,
                "files": len(plan.missing),
                "bytes": plan.bytes,
            }
            for plan in plans
        ],
        "unlisted": [name for name in store.known() if name not in names],
        "diff": [{"prepared": "\n".join([f"{params['path']}:", *lines]) + "\n"}] if lines else [],
    }


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "path": {"type": "path", "required": True},
            "models": {"type": "list", "elements": "dict", "required": True},
            "endpoint": {"type": "str", "default": "https://huggingface.co"},
            "token": {"type": "str", "default": "", "no_log": True},
            "update": {"type": "bool", "default": False},
            "verify": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 86400},
        },
        work,
    )


if __name__ == "__main__":
    main()
