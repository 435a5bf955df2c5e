# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of a container that Proxmox VE 8.4 and 9.2 have: a key asks for it, or the table says why none does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry import table
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry.option import FIRST
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema

HERE = Path(__file__).resolve()
ROOT = next(folder for folder in HERE.parents if (folder / "galaxy.yml").is_file())
sys.path.insert(0, str(ROOT / "tools"))

from docs_tables import keys

DATA: dict[str, Any] = yaml.safe_load(HERE.with_name("pct_options.yml").read_text(encoding="utf-8"))
COVERED: dict[str, dict[str, str]] = DATA["covered"]
KEYS = {name for name, _piece in keys(load_schema("phoenix_lxc_configs")["$defs"]["container"])}


def names(version: str) -> set[str]:
    """The options and sub-options of a recorded node."""
    recorded = DATA["recorded"][version]
    subs = {f"{option}.{sub}" for option, subs in recorded.items() if option != "options" for sub in subs}
    return {*recorded["options"], *subs}


@pytest.mark.parametrize("version", DATA["recorded"])
def test_no_option_of_a_recorded_node_is_missing(version: str) -> None:
    assert names(version) - set(COVERED) == set()


def test_nothing_else_is_in_the_table() -> None:
    assert set(COVERED) - names("8.4") - names("9.2") == set()


@pytest.mark.parametrize("name", COVERED)
def test_a_row_names_a_key_with_a_test_or_a_reason(name: str) -> None:
    row = COVERED[name]
    if "test" not in row:
        assert row["reason"]
        return
    assert row["key"] in KEYS
    file, function = DATA["tests"][row["test"]].split("::")
    assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COVERED)
def test_the_registry_knows_since_when_an_option_exists(name: str) -> None:
    """What 9.2 has and 8.4 has not came after the first version of ours; all else is as old as that, devices aside."""
    if "test" not in COVERED[name]:
        return
    option, _dot, sub = name.partition(".")
    row = table.row(option)
    since = row.parts_since.get(sub, FIRST) if sub else row.since
    if option != "dev":
        assert (since > FIRST) == (name in names("9.2") - names("8.4"))
