# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of both files that are for the NVIDIA driver, up to the digest of the feature that reads them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import features_of
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import devices
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.wanted import wanted

SUM = "0123456789abcdef" * 4
URL = "https://example.org/NVIDIA-Linux-x86_64-570.124.06.run"


def variables(top: dict[str, Any], host: dict[str, Any]) -> dict[str, Any]:
    """What the inventory sets for a container and its node."""
    return {
        "phoenix_ctid": 950,
        "phoenix_name": "gpu",
        "phoenix_node": "pve",
        "phoenix_config": {"name": "gpu", "features": ["base_setup", "nvidia"]},
        "phoenix_settings": top,
        "hostvars": {"pve": {"phoenix_hypervisor_config": {"nvidia": host} if host else {}}},
    }


def feature(top: dict[str, Any], host: dict[str, Any], version: str = "570.124.06") -> dict[str, Any]:
    """The feature as the node completes it."""
    loader = DataLoader()
    found = wanted(variables(top, host), lambda own: Templar(loader, own).template, loader)
    cards = (devices.Gpu("0000:01:00.0", 0),)
    completed = hostneeds.complete(Wanted(950, "pve", {}, features_of(found["features"])), devices.Gpus(version, cards))
    return completed.features[1].to_json()


@pytest.mark.parametrize(
    ("top", "host", "variable"),
    [
        ({"nvidia_driver_version": "570.124.06"}, {}, "nvidia_driver_version"),
        ({"nvidia_runfile_url": URL}, {}, "nvidia_runfile_url"),
        ({"nvidia_runfile_sha256": SUM}, {}, "nvidia_runfile_sha256"),
        ({"nvidia_repo_url": "https://example.org/debian12"}, {}, "nvidia_repo_url"),
        ({}, {"driver_version": "570.124.06"}, "nvidia_driver_version"),
        ({}, {"runfile_url": URL}, "nvidia_runfile_url"),
        ({}, {"runfile_sha256": SUM}, "nvidia_runfile_sha256"),
    ],
)
def test_a_key_changes_the_feature(top: dict[str, Any], host: dict[str, Any], variable: str) -> None:
    """And nothing but its variable."""
    before, after = feature({}, {})["components"]["variables"], feature(top, host)["components"]["variables"]
    assert {name for name in before if before[name] != after[name]} == {variable}


def test_the_containers_file_comes_before_the_hosts() -> None:
    """Where both say something."""
    own = feature({"nvidia_runfile_url": URL}, {})
    both = feature({"nvidia_runfile_url": URL}, {"runfile_url": "https://example.org/other.run"})
    assert own["digest"] == both["digest"]


def test_the_nodes_driver_is_in_the_digest() -> None:
    """So that an upgrade on the node makes the feature due, and the role gets the version."""
    before, after = feature({}, {}), feature({}, {}, "575.51.03")
    assert before["digest"] != after["digest"]
    assert after["variables"] == {"nvidia_kernel_version": "575.51.03"}


def test_the_hosts_checksum_is_of_the_hosts_run_file() -> None:
    """It says nothing of one that the containers' file names."""
    host = {"runfile_url": "https://example.org/other.run", "runfile_sha256": SUM}
    assert feature({"nvidia_runfile_url": URL}, host)["digest"] == feature({"nvidia_runfile_url": URL}, {})["digest"]
