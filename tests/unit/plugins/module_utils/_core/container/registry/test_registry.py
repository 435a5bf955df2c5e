# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of options: every row in both directions, and its text in the schema file."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import networks, options
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry import netcards, table
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry.option import Option
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry.wanted_options import (
    WantedOption,
    wanted_options,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import forms
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "galaxy.yml").is_file())
sys.path.insert(0, str(ROOT / "tools"))

from schema import merged, renewed

SCHEMA = ROOT / "plugins/plugin_utils/config/schemas/phoenix_lxc_configs.schema.json"
KEYS = table.keys()
ROWS = [row for row in table.TABLE if row.codec and not row.many]


def values(piece: dict[str, Any]) -> Any:
    """Whatever a piece of the schema allows: so a new row needs no strategy of its own."""
    if "anyOf" in piece:
        return values(piece["anyOf"][-1])  # the list, which the files are brought to
    if piece["type"] == "integer":
        return st.integers(piece.get("minimum"), piece.get("maximum"))
    if piece["type"] == "number":
        return st.integers(int(100 * piece["minimum"]), 100 * piece["maximum"]).map(lambda value: number(value / 100))
    if "enum" in piece:
        return st.sampled_from(piece["enum"])
    if piece["type"] == "boolean":
        return st.booleans()
    if piece["type"] == "array" and piece["items"]["type"] == "object":
        return st.lists(values(piece["items"]), unique_by=lambda item: item["name"], max_size=3)
    if piece["type"] == "array":
        return st.lists(values(piece["items"]), unique=True, min_size=piece.get("minItems", 0), max_size=4)
    if piece["type"] == "object" and "propertyNames" in piece:
        return st.dictionaries(text_of(piece["propertyNames"]), text_of(piece["additionalProperties"]), max_size=4)
    if piece["type"] == "object":
        each = {name: values(below) for name, below in piece["properties"].items()}
        needed = {name: each.pop(name) for name in piece.get("required", ())}
        return st.fixed_dictionaries(needed, optional=each)
    return text_of(piece)


def text_of(piece: dict[str, Any]) -> Any:
    """Whatever text a pattern allows."""
    return matching(piece["pattern"], piece.get("maxLength", 100))


@functools.cache
def matching(pattern: str, longest: int) -> Any:
    """One strategy for each pattern: reading it takes most of the time. What looks ahead only judges."""
    found = st.from_regex(re.sub(r"^\^\(\?=[^()]*\)", "^", pattern), fullmatch=True).map(lambda text: text.rstrip("\n"))
    return found.filter(lambda text: re.match(pattern, text) and len(text) <= longest)


def number(value: Any) -> int | float:
    """A number as JSON has it."""
    return int(value) if value == int(value) else float(value)


@st.composite
def configs_of(draw: Any, row: Any) -> dict[str, Any]:
    """A configuration with any of a row's keys. Beside an address in the network's keys static_ip would decide."""
    config = draw(st.fixed_dictionaries({}, optional={key.name: values(KEYS[key.name]) for key in row.keys}))
    if "ip" in config.get("network_config", {}):
        config.pop("static_ip", None)
    return config


def asked_options(config: dict[str, Any]) -> dict[str, WantedOption]:
    """The options that a configuration asks for, on a node without the container."""
    return {**wanted_options(config, {}), **networks.placed(netcards.further(config), {})}


def to_pve(config: dict[str, Any]) -> dict[str, str]:
    """The options as they are sent for a container that has none of them yet."""
    found = asked_options(config)
    sent = {key: options.new_value(option, None, None) for key, option in found.items()}
    return {key: value for key, value in sent.items() if value is not None}


def plainest(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what says nothing, and with one of the spellings of what has several."""
    found = {key: value for key, value in config.items() if value not in ([], {}, "")}
    root = {
        key: value for key, value in found.pop("rootfs_options", {}).items() if value or key in ("acl", "replicate")
    }
    network = dict(found.pop("network_config", {}))
    inside = network.pop("mac_address", None)
    if inside:
        found.setdefault("mac_address", inside)
    address = found.pop("static_ip", None)
    flags = found.pop("pct_options", [])
    tags = [*found.pop("tags", []), *(item[5:] for item in flags if item.startswith("tags="))]
    flags = options_of_features(flags)
    if config.get("network_config"):
        network.setdefault("name", "eth0")
        if address:
            network["ip"] = address
        servers = {"nameservers": network.pop("nameservers")} if "nameservers" in network else {}
        found["network_config"] = {**canonical(network), **servers}
    else:
        found.pop("mac_address", None)  # no interface, no address of it
    if "networks" in found:
        found["networks"] = [canonical(each) for each in found["networks"]]
    tags = sorted({tag.lower() for text in tags for tag in text.replace(";", " ").split()})
    found.update({"rootfs_options": root} if root else {})
    return {**found, **({"tags": tags} if tags else {}), **({"pct_options": flags} if flags else {})}


def canonical(network: dict[str, Any]) -> dict[str, Any]:
    """An interface with its addresses in their canonical form."""
    return {key: forms.address(value) if key in ("ip6", "gw6") else value for key, value in network.items()}


def options_of_features(flags: list[str]) -> list[str]:
    """One value a flag, in one order."""
    last = dict(item.split("=", 1) for item in flags if not item.startswith("tags="))
    return [f"{key}={value}" for key, value in sorted(last.items())]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))  # addresses take long to make up
@given(data=st.data())
def test_what_comes_back_from_pve_is_what_was_asked_for(row: Any, data: Any) -> None:
    config = data.draw(configs_of(row))
    there = to_pve(config)
    again = table.from_pve(there)
    assert again == plainest(config)
    # What was read asks for the same: an imported container needs no change.
    for key, option in asked_options(again).items():
        assert options.new_value(option, there[key], None) is None
        assert options.same_option(key, there[key], to_pve(again)[key])


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=60))
def test_a_description_comes_back_from_the_file(text: str) -> None:
    safe = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "%:")
    lines = text.rstrip("\n").split("\n") if text.rstrip("\n") else []
    conf = parse_conf("".join(f"#{quote(line, safe=safe)}\n" for line in lines) + "arch: amd64\n")
    assert table.from_pve(conf.head).get("description", "") == text.rstrip("\n")
    assert conf.head["arch"] == "amd64"
    for key, option in wanted_options({"description": text}, {}).items():
        assert options.new_value(option, conf.head[key], None) is None


def test_a_description_of_an_old_version_is_read():
    assert parse_conf("description: two%0Alines%3A here%0A\nmemory: 16\n").head["description"] == "two\nlines: here\n"
    assert "description" not in parse_conf("memory: 16\n\n[snap]\n#of the snapshot\ndescription: old\n").head


def test_a_recorded_container_is_read():
    recorded = (
        "#multi\n#line #hash %25percent %3A colon\narch: amd64\ncores: 1\nfeatures: nesting=1,keyctl=1\n"
        "hostname: newname\nmemory: 600\nnet0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:97:84:6F,ip=dhcp,type=veth\n"
        "onboot: 1\nprotection: 1\nrootfs: local-btrfs:210/vm-210-disk-0.raw,size=1G\nstartup: order=1\nswap: 100\n"
        "tags: x;y\nunprivileged: 1\nnameserver: 9.9.9.9\n"
        "dev2: /dev/fuse\ndev10: path=/dev/net/tun,gid=5,deny-write=1\n"
    )
    assert table.from_pve(parse_conf(recorded).head) == {
        "name": "newname",
        "description": "multi\nline #hash %percent : colon",
        "protection": True,
        "memory_mb": 600,
        "swap_mb": 100,
        "cores": 1,
        "pct_options": ["keyctl=1", "nesting=1"],
        "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp", "nameservers": ["9.9.9.9"]},
        "mac_address": "BC:24:11:97:84:6F",
        "start_at_boot": True,
        "boot_order": 1,
        "tags": ["x", "y"],
        "arch": "amd64",
        "devices": [{"path": "/dev/fuse"}, {"path": "/dev/net/tun", "gid": 5, "deny_write": True}],
    }


@pytest.mark.parametrize("text", ["", "word", "order=x", "=", ",,"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_no_key_can_say_is_left_out(row: Any, text: str) -> None:
    pieces = load_schema("phoenix_lxc_configs")["$defs"]["container"]["properties"]
    for key, value in table.from_pve({row.option: text}).items():
        if row.name in ("memory", "swap", "cores", "startup", "cpulimit", "cpuunits", "tty", "env"):
            assert Draft202012Validator(pieces[key]).is_valid(value)


def test_the_schema_file_has_the_text_of_the_rows():
    assert renewed(SCHEMA.read_text(encoding="utf-8"), KEYS) == SCHEMA.read_text(encoding="utf-8")


def test_a_new_key_stands_behind_the_one_before_it():
    rows = {"a": {"type": "string"}, "new": {"type": "boolean"}}
    assert list(merged({"first": {}, "a": {}, "b": {}}, rows)) == ["first", "a", "new", "b"]
    assert merged({"a": {}}, rows)["a"] == {"type": "string"}


def test_a_row_is_complete():
    for row in table.TABLE:
        assert row.purpose, row.name
        assert row.privilege.startswith("VM.Config."), row.name
        assert bool(row.keys) == bool(row.codec), row.name
        assert bool(row.root_words) == (row.root_only is not Option.root_only), row.name
    assert len({row.option for row in table.TABLE}) == len(table.TABLE)
