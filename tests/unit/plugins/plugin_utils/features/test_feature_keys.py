# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that a manifest declares stand in the file as the collection's own keys do, without a line in the collection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.configuration import (
    Chosen,
    Configuration,
    ConfigurationReader,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import manifests

KEYS = """
keys:
  serving_port: {description: TCP port., type: integer, minimum: 1, maximum: 65535}
  serving_names:
    description: Names.
    type: array
    items: {type: string, pattern: "^[a-z]+$", x-phoenix-expected: lower-case letters}
"""
ENTRY = {
    "template": "local:vztmpl/debian-12.tar.zst",
    "storage_pool": "local",
    "storage_size_gb": 2,
    "memory_mb": 256,
    "cores": 1,
}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Iterator[Path]:
    """A configuration's folder with the feature `serving` beside it."""
    (tmp_path / "roles/serving/meta").mkdir(parents=True)
    (tmp_path / "roles/serving/meta/phoenix_feature.yml").write_text(KEYS, encoding="utf-8")
    manifests.forget()
    yield tmp_path
    manifests.forget()


def read(folder: Path, containers: dict[str, Any], **more: Any) -> Configuration:
    """What is read from a file with these containers."""
    named = {ctid: {"name": f"c{ctid}", **ENTRY, **entry} for ctid, entry in containers.items()}
    named = {ctid: {key: value for key, value in entry.items() if value is not None} for ctid, entry in named.items()}
    (folder / "lxc.json").write_text(json.dumps({**more, "lxc_configs": named}), encoding="utf-8")
    source = {"plugin": "phoenix.hypervisor.phoenix", "lxc_config": "lxc.json", "nodes": {"pve": {}}}
    (folder / "phoenix.yml").write_text(json.dumps(source), encoding="utf-8")
    return ConfigurationReader(DataLoader(), str(folder / "phoenix.yml"), lambda _data: Chosen()).read()


def shown(found: Configuration) -> list[str]:
    """Place, value and expectation of what is wrong."""
    return [f"{item.pointer} got {item.got}, expected {item.expected}" for item in found.findings]


def test_a_declared_key_is_read(folder: Path) -> None:
    found = read(folder, {"950": {"features": ["serving"], "serving_port": 80, "serving_names": ["a"]}})
    assert shown(found) == []
    assert found.fleet.containers["950"].config["serving_port"] == 80


def test_its_value_is_judged_by_its_schema(folder: Path) -> None:
    found = read(folder, {"950": {"features": ["serving"], "serving_port": 0, "serving_names": ["a", "B"]}})
    port, names = shown(found)
    assert port.startswith("/lxc_configs/950/serving_port got 0, expected")
    assert names == '/lxc_configs/950/serving_names/1 got "B", expected lower-case letters'


def test_it_is_unknown_where_no_container_has_the_feature(folder: Path) -> None:
    (error,) = shown(read(folder, {"950": {"serving_port": 80}}))
    assert error.startswith("/lxc_configs/950/serving_port")


def test_it_needs_the_feature_in_its_own_container(folder: Path) -> None:
    containers = {
        "950": {"features": ["serving"]},
        "951": {"serving_port": 80},
        "952": {"clone_from_ctid": "950", "template": None, "storage_size_gb": None, "serving_port": 80},
    }
    (error,) = shown(read(folder, containers))
    assert error == (
        "/lxc_configs/951/serving_port got serving_port in a container without the feature serving, "
        "expected the feature serving, which reads it"
    )
    assert shown(read(folder, {"950": {"features": ["serving"]}, "951": {}}, lxc_defaults={"serving_port": 80})) == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("{port: {description: x, type: integer}}", "/keys/port: expected a name that begins with serving_"),
        ("{serving_port: {type: integer}}", "'description' is a required property"),
        ("{serving_port: {description: x, type: number_}}", "/keys/serving_port: not a JSON Schema: 'number_'"),
        ('{serving_port: {description: x, type: string, pattern: "("}}', "/keys/serving_port: not a JSON Schema"),
        ("{serving_port: {description: x, type: object, properties: {a: {$ref: b}}}}", "$ref is not supported"),
    ],
)
def test_faulty_keys_are_errors_of_the_manifest(folder: Path, keys: str, words: str) -> None:
    (folder / "roles/serving/meta/phoenix_feature.yml").write_text(f"---\nkeys: {keys}\n", encoding="utf-8")
    manifests.forget()
    found = read(folder, {"950": {"features": ["serving"]}})
    assert words in " ".join(item.got for item in found.findings)


def test_the_collections_own_features_declare_keys() -> None:
    assert set(manifests.keys(["ollama", "step_cli", "nobody"])) == {
        "ollama_listen",
        "ollama_models",
        "ollama_port",
        "step_cli_ca_fingerprint",
        "step_cli_ca_url",
    }
