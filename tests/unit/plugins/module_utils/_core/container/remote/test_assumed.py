# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is planned of a container of which the API alone is seen, and what is named as unknown."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import (
    Application,
    Feature,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Observation, Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote import assumed
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote.apiconf import conf_of

TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
CONFIG = {"name": "web", "template": TEMPLATE, "storage_pool": "local", "storage_size_gb": 4, "memory_mb": 512}
HEAD = {"hostname": "web", "memory": 512, "rootfs": "local:vm-950-disk-0,size=4G", "unprivileged": 1}


def wanted(**config):
    return Wanted(950, "pve", {**CONFIG, **config})


def seen(**head):
    return Observation(950, exists=True, running=True, conf=conf_of({**HEAD, **head}), digest="d")


def plan(asked, observed, refused=()):
    given = assumed.assume(asked, observed, None, refused)
    return [each.name for each in given.unknown], assumed.plan(given)


def test_a_container_without_work_inside_is_complete_as_far_as_it_is_seen():
    unknown, made = plan(wanted(), seen())
    assert (unknown, made.steps, made.state) == (["record", "lease"], (), "completed")
    assert made.notes[-1].startswith("unknown over the API: record (")


@pytest.mark.parametrize("work", [{"features": (Feature("one", "d"),)}, {"application": Application("start.sh", "d")}])
def test_what_is_applied_inside_is_unknown_and_never_planned(work):
    unknown, made = plan(dataclasses.replace(wanted(), **work), seen())
    assert (unknown, made.steps, made.state) == (["record", "ledger", "lease"], (), "running")
    assert "are current" in made.notes[-1]


def test_a_container_to_be_created_has_nothing_inside_that_is_unknown():
    one = dataclasses.replace(wanted(), features=(Feature("one", "d"),))
    unknown, made = plan(one, Observation(950))
    assert unknown == ["lease"]
    kinds = [step.kind for step in made.steps]
    assert (kinds[0], "start" in kinds) == ("create", True)
    assert [step.name for step in made.steps if step.kind == "feature"] == ["one"]


def test_a_copy_of_a_container_may_have_features():
    one = Wanted(951, "pve", {"name": "copy", "clone_from_ctid": 950}, (Feature("one", "d"),))
    observed = Observation(951, source=seen().conf, source_running=False, storages={"local": "dir"})
    unknown, made = plan(one, observed)
    assert unknown == ["ledger", "lease"]
    assert [step.kind for step in made.steps if step.by_play] == []


def test_only_calls_to_pve_are_planned():
    _unknown, made = plan(wanted(memory_mb=768), seen())
    assert [entry.op for step in made.steps for entry in step.entries] == ["pve"]


@pytest.mark.parametrize("mark", [[], [["lxc.environment", "PHOENIX_INSTANCE=abc"]]])
def test_an_instance_id_is_neither_missing_nor_foreign(mark):
    _unknown, made = plan(wanted(), seen(lxc=mark))
    assert (made.steps, made.error) == ((), None)


def test_options_that_the_file_lacks_are_left():
    _unknown, made = plan(wanted(), seen(cores=2, tags="a", nameserver="192.0.2.1"))
    assert made.steps == ()


@pytest.mark.parametrize(("refused", "expected"), [((), ["record", "lease"]), (("ha",), ["record", "lease", "ha"])])
def test_an_entry_of_the_ha_manager_that_is_not_shown_is_not_planned(refused, expected):
    unknown, made = plan(wanted(ha={"state": "started"}), seen(), refused)
    assert unknown == expected
    assert bool(made.steps) == (not refused)


def test_devices_are_neither_added_nor_removed():
    unknown, made = plan(wanted(devices=[{"path": "/dev/net/tun"}]), seen(dev0="/dev/kvm"))
    assert unknown == ["record", "lease", "devices"]
    assert made.steps == ()


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (dataclasses.replace(wanted(), features=(Feature("one", "d"),)), "features one would be applied"),
        (dataclasses.replace(wanted(), features=(Feature("one", "d"),), target="running"), ""),
        (wanted(devices=[{"path": "/dev/net/tun"}]), "/dev/net/tun"),
        (wanted(ha={"state": "started"}), "not shown"),
        (wanted(guard="snapshot"), "roll back"),
        (wanted(), ""),
    ],
)
def test_what_no_privilege_of_a_token_helps_with(one, words):
    found = assumed.hindrances(one, Observation(950), None, ("ha",))
    assert [words in text for text in found] == ([True] if words else [])


def test_a_container_of_ssh_is_named_by_its_instance_id():
    seen_by_ssh = seen(lxc=[["lxc.environment", "PHOENIX_INSTANCE=abc"]])
    assert "instance id abc" in assumed.hindrances(wanted(), seen_by_ssh, None)[0]
    assert assumed.hindrances(wanted(), seen(), None) == []
