# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often one plan works out what depends on the configuration and on the observation: once for each config."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import model
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import mounts
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile

CONFIG = {
    "name": "web",
    "memory_mb": 2048,
    "template": "local:vztmpl/t.tar.zst",
    "volumes": [{"name": "d", "mount_point": "/d", "size_gb": 8}],
    "mount_points": [{"host_path": "/h", "container_path": "/h"}],
}
HEAD = {"hostname": "web", "memory": "512", "rootfs": "local:950/a.raw,size=4G", "unprivileged": "1"}
OURS = Record("completed", ours=True, applied={"memory": "512"})
MOUNTED = {**HEAD, "mp0": "local:950/b.raw,mp=/d,size=8G"}
TIED = Record("completed", ours=True, applied={"mp0": {"mp": "/d"}}, volumes={"d": {"slot": "mp0", "mp": "/d"}})
CLONE = {"name": "c", "clone_from_ctid": 900, "volumes": CONFIG["volumes"]}
SOURCE = {key: value for key, value in CONFIG.items() if key != "mount_points"}


def seen(conf: ConfFile) -> Observation:
    """A running container."""
    return Observation(950, exists=True, running=True, boot="1", conf=conf, ledger={"features": {}})


@pytest.mark.parametrize(
    ("given", "observed", "record", "configs", "understood"),
    [
        pytest.param(Wanted(950, "pve", CONFIG), Observation(950), Record(), 1, 1, id="new"),
        pytest.param(Wanted(950, "pve", CONFIG), seen(ConfFile(HEAD)), OURS, 1, 1, id="existing"),
        pytest.param(
            Wanted(950, "pve", CONFIG),
            seen(ConfFile(MOUNTED, pending={"mp0": None}, deletions=frozenset({"mp0"}))),
            TIED,
            2,  # as it is, and once the waiting deletion is reverted
            1,
            id="a deletion that is reverted",
        ),
        pytest.param(
            Wanted(950, "pve", CLONE, source=Wanted(900, "pve", SOURCE)),
            Observation(950, above=Observation(900), storages={"local": "zfspool"}),
            Record(),
            3,  # the source as it is created and as it is configured, and the clone
            2,
            id="clone of a source in the same run",
        ),
        # The container that goes, and the one that comes.
        pytest.param(Wanted(950, "pve", CONFIG, recreate=True), seen(ConfFile(HEAD)), OURS, 2, 1, id="recreated"),
    ],
)
def test_a_plan_looks_for_mount_points_once_for_each_config(
    monkeypatch: pytest.MonkeyPatch, given: Wanted, observed: Observation, record: Record, configs: int, understood: int
) -> None:
    found: list[Any] = []
    find, understand = mounts.find, model.understand

    def count(name: str, work: Any) -> Any:
        return lambda *values: (found.append(name), work(*values))[1]

    monkeypatch.setattr(mounts, "find", count("find", find))
    monkeypatch.setattr(model, "understand", count("understand", understand))
    plan = planner.plan(given, observed, record)
    assert plan.steps
    assert not plan.error
    assert (found.count("find"), found.count("understand")) == (configs, understood)
