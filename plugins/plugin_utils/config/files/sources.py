# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One inventory source of the plugin in a run: what it says for all hosts and containers is said once."""

from __future__ import annotations

import os
import weakref
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding

_FIRST: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
"""An inventory that is being read -> its first source of the plugin."""


def second_source(inventory: Any, path: str) -> list[Finding]:
    """Return a finding when the plugin has read another source into the same inventory."""
    first = _FIRST.setdefault(inventory, os.path.realpath(path))
    if first == os.path.realpath(path):
        return []
    got = f"a second inventory source of this plugin, after {first}"
    remedy = "Run once for each source, or put the containers into one file and all nodes into one source."
    return [Finding(os.path.basename(path), (), got, "one source in a run", remedy)]
