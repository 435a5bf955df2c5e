# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tags that a run must not skip, because tasks of a feature have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.manifests import Search
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.skipped_tags import features_with


def role(folder: Path, name: str, **files: str) -> None:
    for file, text in {"meta/phoenix_feature": "{}", **files}.items():
        path = folder / name / f"{file}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("tasks", "found"),
    [
        ("- {name: slow, meta: noop}", []),
        ("- {meta: noop, tags: slow}", ["mark"]),
        ("- {meta: noop, tags: 'a, slow'}", ["mark"]),
        ("- {meta: noop, tags: [slower]}", []),
        ("- block: [{block: [{meta: noop, tags: [slow]}]}]", ["mark"]),
        ("- include_role: {name: x, apply: {tags: [slow]}}", ["mark"]),
        ("- {meta: noop, when: !unsafe '{{ x }}', tags: ['{{ y }}', 3]}", []),
        (": no yaml [", []),
        ("", []),
    ],
)
def test_tags_of_tasks(tmp_path: Path, tasks: str, found: list[str]) -> None:
    role(tmp_path, "mark", **{"tasks/main": "[]", "tasks/deep/more": tasks})
    role(tmp_path, "other", **{"tasks/main": "[]", "handlers/main": tasks.replace("slow", "fast")})
    search = Search((), (str(tmp_path),))
    names = ["mark", "other", "unknown"]
    assert features_with(["slow"], names, search, DataLoader()) == ({"slow": found} if found else {})
    if found:
        assert features_with(["fast"], names, search, DataLoader()) == {"fast": ["other"]}
    assert features_with([], names, search, DataLoader()) == {}
