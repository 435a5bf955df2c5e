# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags that a run skips and that tasks of a feature have: without those tasks it would be recorded as applied."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

from .feature_errors import FeatureError
from .manifests import Search, find_feature

_FOLDERS = ("tasks", "handlers")


def features_with(
    tags: Iterable[str], features: Iterable[str], search: Search, loader: DataLoader
) -> dict[str, list[str]]:
    """Return each of the tags that tasks of features have, with the names of these features."""
    asked = set(tags)
    found: dict[str, list[str]] = {}
    for name in features if asked else ():
        try:
            path = find_feature(name, search).path
        except FeatureError:
            continue  # reported with the configuration
        for tag in sorted(asked & set(_tags_of(path, loader))):
            found.setdefault(tag, []).append(name)
    return found


def _tags_of(path: str, loader: DataLoader) -> Iterator[str]:
    """Yield the tags that stand in the tasks and handlers of a role."""
    for part in _FOLDERS:
        for folder, _folders, names in os.walk(os.path.join(path, part)):
            for name in names:
                if name.endswith((".yml", ".yaml")):
                    try:
                        yield from _in(loader.load_from_file(os.path.join(folder, name), cache="none"))
                    except AnsibleError:
                        continue  # Ansible reports it where it loads the file


def _in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key == "tags":
                texts = [part] if isinstance(part, str) else part if isinstance(part, list) else []
                yield from (word.strip() for text in texts for word in str(text).split(","))
            else:
                yield from _in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _in(part)
