# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schemas of the two files, read from the collection.

The one place that does, so that validation stays free of input and output.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA_DIRECTORY = Path(__file__).resolve().parent.parent / "schemas"


@cache
def load_schema(kind: str) -> dict[str, Any]:
    """The schema of a kind of file: `phoenix_lxc_configs` or `hypervisor_config`.

    Raises OSError when the collection is incomplete.
    """
    schema: dict[str, Any] = json.loads((SCHEMA_DIRECTORY / f"{kind}.schema.json").read_text(encoding="utf-8"))
    return schema
