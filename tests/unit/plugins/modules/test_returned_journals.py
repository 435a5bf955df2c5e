# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RETURN describes the entries of a journal as the modules write them."""

from __future__ import annotations

import importlib
import typing as t

import pytest
import yaml

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Entry, on_container
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import apicalls
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.apicalls import Kind

MODULES = "ansible_collections.phoenix.hypervisor.plugins.modules."


def described(module: str) -> dict[str, t.Any]:
    """The keys of a journal's entry in the documentation of a module."""
    return yaml.safe_load(importlib.import_module(MODULES + module).RETURN)["journal"]["contains"]


@pytest.mark.parametrize("module", ["phoenix_lxc_state", "phoenix_preflight"])
def test_the_keys_of_a_call_are_described(module: str) -> None:
    call = on_container(Kind.CONFIG, "pve", 950, {"memory": 1}).as_dict()
    keys = described(module)
    assert list(keys) == list(call)
    for name in ("op", "what", "kind"):
        assert keys[name]["type"] == "str"
    assert (keys["params"]["type"], keys["ctid"]["type"]) == ("dict", "int")


def test_the_keys_of_another_entry_are_described() -> None:
    assert list(described("phoenix_feature")) == list(Entry("node", "state").as_dict())


def test_every_kind_of_a_call_is_described() -> None:
    text = " ".join(described("phoenix_lxc_state")["kind"]["description"])
    kinds = [kind for kind in Kind if kind in apicalls._CONTAINER]
    assert len(kinds) > 10
    assert [kind.value for kind in kinds if f"V({kind.value})" not in text] == []
    assert f"V({Kind.DOWNLOAD.value})" in " ".join(described("phoenix_preflight")["kind"]["description"])
