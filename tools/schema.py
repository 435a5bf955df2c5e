#!/usr/bin/env python3
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the keys of the registry of container options into the schema file; what no row of it has is written by hand.

`tools/docs.py` calls it, with --check as well.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KIND = 'phoenix_lxc_configs'
TABLE = 'ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry.table'


def merged(properties: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties with the pieces of the registry; a new key stands behind the one before it there."""
    result = dict(properties)
    before = None
    for name, piece in keys.items():
        if name not in result:
            names = list(result)
            place = names.index(before) + 1 if before else 0
            result = {each: result.get(each) for each in [*names[:place], name, *names[place:]]}
        result[name] = piece
        before = name
    return result


def renewed(text: str, keys: Mapping[str, Any]) -> str:
    """Return the text of the schema file with the pieces of the registry."""
    schema = json.loads(text)
    container = schema['$defs']['container']
    container['properties'] = merged(container['properties'], keys)
    return json.dumps(schema, indent=2, ensure_ascii=False) + '\n'


def renew(root: Path, *, write: bool) -> list[Path]:
    """Return the schema file if it is out of date, after writing it if `write`; the collection must be importable."""
    path = next((root / 'plugins').rglob(f'{KIND}.schema.json'))
    text = path.read_text(encoding='utf-8')
    made = renewed(text, importlib.import_module(TABLE).keys())
    if made == text:
        return []
    if write:
        path.write_text(made, encoding='utf-8')
    return [path]
