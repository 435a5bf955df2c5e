# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the next run does what it plans: each key with its three values, each digest with what differs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import digest as digests
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import (
    Application,
    Feature,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.explaining import explained
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.known import instance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import marker
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf

CONFIG = {"name": "web", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "tank", "storage_size_gb": 8}
CONF = """#a note
hostname: web
memory: 512
swap: 512
ostype: debian
rootfs: tank:subvol-950-disk-0,size=8G
unprivileged: 1
{}"""
APPLIED = {"hostname": "web", "unprivileged": "1"}
STAMP = {"run": "20261101T000000-one", "at": 1793491200}


def explain(
    config: dict[str, Any],
    conf: str | None = "",
    applied: dict[str, Any] | None = None,
    ledger: dict[str, Any] | None = None,
    **work: Any,
) -> dict[str, Any]:
    """The explanation for a running container of ours with these lines in its config; None for none."""
    wanted = Wanted(950, "pve", {**CONFIG, **config}, **work)
    if conf is None:
        seen, record = Observation(950), Record()
    else:
        text = CONF.format(conf) + "{}: {}\n".format(*marker.line("i1"))
        there = parse_conf(text)
        own = {"id": "i1", "at": 1, **instance.evidence(there)}
        values = {**APPLIED, **(applied or {})}
        record = Record("completed", True, values, instance=own, set_by=dict.fromkeys(values, STAMP))
        book = ledger or {"version": 1, "features": {}, "application": None}
        seen = Observation(950, exists=True, running=True, conf=there, boot="b1", ledger=book)
    return explained.explain(wanted, seen, record, planner.plan(wanted, seen, record))


def row(found: dict[str, Any], key: str) -> dict[str, Any]:
    """The row of a key."""
    (one,) = [item for item in found["keys"] if item["key"] == key]
    return one


def values(one: dict[str, Any]) -> tuple[Any, ...]:
    """Configured, on the node, on record; and the verdict."""
    return one["configured"], one["actual"], one["recorded"], one["verdict"]


def test_a_key_of_the_file_that_differs():
    one = row(explain({"memory_mb": 1024}, applied={"memory": "512"}), "memory")
    assert values(one) == ("1024", "512", "512", explained.CHANGE)
    assert one["source"] == "memory_mb"
    assert (one["run"], one["at"]) == (STAMP["run"], STAMP["at"])


def test_a_key_as_configured_gives_no_reason():
    found = explain({"memory_mb": 512}, applied={"memory": "512"})
    assert values(row(found, "memory")) == ("512", "512", "512", explained.SAME)
    assert row(found, "memory")["reason"] == ""


@pytest.mark.parametrize(("there", "verdict"), [("cores: 2\n", explained.UNDO), ("cores: 3\n", explained.LEFT)])
def test_a_key_that_left_the_file(there: str, verdict: str):
    """It is undone, unless another user changed it since."""
    assert values(row(explain({}, there, {"cores": "2"}), "cores")) == (None, there[7], "2", verdict)


def test_what_waits_for_a_restart():
    found = explain(
        {"pct_options": ["nesting=1"]}, "[pve:pending]\nfeatures: nesting=1\n", {"features": {"nesting": "1"}}
    )
    assert values(row(found, "features")) == ("nesting=1", "nesting=1", "nesting=1", explained.WAIT)


def test_what_nobody_manages_is_named():
    assert explain({})["not_managed"] == ["description", "memory", "ostype", "rootfs", "swap"]


def test_a_container_that_does_not_exist():
    found = explain({"memory_mb": 1024}, None)
    assert values(row(found, "memory")) == ("1024", None, None, explained.NEW)
    assert found["steps"][0]["kind"] == "create"


def test_every_change_of_the_plan_has_its_key():
    """Nothing that the plan writes into the config lacks a row with a reason."""
    config = {"memory_mb": 1024, "cores": 2, "lxc_options": ["lxc.cap.drop: mknod"]}
    found = explain(config, "tags: x\n", {"tags": ["x"]})
    changing = {item["key"] for item in found["keys"] if item["reason"]}
    assert {"memory", "cores", "lxc"} <= changing


@pytest.mark.parametrize(
    "config",
    [
        {"lxc_options": ["lxc.environment: HF_TOKEN=canary77"]},
        {"lxc_options": ["lxc.environment: X=hf_canary77canary"]},
        {"description": "password: canary77"},
    ],
)
def test_a_secret_is_changed_and_not_shown(config: dict[str, Any]):
    found = explain(config)
    assert "canary77" not in json.dumps(found)
    assert "changed" in [item["reason"] for item in found["keys"]]


def made(files: str, **variables: Any) -> Feature:
    """A feature of these inputs."""
    parts = digests.components(files, variables)
    return Feature("base", digests.digest(parts), parts)


def test_a_digest_names_the_inputs_that_differ():
    old, new = made("a", port=1, gone=2), made("b", port=2)
    entry = {"status": "applied", "digest": old.digest, "components": old.components, "at": "T", "run": "R"}
    found = explain({}, ledger={"version": 1, "features": {"base": entry, "old": entry}}, features=(new,))
    (one,) = found["features"]
    assert one["differs"] == ["files changed", "variable gone removed", "variable port changed"]
    assert (one["digest"], one["applied_digest"]) == (new.digest, old.digest)
    assert (one["at"], one["run"], one["due"]) == ("T", "R", ", ".join(one["differs"]))
    assert found["left_behind"] == ["old"]


def test_the_application_of_the_source_is_not_its_own():
    entry = {"status": "applied", "digest": "d", "ctid": 900}
    book = {"version": 1, "features": {}, "application": entry}
    found = explain({}, ledger=book, application=Application("app.sh", "d"))["application"]
    assert (found["applied_digest"], found["due"]) == ("", "not run yet")
