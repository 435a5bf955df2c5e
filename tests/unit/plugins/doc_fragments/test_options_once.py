# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An option that modules share is described once, in a fragment, and the fragment has what the code knows."""

from __future__ import annotations

import importlib
import typing as t
from collections import defaultdict
from pathlib import Path

import yaml

from ansible_collections.phoenix.hypervisor.plugins.doc_fragments import held_lease, wanted_container
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.asked_options import WANTED_OPTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import CANDIDATE_OPTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.lease import LEASE_OPTIONS

PLUGINS = "ansible_collections.phoenix.hypervisor.plugins"
FOLDER = Path(__file__).parents[4] / "plugins"
# What an option is for Ansible; the rest are words.
SPEC = ("type", "elements", "required", "default", "choices")


def described(options: dict[str, t.Any], where: str) -> t.Iterator[tuple[str, str]]:
    """(description, place) of each option and suboption."""
    for name, option in options.items():
        yield (
            " ".join([option["description"]] if isinstance(option["description"], str) else option["description"]),
            (f"{where}: {name}"),
        )
        yield from described(option.get("suboptions") or {}, f"{where}: {name}")


def test_no_option_is_described_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for folder in ("modules", "doc_fragments"):
        for path in sorted((FOLDER / folder).glob("*.py")):
            module = importlib.import_module(f"{PLUGINS}.{folder}.{path.stem}")
            text = getattr(module, "DOCUMENTATION", None)
            if folder == "doc_fragments":
                text = "{}" if path.stem == "pct_ssh" else module.ModuleDocFragment.DOCUMENTATION
            for words, place in described((yaml.safe_load(text) or {}).get("options") or {}, path.stem):
                places[words].append(place)
    assert len(places) > 100
    assert {words: found for words, found in places.items() if len(found) > 1} == {}


def spec(described_as: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    found = {key: described_as[key] for key in SPEC if key in described_as}
    return {**found, **({"options": below(described_as["suboptions"])} if "suboptions" in described_as else {})}


def below(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {name: spec(option) for name, option in options.items()}


def test_the_fragments_describe_the_options_of_the_code() -> None:
    assert below(wanted_container.OPTIONS) == WANTED_OPTIONS
    parts = wanted_container.ModuleDocFragment
    containers = yaml.safe_load(parts.CANDIDATES)["options"]["containers"]
    assert below(containers["suboptions"]) == CANDIDATE_OPTIONS
    assert below(yaml.safe_load(held_lease.ModuleDocFragment.DOCUMENTATION)["options"]) == LEASE_OPTIONS
