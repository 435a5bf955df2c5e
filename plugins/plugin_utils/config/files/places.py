# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a key of the containers' file stands, for faults that only the node can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse

Path = tuple[str | int, ...]


def candidates(pointer: str) -> Iterator[Path]:
    """The paths that a JSON pointer may mean, the nearest first: the key, its default, then what it stands in."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    path: Path = tuple(int(part) if index > 1 and part.isdigit() else part for index, part in enumerate(parts))
    for length in range(len(path), 1, -1):
        yield path[:length]
        if path[0] == "lxc_configs" and length > 2:
            yield ("lxc_defaults", *path[2:length])


def located(loader: Any, file: Mapping[str, str] | None, pointers: Iterable[str]) -> dict[str, str]:
    """{JSON pointer: ``file:line:column``}; without what can't be found, and {} when the file can't be read.

    ``file`` has the C(path) of the containers' file and its C(label), as the offline report calls it. Its C(layers) is
    the place of the storage of layers in the inventory source.
    """
    if not file:
        return {}
    try:
        content, _plain = loader._get_file_contents(file["path"])
    except (AnsibleError, OSError):
        return {}
    text = parse(bytes(content))
    tried = {pointer: list(candidates(pointer)) for pointer in pointers}
    places = text.locate(path for paths in tried.values() for path in paths)
    result = {pointer: file["layers"] for pointer in tried if pointer.startswith("/layers/") and "layers" in file}
    for pointer, paths in tried.items():
        found = next((path for path in paths if path in places), None)
        if found is None or pointer in result:
            continue
        place = places[found]
        # The value that is meant; the key of what it stands in, when it isn't there itself.
        offset = place.value if found == paths[0] or place.key is None else place.key
        line, column = text.line_column(offset)
        result[pointer] = f"{file['label']}:{line}:{column}"
    return result
