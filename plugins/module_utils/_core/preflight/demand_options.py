# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules that check what a run demands of its node, in the form of Ansible's argument_spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..container.asked_options import WANTED_OPTIONS
from ..gpu.servers import SERVER_OPTIONS

# One container. Four of them are those of phoenix_lxc_state.
CANDIDATE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    **{name: WANTED_OPTIONS[name] for name in ("ctid", "config", "classes", "assignment")},
    "plan": {"type": "dict", "required": True},
    "servers": {"type": "list", "elements": "dict", "options": SERVER_OPTIONS, "default": []},
    "outside": {"type": "list", "elements": "int", "default": []},
    "layer_storage": {"type": "str", "default": ""},
}
# What the check needs beside them.
DEMAND_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "coming": {"type": "list", "elements": "str", "default": []},
    "neighbors": {
        "type": "list",
        "elements": "dict",
        "options": {"ctid": {"type": "int", "required": True}, "share": {"type": "float", "required": True}},
        "default": [],
    },
    "credential": {"type": "str", "default": "root@pam"},
}
# Where the containers are those that are planned for in the same call: what the plans do not say.
PREFLIGHT_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    **DEMAND_OPTIONS,
    "needs": {
        "type": "list",
        "elements": "dict",
        "options": {name: CANDIDATE_OPTIONS[name] for name in ("ctid", "classes", "assignment", "servers", "outside")},
        "default": [],
    },
}
