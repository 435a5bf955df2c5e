# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schemas themselves: strict, documented, and as the documentation says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.registry import table
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.schema.tables import (
    ENVIRONMENT,
    NOT_ACTED_ON,
    keys,
)

COLLECTION = Path(__file__).resolve().parents[6]
KINDS = ("phoenix_lxc_configs", "hypervisor_config")
TOP_KEYS = {
    "$schema",
    "nvidia_driver_version",
    "nvidia_repo_url",
    "nvidia_runfile_sha256",
    "nvidia_runfile_url",
    "lxc_defaults",
    "lxc_configs",
    # Of other tools.
    "version",
    "author",
    "tests",
    "lxc_templates",
}
CONTAINER_KEYS = {
    *table.keys(),  # those of the registry of options
    "clone_from_ctid",
    "restore_from",
    "clone_from_template_ctid",
    "features",
    "application_script",
    "template",
    "pool",
    "ha",
    "ssh_public_keys",
    "root_password",
    "storage_pool",
    "storage_size_gb",
    "gpu_assignment",
    "gpu_passthrough",
    "unprivileged",
    "portainer_role",
    "vllm_model",
    "vllm_tensor_parallel_size",
    "vllm_served_model_name",
    "vllm_port",
    "vllm_api_port",
    "vllm_args",
    "vllm_gpu_memory_utilization",
    "vllm_max_model_len",
    "vllm_quantization",
    "template_snapshot_name",
    "is_template",
    "lxc_options",
    "mount_points",
    "volumes",
    "dependencies",
    "ports",
    "firewall",
    "health_check",
    "hold",
    "target_state",
    "restart_policy",
    "guard",
    "node",
    # Of files of the field.
    "zfs_volumes",
    "secondary_network_config",
    "apparmor_profile",
    "apparmor_manages_nesting",
    "hwaddr",
    "nameserver",
    "enable_lifecycle_snapshots",
    "bootstrap_ca_url",
    "vllm_listen",
    "vllm_shm_size",
    "vllm_options",
    "vllm_engine_config",
    "vllm_parameters",
    "vllm_gpu_count",
    "vllm_dtype",
    "vllm_kv_cache_dtype",
    "vllm_trust_remote_code",
    # Of other tools.
    "tests",
    "integration_tests",
    "run_integration_tests",
    "vllm",
    "traefik_service",
    "trigger_sync_on_completion",
    "portainer",
    "step_ca",
    "step-ca",
    "storage_class",
    "balloon_min_mb",
    "vllm_model_type",
    "vllm_attention_backend",
    "vllm_nccl_so_path",
}


def pieces(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All objects of a schema that are schemas."""
    if isinstance(node, dict):
        yield path, node
        for key, item in node.items():
            if key in ("properties", "$defs"):
                for name, inner in item.items():
                    yield from pieces(inner, f"{path}/{name}")
            elif key in ("items", "additionalProperties", "propertyNames"):
                yield from pieces(item, f"{path}/{key}")
            elif key == "anyOf":
                for inner in item:
                    yield from pieces(inner, path)


def container_keys() -> dict[str, dict[str, Any]]:
    """The keys of a container with their pieces."""
    found: dict[str, dict[str, Any]] = load_schema("phoenix_lxc_configs")["$defs"]["container"]["properties"]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_is_a_schema(kind: str):
    Draft202012Validator.check_schema(load_schema(kind))


def test_has_the_keys_of_the_field():
    assert set(load_schema("phoenix_lxc_configs")["properties"]) == TOP_KEYS
    assert set(container_keys()) == CONTAINER_KEYS


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_keys_are_refused_everywhere(kind: str):
    for path, piece in pieces(load_schema(kind)):
        if piece.get("type") == "object":
            assert "additionalProperties" in piece, path


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_never_just_any_text(kind: str):
    for path, piece in pieces(load_schema(kind)):
        free = piece.get("type") == "string" and not {"pattern", "enum"} & set(piece)
        assert not free or path.rsplit("/", 1)[-1] in ("$schema", "version", "author", "additionalProperties"), path


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_are_anchored(kind: str):
    for path, piece in pieces(load_schema(kind)):
        if "pattern" in piece:
            assert piece["pattern"].startswith("^"), path
            re.compile(piece["pattern"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_has_bounds(kind: str):
    for path, piece in pieces(load_schema(kind)):
        kinds = piece.get("type", ())
        # The properties of a ZFS pool or dataset are ZFS's own, and so are the parameters of a Samba share.
        if {"integer", "number"}.isdisjoint([kinds] if isinstance(kinds, str) else kinds):
            continue
        if path.endswith(("/properties/additionalProperties", "/options/additionalProperties")):
            continue
        assert {"minimum", "exclusiveMinimum"} & set(piece), path
        assert "maximum" in piece, path


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_documented_with_its_effect(kind: str):
    schema = load_schema(kind)
    for root in (schema, schema.get("$defs", {}).get("container", {})):
        for name, piece in keys(root):
            assert piece["description"].endswith("."), name
            assert piece["x-phoenix-effect"], name


@pytest.mark.parametrize("kind", KINDS)
def test_references_stand_only_where_the_judge_looks(kind: str):
    found = [path for path, piece in pieces(load_schema(kind)) if "$ref" in piece]
    assert found == (["/lxc_defaults", "/lxc_configs/additionalProperties"] if kind == KINDS[0] else [])


def test_a_key_with_an_effect_is_read_by_the_code():
    words: set[str] = set()
    plugins = COLLECTION / "plugins"
    for folder in ("module_utils/_core", "module_utils/_node", "plugin_utils", "modules", "action", "inventory"):
        for file in (plugins / folder).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            words |= {
                node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
    for file in (COLLECTION / "roles").glob("*/defaults/main.yml"):
        words |= set(re.findall(r"phoenix_config \| default\(\{\}\)\)\.(\w+)", file.read_text(encoding="utf-8")))
    for file in (COLLECTION / "roles").glob("*/meta/phoenix_feature.yml"):
        words |= set(re.findall(r"\w+", file.read_text(encoding="utf-8")))
    for name, piece in container_keys().items():
        if piece["x-phoenix-effect"] not in (NOT_ACTED_ON, ENVIRONMENT) and "x-phoenix-renamed-to" not in piece:
            assert name in words, f"{name} is said to have an effect, and no code reads it"
