# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules that describe a wanted container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import states

START, STOP, SHUTDOWN, RESTART_IT = "start", "stop", "shutdown", "restart"
POWER = (START, STOP, SHUTDOWN, RESTART_IT)

# In the form of Ansible's argument_spec.
WANTED_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "ctid": {"type": "int", "required": True},
    "state": {"type": "str", "choices": list(states.TARGETS), "default": states.COMPLETED},
    "config": {"type": "dict", "default": {}},
    "features": {"type": "list", "elements": "dict", "default": []},
    "application": {"type": "dict"},
    "source": {"type": "dict"},
    "clone_snapshot": {"type": "str"},
    "inherited": {"type": "list", "elements": "str", "default": []},
    "classes": {"type": "list", "elements": "str", "default": []},
    "assignment": {"type": "str"},
    "adopt": {"type": "str", "choices": ["no", "record", "reapply"], "default": "no"},
    "confirm": {"type": "list", "elements": "int", "default": []},
    "recreate": {"type": "list", "elements": "int", "default": []},
    "force": {"type": "list", "elements": "str", "default": []},
    "forget": {"type": "list", "elements": "str", "default": []},
    "update": {"type": "str", "choices": ["begin", "end"]},
    "power": {"type": "str", "choices": list(POWER)},
    "layers": {"type": "dict"},
}
