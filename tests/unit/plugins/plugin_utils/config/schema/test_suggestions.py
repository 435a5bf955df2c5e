# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A suggested key is there, means the same, and takes the value that the file gives the unknown one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry import table
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import Source, validate
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding, Pointer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.lenient import EMPTY, settled
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.report import report
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema.suggestions import (
    SYNONYMS,
    distance,
    piece_at,
    suggestion,
)

LXC, HOST = load_schema("phoenix_lxc_configs"), load_schema("hypervisor_config")
CONTAINER: Pointer = ("lxc_configs", "950")
VALUES: tuple[Any, ...] = (None, True, False, 0, 1, 7, 2.0, 0.5, "", "text", [], ["a"], {}, {"a": 1})


def objects(root: Mapping[str, Any], path: Pointer) -> Iterator[Pointer]:
    """The places of all objects that a schema has below a place."""
    piece = piece_at(root, path) or {}
    if piece.get("properties"):
        yield path
    for name, inner in piece.get("properties", {}).items():
        if isinstance(inner, Mapping) and name not in ("lxc_configs", "lxc_defaults"):
            yield from objects(root, (*path, name))
    if isinstance(piece.get("items"), Mapping):
        yield from objects(root, (*path, 0))
    if isinstance(piece.get("additionalProperties"), Mapping):
        yield from objects(root, (*path, "key"))


PLACES = [
    (LXC, ()),
    (LXC, ("lxc_defaults",)),
    *((LXC, path) for path in objects(LXC, CONTAINER)),
    *((HOST, path) for path in objects(HOST, ())),
]
KEYS = sorted(
    {name for root, path in PLACES for name in (piece_at(root, path) or {}).get("properties", {})}
    | {
        word
        for root, path in PLACES
        for piece in (piece_at(root, path) or {}).get("properties", {}).values()
        if isinstance(piece, Mapping)
        for word in piece.get(SYNONYMS, ())
    }
)


def takes(root: Mapping[str, Any], path: Pointer, value: Any) -> bool:
    """Whether the schema's types let a value stand at a place, in the form in which files are read."""
    piece = piece_at(root, path)
    assert piece is not None, path
    read = settled({"key": value}, {"properties": {"key": piece}, "$defs": root.get("$defs", {})})
    if "key" not in read:
        assert EMPTY in piece
        return True
    kinds = {word: piece[word] for word in ("type", "anyOf") if word in piece}
    if "anyOf" in kinds:
        kinds["anyOf"] = [{"type": option["type"]} for option in kinds["anyOf"]]
    return Draft202012Validator(kinds).is_valid(read["key"])


@st.composite
def misspelled(draw: st.DrawFn) -> str:
    """A key, with up to two letters of it changed."""
    word = draw(st.sampled_from(KEYS))
    for _change in range(draw(st.integers(0, 2))):
        index = draw(st.integers(0, max(len(word) - 1, 0)))
        word = word[:index] + draw(st.sampled_from(["", "x", "_", "s", "6"])) + word[index + draw(st.integers(0, 1)) :]
    return word


@given(place=st.sampled_from(PLACES), key=misspelled(), value=st.sampled_from(VALUES))
def test_a_suggestion_is_there_and_takes_the_value(
    place: tuple[Mapping[str, Any], Pointer], key: str, value: Any
) -> None:
    root, path = place
    if key in (piece_at(root, path) or {}).get("properties", {}):
        return
    found = suggestion(root, path, key, value)
    if found is None:
        return
    target = (*path[: len(path) - found.up], *found.place)
    if found.place and (piece_at(root, target) or {}).get("type") == "array":
        target = (*target, 0)
    assert found.key in (piece_at(root, target) or {})["properties"]
    assert takes(root, (*target, found.key), value)


@pytest.mark.parametrize(("root", "path"), PLACES, ids=[".".join(map(str, path)) or "top" for _root, path in PLACES])
def test_a_misspelled_key_is_named_where_it_takes_the_value(root: Mapping[str, Any], path: Pointer) -> None:
    properties = (piece_at(root, path) or {})["properties"]
    for name in properties:
        key = name[:-1] + "qx"[name.endswith("q")]  # one letter is another one
        for value in VALUES if key not in properties else ():
            found = suggestion(root, path, key, value)
            if found is not None and not found.place and not found.up:
                assert takes(root, (*path, found.key), value), (name, value, found)


@pytest.mark.parametrize("key", KEYS)
def test_every_synonym_is_suggested_where_it_is_declared(key: str) -> None:
    for root, path in PLACES:
        properties = (piece_at(root, path) or {}).get("properties", {})
        for name, piece in properties.items():
            if isinstance(piece, Mapping) and key in piece.get(SYNONYMS, ()):
                assert key not in properties, f"{path}: {key} is a key, and a synonym of {name}"
                value = next(value for value in VALUES if takes(root, (*path, name), value))
                assert suggestion(root, path, key, value) is not None


def test_no_synonym_means_two_keys_of_one_object() -> None:
    for root, path in PLACES:
        pieces = (piece_at(root, path) or {}).get("properties", {}).values()
        words = [word for piece in pieces if isinstance(piece, Mapping) for word in piece.get(SYNONYMS, ())]
        assert len(words) == len(set(words)), path


def test_the_names_of_pve_are_synonyms() -> None:
    keys = table.keys()
    for option in table.TABLE:
        # The name servers are a part of a key that another row has.
        if len(option.keys) == 1 and not option.structured and option.name not in (*keys, "nameserver"):
            assert option.name in keys[option.keys[0].name][SYNONYMS]


def finding(keys: dict[str, Any], at: str = "") -> Finding:
    """The one finding of a container with these keys; `at` is an object in it that has them."""
    base: dict[str, Any] = {"name": "a", "template": "local:vztmpl/a.tar.zst", "memory_mb": 512, "cores": 1}
    base["network_config"] = {"bridge": "vmbr0"}
    holder = base
    for part in at.split():
        holder = holder.setdefault(part, {})
    holder.update(keys)
    data = json.dumps({"lxc_configs": {"950": base}}).encode()
    (found,) = validate(Source("lxc.json", parse(data), LXC), None).findings
    return found


@pytest.mark.parametrize(
    ("key", "value", "nearest"),
    [
        ("onboot", True, "start_at_boot"),
        ("onboot", 1, "start_at_boot"),
        ("cpus", 4, "cores"),
        ("disk_gb", 32, "storage_size_gb"),
        ("notes", "of ours", "description"),
        ("hostname", "b", "name"),
        ("memory", 512, "memory_mb"),
        ("Cores", 2, "cores"),
        ("storageSizeGb", 8, "storage_size_gb"),
        ("boot-order", 1, "boot_order"),
        ("gpu", "0", "gpu_assignment"),
        ("featurs", [], "features"),
        ("unpriviledged", True, "unprivileged"),
    ],
)
def test_the_key_of_the_same_meaning_is_named(key: str, value: Any, nearest: str) -> None:
    found = finding({key: value})
    assert found.nearest == nearest
    assert found.remedy == f"Rename it to {nearest}, or remove it."


@pytest.mark.parametrize(
    ("keys", "at", "remedy"),
    [
        ({"ip": "192.0.2.5/24"}, "", "Move it into network_config."),
        ({"gateway": "192.0.2.1"}, "", "Move it into network_config, as gw."),
        ({"interval": 5}, "", "Move it into health_check."),
        ({"host_path": "/a"}, "", "Move it into mount_points."),
        ({"cores": 1}, "network_config", "Move it one level higher, into /lxc_configs/950."),
        ({"cpus": 1}, "network_config", "one level higher, into /lxc_configs/950, as cores."),
        ({"vlan": 3}, "", "Move it into network_config, as tag."),
        ({"nvidia_driver_version": "580.76.05"}, "", "Move it to the top of the file."),
        # What does not take the value is no suggestion, but how it is written is said where it is known.
        ({"onboot": "yes"}, "", 'Write "start_at_boot": true.'),
        ({"disk_gb": "32G"}, "", 'Write "storage_size_gb": 32.'),
        ({"cpus": "many"}, "", "Write cores, which takes an integer from 1 to 8192."),
        ({"startup": "order=1"}, "", "boot_order"),
        ({"privileged": True}, "", "opposite"),
        # These look alike, and mean something else.
        ({"memory_gb": 8}, "", "Remove it."),
        ({"port": 8000}, "", "Remove it."),
        ({"model": "a/b"}, "", "Remove it."),
        ({"vllm_modes": 3}, "", "Remove it."),
        ({"featurs": True}, "", "Remove it."),
        ({"size": []}, "", "Write storage_size_gb, which"),
        # A value of another form is shown as it is meant.
        (
            {"mount_points": {"host_path": "/a", "container_path": "/b"}},
            "",
            'Write [{"host_path": "/a", "container_path"',
        ),
        ({"health_check": "curl -f http://localhost/"}, "", 'Write {"command": "…"} with this text.'),
        ({"vllm_gpu_memory_utilization": "90%"}, "", "Write 0.9."),
        ({"features": ["Docker"]}, "", 'Write "docker".'),
        ({"rules": [{"type": "in", "action": "ACCEPT", "proto": "TCP", "dport": "80"}]}, "firewall", 'Write "tcp".'),
        ({"password": "canary-5"}, "", "Rename it to root_password"),
    ],
)
def test_it_is_named_with_its_place(keys: dict[str, Any], at: str, remedy: str) -> None:
    found = finding(keys, at)
    assert remedy in found.remedy, report([found])
    assert found.nearest in (None, "root_password")
    assert "canary" not in report([found])


def test_a_key_under_another_name_is_not_missing_too() -> None:
    volume = {"name": "data", "storage": "tank", "size": "10G", "path": "/data"}
    entry = {"hostname": "a", "template": "local:vztmpl/a.tar.zst", "volumes": [volume]}
    data = json.dumps({"lxc_configs": {"950": entry}}).encode()
    found = validate(Source("lxc.json", parse(data), LXC), None).findings
    assert sorted(each.path[-1] for each in found) == ["hostname", "path", "size", "storage"]


def test_a_list_of_containers_shows_the_form_with_ctids() -> None:
    data = json.dumps({"lxc_configs": [{"ctid": 950, "name": "a"}]}).encode()
    (found,) = validate(Source("lxc.json", parse(data), LXC), None).findings
    assert found.remedy.startswith('Write {"950": {"name": "web"}}')


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [("brigde", "bridge", 1), ("cores", "corse", 1), ("a", "abcd", 3), ("name", "nmae", 1), ("abc", "cab", 2)],
)
def test_how_far_two_words_are_apart(left: str, right: str, expected: int) -> None:
    assert distance(left, right, 2) == expected
