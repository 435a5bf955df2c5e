# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of models: which containers read from it, and what their plans are made of."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import load_fleet
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import model_keys
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config

STORE = {"path": "/srv/models", "models": ["acme/a", {"name": "acme/b", "revision": "v2", "exclude": ["*.md"]}]}
MOUNT = {"host_path": "/srv/models", "container_path": "/srv/models", "read_only": True}
OTHER = {"host_path": "/srv/data", "container_path": "/data"}
OWN = {"host_path": "/srv/models/", "container_path": "/weights"}


def completed(config: dict[str, Any], store: Any = None) -> tuple[Any, Any]:
    """(its mount points, the warnings) of container 950."""
    fleet = load_fleet({"lxc_configs": {"950": {"name": "x", "template": "a:vztmpl/b", **config}}})
    before = fleet.containers["950"].config.get("mount_points")
    found, stored = model_keys.completed(
        fleet, {} if store == {} else {"model_store": store or STORE}, [Server("one", model="vllm_model")]
    )
    assert fleet.containers["950"].config.get("mount_points") == before  # never in place
    told = stored["950"].variables() if stored else None
    return found.containers["950"].config.get("mount_points"), told


def told(folder: str, revision: str) -> dict[str, str]:
    return {"phoenix_model_store": folder, "phoenix_model_revision": revision}


@pytest.mark.parametrize(
    ("config", "store", "mounts", "variables"),
    [
        ({"vllm_model": "acme/a"}, None, [MOUNT], told("/srv/models", "main")),
        ({"vllm_model": "acme/b", "mount_points": [OTHER]}, None, [OTHER, MOUNT], told("/srv/models", "v2")),
        ({"vllm_model": "acme/b", "mount_points": [OWN]}, None, [OWN], told("/weights", "v2")),
        (
            {"vllm_model": "acme/a"},
            {**STORE, "container_path": "/m"},
            [{**MOUNT, "container_path": "/m"}],
            told("/m", "main"),
        ),
        ({"vllm_model": "acme/c"}, None, None, None),
        ({"vllm_model": "/srv/models/acme/a"}, None, None, None),
        ({}, None, None, None),
        ({"vllm_model": "acme/a", "target_state": "absent"}, None, None, None),
        ({"vllm_model": "acme/a"}, {}, None, None),
        ({"vllm_model": "acme/a"}, {"models": ["acme/a"]}, None, None),
    ],
)
def test_who_reads_from_it(config: dict[str, Any], store: Any, mounts: Any, variables: Any) -> None:
    assert completed(config, store) == (mounts, variables)


def test_one_form_for_the_role() -> None:
    plain = {"revision": "main", "source": "", "include": [], "exclude": []}
    assert host_config({"model_store": STORE})["model_store"] == {
        "path": "/srv/models",
        "endpoint": "https://huggingface.co",
        "models": [
            {"name": "acme/a", **plain},
            {"name": "acme/b", **plain, "revision": "v2", "exclude": ["*.md"]},
        ],
    }
    assert host_config({})["model_store"] == {}
