# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recreating against the control plane: only what is named, all of it predicted, a cut at any call resumed."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
import transports
from fake_node import Cut, normal, pve_calls, wanted
from test_executor import Cutting, predicted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf import observe

NET = {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}
DATA = {"name": "data", "pool": "local", "size_gb": 1, "mount_point": "/data"}
FULL = {
    "memory_mb": 1024,
    "network_config": NET,
    "volumes": [DATA],
    "firewall": {"enabled": True, "rules": ["IN DROP"]},
}


@pytest.fixture(autouse=True)
def raw_lines(transport, monkeypatch):
    """Raw lines, where the product may write them."""
    if transport == transports.SSH:
        monkeypatch.setitem(FULL, "lxc_options", ["lxc.cap.drop: mknod"])


def asked(run, named=True, **config):
    return dataclasses.replace(wanted(**{**FULL, **config}), recreate=named, run=run)


def deleted(node):
    return [call for call in node.mutations() if call[0] == "DELETE"]


def created(node):
    return [call for call in node.mutations() if call[:2] == ("POST", "/nodes/pve/lxc")]


def provisioned(node, **config):
    node.apply(asked("first", named=False, **config))
    node.forget_requests()


def gone(node):
    """The guest's own ledger goes with it."""
    node.books.clear()


class Paper(Cutting):
    """The guest's ledger goes with the container, as it would on a node."""

    def __init__(self, node, at=0, after=False):
        super().__init__(node.connect, at, after)
        self._node = node

    def request(self, method, path, params=None):
        if method == "DELETE" and path.endswith("/lxc/950") and (self._left != 1 or self._after):
            self._node.books.clear()
        return super().request(method, path, params)


def test_the_whole_of_it_is_predicted_and_made(node):
    provisioned(node)
    before = node.conf(950)
    want = asked("second", unprivileged=False)
    check = node.apply(want, check=True)
    assert node.mutations() == []
    kinds = [(step.kind, step.disrupts) for step in check.first.steps]
    assert kinds[:3] == [("stop", "recreate"), ("destroy", "recreate"), ("create", "nothing")]
    assert kinds[-1] == ("recreated", "nothing")
    assert [step.kind for step in check.first.steps].count("feature") == (2 if node.renews else 0)
    reason = check.first.steps[1].reason
    assert "vm-950-disk-0" in reason
    assert "vm-950-disk-1" in reason
    real = node.apply(want, client=lambda: Paper(node))
    assert real.last.state == "completed"
    assert normal(node.mutations()) == normal(pve_calls(predicted(check)))
    assert "unprivileged" not in node.conf(950)
    assert "mp=/data" in node.conf(950)
    assert node.conf(950) != before
    assert len(node.backend.volumes) == 2


def test_without_its_name_what_is_impossible_in_place_says_what_would_help(node):
    provisioned(node)
    for change in ({"unprivileged": False}, {"storage_size_gb": 2}):
        outcome = node.apply(asked("second", named=False, **change))
        assert "name 950 in phoenix_recreate_ctids" in outcome.first.error
        assert "vm-950-disk-1" in outcome.first.error
    assert node.mutations() == []


def test_the_run_that_did_it_does_not_do_it_again_another_does(node):
    provisioned(node)
    node.apply(asked("second"), client=lambda: Paper(node))
    node.forget_requests()
    assert node.apply(asked("second")).journal == []
    assert node.apply(asked("third", named=False)).journal == []
    assert node.mutations() == []
    node.apply(asked("third"), client=lambda: Paper(node))
    assert len(deleted(node)) == len(created(node)) == 1


def test_one_that_is_not_there_is_just_made(node):
    check = node.apply(asked("first"), check=True)
    assert check.first.steps[0].kind == "create"
    node.apply(asked("first"))
    assert deleted(node) == []
    assert node.store.read_record(950)["recreating"]["stage"] == "done"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 14))
@pytest.mark.parametrize("named", [True, False], ids=["named", "not named"])
def test_a_cut_at_any_call_is_resumed_and_destroys_once(node, at, after, named):
    provisioned(node)
    with contextlib.suppress(Cut):
        node.apply(asked("second"), client=lambda: Paper(node, at, after))
        named = False  # it was through before the cut: naming it once more would mean it once more
    begun = bool(deleted(node))
    resumed = node.apply(asked("third", named=named), client=lambda: Paper(node))
    assert resumed.last.error is None
    assert resumed.last.state == "completed"
    if named or begun:
        assert len(deleted(node)) == len(created(node)) == 1
    assert len(node.backend.volumes) == 2
    node.forget_requests()
    assert node.apply(asked("fourth", named=False)).journal == []
    assert node.mutations() == []


def test_a_recreation_that_did_not_end_goes_on_unless_it_can_not_reach_what_is_wanted(node):
    provisioned(node)
    executor = node.executor(lambda: Paper(node), run="second")
    executor.run(asked("second"))  # up to the features, which the play would apply
    node.forget_requests()
    assert node.apply(asked("third"), check=True).first.steps[0].kind == "feature"
    check = node.apply(asked("third", unprivileged=False), check=True)
    assert [step.kind for step in check.first.steps][:2] == ["stop", "destroy"]


def test_what_must_stay_is_refused(node):
    provisioned(node)
    node.call("PUT", "/nodes/pve/lxc/950/config", {"protection": 1})
    assert "protected" in node.apply(asked("second")).first.error
    node.call("PUT", "/nodes/pve/lxc/950/config", {"protection": 0, "tags": "phoenix-hold"})
    assert "phoenix-hold" in node.apply(asked("second")).first.error
    node.call("PUT", "/nodes/pve/lxc/950/config", {"delete": "tags"})
    assert "destroy" in node.apply(dataclasses.replace(asked("second"), target="defined")).first.error
    node.lose_record(950)
    assert "was not created or adopted" in node.apply(asked("second")).first.error
    assert deleted(node) == []


def test_nothing_is_destroyed_that_can_not_be_made_again(node):
    provisioned(node)
    without = asked("second", template=None, clone_from_ctid="900")
    assert "900 is not on node" in node.apply(without).first.error
    assert deleted(node) == []


@pytest.mark.parametrize(
    "volume",
    ["local-zfs:basevol-900-disk-0/subvol-951-disk-0", "local:900/base-900-disk-0.raw/951/vm-951-disk-0.qcow2"],
)
def test_a_source_of_linked_clones_is_left_alone(node, volume):
    node.apply(dataclasses.replace(wanted(is_template=True), ctid=900))
    (node.conf_dir / "951.conf").write_text(f"hostname: b\nrootfs: {volume},size=4G\n", encoding="utf-8")
    (node.conf_dir / "952.conf").write_text(
        "rootfs: local-zfs:basevol-9001-disk-0/subvol-952-disk-0\n", encoding="utf-8"
    )
    assert observe.linked_clones(900, str(node.pve_dir)) == (951,)
    again = dataclasses.replace(wanted(is_template=True), ctid=900, recreate=True, run="second")
    assert "linked clones that live on its volumes (951)" in node.apply(again).first.error
    removed = dataclasses.replace(wanted(target="absent"), ctid=900)
    assert "(951)" in node.apply(removed).first.error
    (node.conf_dir / "951.conf").unlink()
    assert node.apply(again).last.state == "completed"


def test_a_stale_template_says_how_it_is_made_anew(node):
    base = dataclasses.replace(wanted(is_template=True), ctid=900)
    node.apply(base)
    stale = dataclasses.replace(base, features=(Feature("one", "new"), Feature("two", "d2")))
    assert any("phoenix_recreate_ctids" in note for note in node.apply(stale).first.notes)
    node.books.clear()
    again = node.apply(dataclasses.replace(stale, recreate=True, run="second"))
    assert again.last.state == "completed"
    assert not any("stale" in note for note in node.apply(stale).first.notes)


def test_what_was_decided_at_creation_is_told_when_it_is_other_in_the_file(node):
    provisioned(node)
    other = asked("second", named=False, template="local:vztmpl/other.tar.zst", storage_pool="fast")
    other = dataclasses.replace(other, config={**other.config, "volumes": [{**DATA, "pool": "slow"}]})
    outcome = node.apply(other)
    assert outcome.journal == []
    told = [note.partition(":")[0] for note in outcome.first.notes if "phoenix_recreate_ctids: [950]" in note]
    assert told == ["template", "storage_pool", "volumes/0/pool"]


def test_a_source_and_its_clone_made_anew_in_one_run_are_predicted(node):
    source = dataclasses.replace(wanted(is_template=True, memory_mb=300), ctid=900)
    node.apply(source)
    clone = wanted(template=None, clone_from_ctid="900", storage_pool=None, storage_size_gb=None)
    node.apply(clone)
    node.books.clear()
    source = dataclasses.replace(
        source, config={**source.config, "memory_mb": 400, "storage_size_gb": 5}, recreate=True, run="second"
    )
    clone = dataclasses.replace(clone, recreate=True, run="second")
    check = node.apply(dataclasses.replace(clone, source=source), check=True)
    node.apply(source)
    node.forget_requests()
    node.apply(clone, client=lambda: Paper(node))
    assert normal(node.mutations()) == normal(pve_calls(predicted(check)))
    assert "memory: 400" in node.conf(950)
    assert "size=5G" in node.conf(950)
