# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources of apt in the form of deb822: the texts of their files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

FOLDER = "/etc/apt/sources.list.d"


def path(name: str) -> str:
    """Return the file of a source, as ansible.builtin.deb822_repository calls it."""
    slug = re.sub(r"[^a-z0-9-]+", "", re.sub(r"[_\s]+", "-", name.lower()))
    return f"{FOLDER}/{slug}.sources"


def text(name: str, source: Mapping[str, Any], comment: str) -> str:
    """Return the content of a source's file. An empty field is left out."""
    fields = {
        "X-Repolib-Name": name,
        "Enabled": "yes" if source.get("enabled", True) else "no",
        "Types": source.get("types") or ["deb"],
        "URIs": source["uri"],
        "Suites": source["suites"],
        "Components": source.get("components"),
        "Architectures": source.get("architectures"),
        "Signed-By": source.get("signed_by"),
    }
    lines = [
        f"{field}: {value if isinstance(value, str) else ' '.join(value)}" for field, value in fields.items() if value
    ]
    return "\n".join([f"# {comment}", *lines]) + "\n"


def files(
    rows: Iterable[Mapping[str, Any]], release: str, present: Iterable[str], keyring: str, old_keyring: str
) -> list[dict[str, str]]:
    """Return the files of the repositories of a node, for phoenix_files.

    rows: as `host_config` gives them. A row without suites is of this release. One of Proxmox's own repositories is
    signed by `keyring` where that is one of the files that are `present`, else by `old_keyring`.
    """
    known = keyring if keyring in set(present) else old_keyring
    comment = "Written by phoenix.hypervisor from repositories of hypervisor_config.json."
    return [
        {
            "path": path(row["file"]),
            "content": text(
                row["file"],
                {
                    **row,
                    "suites": row["suites"] or [release],
                    "signed_by": row["signed_by"] or (known if row["known"] else ""),
                },
                comment,
            ),
        }
        for row in rows
    ]
