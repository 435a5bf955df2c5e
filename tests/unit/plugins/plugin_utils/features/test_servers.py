# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that a feature's manifest declares: the checks work on its keys, whatever they are called."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks import gpu_checks
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import load_fleet
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import model_keys
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_checks import servers_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.manifests import (
    Search,
    check_features,
    forget,
)

OWN = Server("vLLM", "vllm_gpu_memory_utilization", 0.92, "vllm_tensor_parallel_size", "vllm_model")
KEYS = "{memory_share: serve_share, ranks: serve_gpus, model: serve_model}"
FOREIGN = Server("Serve", "serve_share", 0.5, "serve_gpus", "serve_model")


def search(tmp_path: Path, server: str) -> Search:
    """Where the feature `serving` is found, with this in its manifest."""
    meta = tmp_path / "serving" / "meta"
    meta.mkdir(parents=True)
    (meta / "phoenix_feature.yml").write_text(f"---\nserver: {server}\n", encoding="utf-8")
    forget()
    return Search(roles_paths=(str(tmp_path),))


def subject(containers: dict[str, Any], places: Search) -> Subject:
    """What the checks see of a file with these containers."""
    fleet = load_fleet({"lxc_configs": containers})
    return Subject(fleet, {}, None, "lxc.json", "", servers=servers_of(fleet, places))


def findings(given: Subject) -> list[Finding]:
    """The findings of the checks of GPUs."""
    return [finding for check in gpu_checks.CHECKS for finding in check(given)]


def test_the_collections_own_and_those_of_listed_features(tmp_path: Path) -> None:
    places = search(tmp_path, f"{{name: Serve, keys: {KEYS}, default_memory_share: 0.5}}")

    def found(features: list[str]) -> list[Server]:
        given = subject({"950": {"features": features}}, places).servers
        return [dataclasses.replace(one, settings=None) for one in given]

    assert found([]) == [OWN]
    assert found(["serving", "unknown"]) == [OWN, FOREIGN]
    assert found(["phoenix.hypervisor.vllm"]) == [OWN]
    assert Server.from_json(FOREIGN.to_json()) == FOREIGN


def test_its_keys_are_checked(tmp_path: Path) -> None:
    places = search(tmp_path, f"{{name: Serve, keys: {KEYS}}}")
    serving = {"features": ["serving"], "gpu_assignment": "0"}
    given = subject(
        {
            "950": {**serving, "vllm_gpu_memory_utilization": 0.6},
            "951": {**serving, "serve_share": 0.6},
            "952": {**serving, "gpu_assignment": "1", "serve_gpus": 2},
        },
        places,
    )
    ranks, memory = findings(given)
    assert ranks.pointer == "/lxc_configs/952/serve_gpus"
    assert (memory.pointer, memory.got) == (
        "/lxc_configs/951/serve_share",
        "0.6, which makes 1.2 of GPU 0 together with 950",
    )


def test_two_servers_in_one_container(tmp_path: Path) -> None:
    places = search(tmp_path, f"{{name: Serve, keys: {KEYS}}}")
    both = {"features": ["serving"], "gpu_assignment": "0", "serve_share": 0.6, "vllm_gpu_memory_utilization": 0.5}
    (finding,) = findings(subject({"950": both}, places))
    assert finding.got == "0.6, which makes 1.1 of GPU 0"


def test_its_model_comes_from_the_store(tmp_path: Path) -> None:
    given = subject(
        {"950": {"features": ["serving"], "serve_model": "acme/a"}}, search(tmp_path, f"{{name: S, keys: {KEYS}}}")
    )
    store = {"model_store": {"path": "/srv/models", "models": ["acme/a"]}}
    fleet, stored = model_keys.completed(given.fleet, store, given.servers)
    assert stored["950"].folder == "/srv/models"
    assert fleet.containers["950"].config["mount_points"][0]["host_path"] == "/srv/models"


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("{name: S, keys: {memory_shares: a}}", "'memory_shares' is not known, the nearest known is memory_share"),
        ("{name: S, keys: {}}", "/server/keys"),
        ("{keys: {model: a}}", "'name' is a required property"),
        ("{name: S, keys: {model: a}, default_memory_share: 2}", "/server/default_memory_share"),
    ],
)
def test_a_faulty_declaration(tmp_path: Path, server: str, words: str) -> None:
    (text,) = check_features(["serving"], search(tmp_path, server))
    assert words in text
