# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any value at any key of both files is read or is a finding; none raises, and no truth value passes for a number."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import (
    Outcome,
    Source,
    validate,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.report import report
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_checks import servers_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.manifests import Search
from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.documents.faults import (
    GOOD,
    GOOD_HOST,
)
from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.schema.tables import keys

LONG = os.environ.get("PHOENIX_PROOFS") == "long"
LXC, HOST = load_schema("phoenix_lxc_configs"), load_schema("hypervisor_config")
CONTAINER = LXC["$defs"]["container"]
DEEP: Any = []
for _level in range(60):
    DEEP = [DEEP]
ODD = (
    True,
    False,
    None,
    -1,
    0,
    1.5,
    10**30,
    1e308,
    "",
    " ",
    "\n",
    "950\n",
    "x\x00y",
    "\x1b[31m",
    "٩٥٠",
    "http://[",
    "https://h:99999999/x",
    "https://\u2100.example/",
    "1.2.3.4/99",
    "::1%eth0/64",
    "999999999999999999999999",
    "a" * 5000,
    [],
    [None],
    [True, "x"],
    [[]],
    {},
    {"": None},
    {"a": {"b": []}},
    DEEP,
)


def placed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a document with a value at a key of the schema's table; lists on the way get one member."""
    result = copy.deepcopy(document)
    here: Any = result
    parts = path.split(".")
    for number, part in enumerate(parts):
        name, lists = part.rstrip("[]"), part.count("[]")
        name = "any" if name == "*" else name
        if number == len(parts) - 1 and not lists:
            here[name] = value
            return result
        below = here.get(name)
        for _list in range(lists):
            if not isinstance(below, list) or not below:
                here[name] = below = [{}]
            here, name, below = below, 0, below[0]
        if not isinstance(below, dict):
            here[name] = below = {}
        here = below
    return result


def judged(lxc: Any, host: Any) -> Outcome:
    """Validate two documents."""
    sources = [
        Source(name, parse(json.dumps(document).encode()), schema)
        for name, document, schema in (("lxc.json", lxc, LXC), ("host.json", host, HOST))
    ]
    outcome = validate(sources[0], sources[1], ("pve",), servers_of=lambda fleet: servers_of(fleet, Search()))
    text = report(outcome.findings)
    assert all(char.isprintable() or char == "\n" for char in text)
    return outcome


def cases() -> Iterator[tuple[str, str, Any]]:
    """(file, key, its piece of the schema) of every key."""
    yield from (("lxc", name, piece) for name, piece in keys(CONTAINER))
    yield from (("host", name, piece) for name, piece in keys(HOST))


CASES = {f"{file}:{name}": (file, name, piece) for file, name, piece in cases()}


@pytest.mark.parametrize("case", CASES)
def test_odd_values_of_a_key(case: str):
    file, name, piece = CASES[case]
    # The long form tries every value, the short one some at each key: all values are tried at many keys.
    start = 0 if LONG else list(CASES).index(case)
    number = [True] if piece.get("type") in ("integer", "number") else []
    for value in ODD if LONG else (*number, [[]], ODD[start % len(ODD)]):
        lxc, host = GOOD, GOOD_HOST
        if file == "lxc":
            lxc = copy.deepcopy(GOOD)
            lxc["lxc_configs"]["950"] = placed(lxc["lxc_configs"]["950"], name, value)
        else:
            host = placed(GOOD_HOST, name, value)
        outcome = judged(lxc, host)
        if isinstance(value, bool) and piece.get("type") in ("integer", "number"):
            assert outcome.findings, value


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_odd_documents(value: Any):
    for lxc, host in ((value, GOOD_HOST), (GOOD, value), ({"lxc_configs": value}, GOOD_HOST), (value, value)):
        judged(lxc, host)
    judged({"lxc_configs": {"950": value}, "lxc_defaults": value}, GOOD_HOST)
