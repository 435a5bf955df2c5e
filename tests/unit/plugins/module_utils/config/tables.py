# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/configuration.md, made from the schemas. As a script, with the page's path, it renews them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NOT_ACTED_ON = "accepted, not acted on"
ENVIRONMENT = "environment of the application script"
_DISRUPTS = "x-phoenix-disrupts"
_MARK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def keys(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All keys of a schema with their pieces, those inside objects and lists too."""
    for key, piece in node.get("properties", {}).items():
        if not isinstance(piece, dict):
            continue
        name = f"{path}.{key}" if path else key
        yield name, piece
        yield from _below(piece, name)


def _below(piece: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    others = piece.get("additionalProperties")
    if "$ref" not in piece and not (isinstance(others, dict) and "$ref" in others):
        yield from keys(piece, name)
        if isinstance(others, dict):
            yield from _below(others, f"{name}.*")
    if isinstance(piece.get("items"), dict):
        yield from _below(piece["items"], f"{name}[]")
    for branch in piece.get("anyOf", ()):
        if branch.get("type") != "object" or not any(other.get("items") == branch for other in piece["anyOf"]):
            yield from _below({"items": branch["items"]} if "items" in branch else branch, name)


def type_of(piece: Mapping[str, Any]) -> str:
    """The type of a key as the table says it."""
    if "enum" in piece:
        return ", ".join(f"`{item}`" for item in piece["enum"])
    kinds = piece.get("type") or [kind for branch in piece.get("anyOf", ()) for kind in [branch["type"]]]
    kinds = [kinds] if isinstance(kinds, str) else kinds or ["object"]
    text = " or ".join({"string": "text", "array": "list"}.get(kind, kind) for kind in dict.fromkeys(kinds))
    return f"{text} ({piece['x-phoenix-unit']})" if "x-phoenix-unit" in piece else text


def table(schema: Mapping[str, Any]) -> str:
    """The table of all keys below a schema."""
    found = list(keys(schema))
    more = any(_DISRUPTS in piece for _name, piece in found)
    titles = ["Key", "Type", "Default", "Meaning", "Effect", *(["Disrupts"] if more else [])]
    rows = ["| " + " | ".join(titles) + " |", "| " + " | ".join(["---"] * len(titles)) + " |"]
    for name, piece in found:
        default = f"`{json.dumps(piece['default'])}`" if "default" in piece else ""
        cells = (f"`{name}`", type_of(piece), default, piece["description"], piece.get("x-phoenix-effect", ""))
        cells += (piece.get(_DISRUPTS, ""),) if more else ()
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def tables(folder: Path) -> dict[str, str]:
    """The tables by the name that stands in the page."""
    containers = json.loads((folder / "phoenix_lxc_configs.schema.json").read_text(encoding="utf-8"))
    host = json.loads((folder / "hypervisor_config.schema.json").read_text(encoding="utf-8"))
    return {"top": table(containers), "container": table(containers["$defs"]["container"]), "hypervisor": table(host)}


def renewed(page: str, folder: Path) -> str:
    """The page with the tables as the schemas have them now."""
    made = tables(folder)
    return _MARK.sub(lambda match: match[1] + made[match[2]] + match[3], page)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    schemas = target.resolve().parent.parent / "plugins" / "module_utils" / "_config" / "schemas"
    target.write_text(renewed(target.read_text(encoding="utf-8"), schemas), encoding="utf-8")
