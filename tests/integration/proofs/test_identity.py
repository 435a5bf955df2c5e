# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container is ours by its identity: another one under its CTID is refused, whatever happened to ours is not."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from fake_node import TEMPLATE, FakeNode, normal, predicted, pve_calls
from proof_counts import COUNTS

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.outcome import StepError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.past import identity
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client

CTID, OTHER = 950, 960
LXC = "/nodes/pve/lxc"
OURS = f"{LXC}/{CTID}"
FEATURES = (Feature("one", "d1"), Feature("two", "d2"))
CONFIG = {
    "name": "web",
    "template": TEMPLATE,
    "storage_pool": "tank",
    "storage_size_gb": 4,
    "memory_mb": 512,
    "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "manual"},
}
BY_HAND = {"ostemplate": TEMPLATE, "hostname": "theirs", "memory": 333, "unprivileged": 1, "rootfs": "tank:4"}
BY_HAND["net0"] = "name=eth0,bridge=vmbr0"
MARKER = re.compile(r"^lxc\.environment: PHOENIX_INSTANCE=(\S+)\n", re.MULTILINE)


def wanted(ctid: int = CTID, **config: Any) -> Wanted:
    """The container as its file has it."""
    given = {key: value for key, value in {**CONFIG, **config}.items() if value is not None}
    return Wanted(ctid, "pve", given, FEATURES)


def absent(**more: Any) -> Wanted:
    """Its destruction."""
    return Wanted(CTID, "pve", {}, target="absent", destroy_confirmed=True, **more)


def marker(node: FakeNode, ctid: int = CTID) -> str | None:
    """The instance id in a container's config."""
    found = MARKER.findall((node.conf(ctid) or "").partition("\n[")[0])
    assert len(found) <= 1, "two instance ids"
    return found[0] if found else None


def settled(node: FakeNode, *others: Wanted) -> FakeNode:
    """A node on which the containers are complete, for a minute."""
    node.wipe()
    for want in (*others, wanted()):
        _journal, outcome = node.drive(want)
        assert outcome.last.state == "completed", outcome.last.error
        aged(node, want.ctid)
    node.pve.asked.clear()
    return node


def aged(node: FakeNode, ctid: int = CTID, **values: Any) -> None:
    """What is on record of it is a minute old: PVE's tasks have times in whole seconds."""
    known = node.store.read_record(ctid)["instance"]
    node.store.update_record(ctid, instance={**known, "at": known["at"] - 60, **values})


def stop(node: FakeNode, ctid: int = CTID) -> None:
    """Somebody stops it."""
    if ctid in node.backend.running:
        node.call("POST", f"{LXC}/{ctid}/status/stop")


def destroy(node: FakeNode, ctid: int = CTID) -> None:
    """Somebody destroys it."""
    stop(node, ctid)
    node.call("DELETE", f"{LXC}/{ctid}")


def make(node: FakeNode, **values: Any) -> None:
    """Somebody makes another one under the CTID."""
    node.call("POST", LXC, {"vmid": CTID, **BY_HAND, **values})


def edit(node: FakeNode, change: Callable[[str], str], ctid: int = CTID) -> None:
    """Somebody edits the config's file."""
    path = node.conf_dir / f"{ctid}.conf"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def backed_up(node: FakeNode, ctid: int = CTID) -> str:
    """A backup of it, as vzdump leaves one: the volume's name."""
    inside = node.directory / "vzdump" / "etc" / "vzdump"
    inside.mkdir(parents=True, exist_ok=True)
    (inside / "pct.conf").write_text((node.conf(ctid) or "").partition("\n[")[0], encoding="utf-8")
    name = f"vzdump-lxc-{ctid}-2026_11_23-18_32_10.tar"
    (node.directory / "vz" / "dump").mkdir(exist_ok=True)
    with tarfile.open(node.directory / "vz" / "dump" / name, "w") as archive:
        archive.add(node.directory / "vzdump", arcname=".")
    return f"local:backup/{name}"


# ------------------------------------------------------------------------------------------------ others under our CTID
def made_again(node: FakeNode) -> None:
    destroy(node)
    make(node)


def made_again_with_our_values(node: FakeNode) -> None:
    """Everything but what PVE draws is as it was."""
    destroy(node)
    make(node, hostname="web", memory=512)


def made_again_with_our_address(node: FakeNode) -> None:
    """Even the MAC address was ours, and PVE gives the volume the same name: only its tasks tell."""
    mac = re.search(r"hwaddr=([^,\n]+)", node.conf(CTID) or "").group(1)
    destroy(node)
    make(node, net0=f"name=eth0,bridge=vmbr0,hwaddr={mac}")


def cloned_from_another_of_ours(node: FakeNode) -> None:
    destroy(node)
    stop(node, OTHER)
    node.call("POST", f"{LXC}/{OTHER}/clone", {"newid": CTID, "full": 1})
    assert marker(node) == marker(node, OTHER)


def cloned_there_and_back(node: FakeNode) -> None:
    """A copy of ours: the same instance id, root volume and values. Another MAC, and ours is gone."""
    stop(node)
    node.call("POST", f"{OURS}/clone", {"newid": 951, "full": 1})
    destroy(node)
    node.call("POST", f"{LXC}/951/clone", {"newid": CTID, "full": 1})
    assert marker(node) == node.store.load(CTID).instance["id"]


def restored_from_anothers_backup(node: FakeNode) -> None:
    archive = backed_up(node, OTHER)
    destroy(node)
    node.call("POST", LXC, {"vmid": CTID, "ostemplate": archive, "restore": 1, "storage": "tank"})
    assert marker(node) == marker(node, OTHER)


REPLACED = [
    made_again,
    made_again_with_our_values,
    made_again_with_our_address,
    cloned_from_another_of_ours,
    cloned_there_and_back,
    restored_from_anothers_backup,
]


@pytest.mark.parametrize("replace", REPLACED, ids=lambda each: each.__name__)
def test_another_container_is_refused_by_every_way_in(node, replace):
    COUNTS["containers that another one replaced"] += 1
    settled(node, wanted(OTHER, name="other"))
    replace(node)
    before = node.files(), dict(node.backend.volumes)
    recreating = dataclasses.replace(wanted(), recreate=True, run="again")
    for want in (wanted(), wanted(memory_mb=1024), recreating, absent()):
        for check in (True, False):
            outcome = node.executor(check=check).run(want, check=check)
            error = outcome.first.error
            assert error is not None
            assert "is not the container on record under that CTID, so it is left alone" in error, error
            assert "phoenix_adopt" in error
            assert (outcome.first.state if want is not recreating else "defined", outcome.journal) == ("defined", [])
    assert node.mutations() == []
    assert (node.files(), dict(node.backend.volumes)) == before


def test_a_refusal_describes_what_is_there(node):
    settled(node)
    made_again(node)
    error = node.check(wanted()).first.error
    assert "container 950 exists (theirs, stopped, 333 MiB" in error
    assert re.search(r"made by vzcreate by root@pam at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", error), error
    assert "its MAC addresses are" in error


@pytest.mark.parametrize("adopt", ["record", "reapply"])
def test_adoption_takes_it_over_as_the_dry_run_says(node, adopt):
    settled(node)
    first = marker(node)
    made_again(node)
    want = dataclasses.replace(wanted(), adopt=adopt)
    check = node.check(want)
    journal, outcome = node.drive(want)
    assert outcome.last.state == "completed", outcome.last.error
    assert journal == predicted(check.first)
    assert normal(node.mutations()) == normal(pve_calls(journal))
    assert marker(node) not in (None, first)
    node.pve.asked.clear()
    journal, outcome = node.drive(wanted())
    assert (journal, outcome.first.steps, node.pve.asked) == ([], (), [])
    _journal, outcome = node.drive(absent())
    assert (outcome.last.error, node.conf(CTID)) == (None, None)


@pytest.mark.parametrize("adopt", ["record", "reapply"])
@pytest.mark.parametrize("running", [False, True])
def test_a_ledger_inside_changes_nothing_that_the_dry_run_of_an_adoption_says(node, adopt, running):
    """That of a stopped container is not known before it runs."""
    settled(node)
    made_again(node)
    node.books[CTID] = {**ledger.empty(), "features": {"one": {"status": "applied", "digest": "d1"}}}
    if running:
        node.call("POST", f"{OURS}/status/start")
    want = dataclasses.replace(wanted(), adopt=adopt)
    check = node.check(want)
    journal, outcome = node.drive(want)
    assert outcome.last.state == "completed", outcome.last.error
    assert journal == predicted(check.first)
    assert sorted(node.books[CTID]["features"]) == ["one", "two"]
    begun = [entry["what"] for entry in journal if entry["op"] == "feature" and entry["what"].startswith("begin")]
    assert begun == (["begin one", "begin two"] if adopt == "reapply" else [])


# --------------------------------------------------------------------------------------------- what ours goes through
def started_again(node: FakeNode) -> None:
    stop(node)
    node.call("POST", f"{OURS}/status/start")


def edited(node: FakeNode) -> None:
    node.call("PUT", f"{OURS}/config", {"hostname": "renamed", "memory": 777, "description": "by hand"})


def another_mac(node: FakeNode) -> None:
    edit(node, lambda text: re.sub(r"hwaddr=[^,\n]+", "hwaddr=BC:24:11:12:34:56", text))


def without_cards(node: FakeNode) -> None:
    edit(node, lambda text: re.sub(r"^net0: .*\n", "", text, flags=re.MULTILINE))


def rolled_back(node: FakeNode) -> None:
    node.call("POST", f"{OURS}/snapshot", {"snapname": "before"})
    node.call("PUT", f"{OURS}/config", {"memory": 777})
    node.call("POST", f"{OURS}/snapshot/before/rollback", {"start": 1})


def restored(node: FakeNode) -> None:
    """From its own backup, to another storage. A plain restore keeps MACs and, by root, raw lines."""
    book = node.books[CTID]
    archive = backed_up(node)
    destroy(node)
    node.call("POST", LXC, {"vmid": CTID, "ostemplate": archive, "restore": 1, "storage": "local"})
    assert "rootfs: local:950/" in (node.conf(CTID) or "")
    node.books[CTID] = book


def restored_from_before_a_feature(node: FakeNode) -> None:
    """What its ledger has counts, not what the node remembers."""
    restored(node)
    del node.books[CTID]["features"]["two"]
    node.call("POST", f"{OURS}/status/start")


def without_its_marker(node: FakeNode) -> None:
    edit(node, lambda text: MARKER.sub("", text))


def moved_to_another_storage(node: FakeNode) -> None:
    stop(node)
    edit(node, lambda text: text.replace("tank:subvol-950-disk-0", "local:950/vm-950-disk-0.raw"))


def grown(node: FakeNode) -> None:
    node.call("PUT", f"{OURS}/resize", {"disk": "rootfs", "size": "+1G"})


GONE_THROUGH = [
    started_again,
    edited,
    another_mac,
    without_cards,
    rolled_back,
    restored,
    restored_from_before_a_feature,
    without_its_marker,
    moved_to_another_storage,
]


@pytest.mark.parametrize("happens", GONE_THROUGH, ids=lambda each: each.__name__)
def test_ours_stays_ours(node, happens):
    COUNTS["containers of ours that went through something"] += 1
    settled(node)
    own = marker(node)
    happens(node)
    want = wanted(storage_pool=None, storage_size_gb=None)
    check = node.check(want)
    assert check.first.error is None
    journal, outcome = node.drive(want)
    assert outcome.last.state == "completed", outcome.last.error
    assert journal == predicted(check.first)
    assert marker(node) == own
    node.pve.asked.clear()
    journal, outcome = node.drive(want)
    assert (journal, outcome.first.steps, node.pve.asked) == ([], (), [])
    assert "lxc" not in outcome.first.waiting
    _journal, outcome = node.drive(absent())
    assert (outcome.last.error, node.conf(CTID)) == (None, None)


def test_a_backup_that_another_user_restored_has_no_raw_lines(node, monkeypatch):
    """PVE keeps them for root alone. Its MAC address and its volume tell, and PVE's tasks that it was restored."""
    settled(node)
    own, book, archive = marker(node), node.books[CTID], backed_up(node)
    destroy(node)
    for path, role in (("/vms", "PVEVMAdmin"), ("/storage", "PVEDatastoreUser"), ("/sdn", "PVESDNUser")):
        node.pve.grant_role("backup@pve", path, role)
    values = {"vmid": CTID, "ostemplate": archive, "restore": 1, "storage": "tank"}
    with monkeypatch.context() as patch:
        patch.setattr(local_client, "mint_ticket", lambda **_how: node.pve.mint_ticket("backup@pve"))
        node.call("POST", LXC, values)
    assert marker(node) is None
    node.books[CTID] = book
    journal, outcome = node.drive(wanted())
    assert (outcome.last.state, marker(node)) == ("completed", own), outcome.last.error
    assert journal[0]["what"] == "mark"


def test_a_hand_grown_disk_is_no_other_container(node):
    settled(node)
    grown(node)
    assert "is less than the 5G" in node.check(wanted()).first.error


def test_a_restored_container_is_what_its_ledger_says(node):
    settled(node)
    restored_from_before_a_feature(node)
    plan = node.check(wanted()).first
    assert plan.state == "customizing"
    assert [item["name"] for item in plan.due_features] == ["two"]


def test_a_converted_template_stays_ours(node):
    node.wipe()
    want = wanted(is_template=True)
    _journal, outcome = node.drive(want)
    assert (outcome.last.state, outcome.last.error) == ("completed", None)
    assert "template: 1" in (node.conf(CTID) or "")
    node.pve.asked.clear()
    journal, outcome = node.drive(want)
    assert (journal, outcome.first.steps, node.mutations()) == ([], (), [])


def test_a_snapshot_from_before_the_adoption_takes_the_marker_along(node):
    node.wipe()
    make(node, memory=512, hostname="web")
    node.call("POST", f"{OURS}/snapshot", {"snapname": "before"})
    adopting = dataclasses.replace(wanted(network_config=None), adopt="record")
    _journal, outcome = node.drive(adopting)
    assert outcome.last.state == "completed"
    own = marker(node)
    assert own is not None
    aged(node)
    node.call("POST", f"{OURS}/snapshot/before/rollback")
    assert marker(node) is None
    check = node.check(wanted(network_config=None))
    assert check.first.steps[0].kind == "mark"
    journal, outcome = node.drive(wanted(network_config=None))
    assert (outcome.last.state, marker(node)) == ("completed", own)
    assert journal == predicted(check.first)


def test_a_clone_gets_an_identity_of_its_own(node):
    node.wipe()
    source = wanted(900, name="base")
    node.drive(source)
    clone = wanted(template=None, storage_pool=None, clone_from_ctid=900)
    check = node.check(clone)
    node.pve.asked.clear()
    journal, outcome = node.drive(clone)
    assert outcome.last.state == "completed", outcome.last.error
    assert normal(node.mutations()) == normal(pve_calls(journal)) == normal(pve_calls(predicted(check.first)))
    assert marker(node, 900) != marker(node) == node.store.load(CTID).instance["id"]
    node.pve.asked.clear()
    journal, outcome = node.drive(clone)
    assert (journal, node.pve.asked) == ([], [])


def test_a_source_that_another_replaced_is_not_cloned(node):
    node.wipe()
    node.drive(wanted(900, name="base"))
    destroy(node, 900)
    node.call("POST", LXC, {"vmid": 900, **BY_HAND})
    error = node.check(wanted(template=None, storage_pool=None, clone_from_ctid=900)).first.error
    assert "clone_from_ctid: container 900 is not the container" in error


# ------------------------------------------------------------------------------------- between the plan and the change
@pytest.mark.parametrize(
    "want",
    [
        wanted(memory_mb=1024),
        wanted(lxc_options=["lxc.cap.drop: mknod"]),
        wanted(storage_size_gb=6),
        wanted(firewall={"enabled": True, "rules": ["IN DROP"]}),
        wanted(guard="rollback", memory_mb=1024),
        wanted(is_template=True),
        dataclasses.replace(wanted(), recreate=True, run="again"),
        absent(),
    ],
    ids=["configure", "raw", "resize", "firewall", "guard", "template", "recreate", "destroy"],
)
def test_a_container_replaced_after_the_plan_is_not_changed(node, want):
    """The run has made its plan and is about to make its first change."""
    COUNTS["containers that another one replaced"] += 1
    settled(node)
    swapped = []

    def swap() -> None:
        if not swapped:
            swapped.append(True)
            made_again(node)
            swapped.append(node.conf(CTID))

    try:
        error = str(node.executor(guard=swap).run(want).last.error)
    except StepError as failure:
        error = str(failure)
    # An edit of the file meets its digest first, and plans again.
    assert "took its place under CTID 950" in error or "is not the container on record" in error, error
    assert [call for call in node.mutations() if call[0] != "GET"] == []
    assert node.conf(CTID) == swapped[1]


def test_a_container_replaced_while_its_lock_is_waited_for_is_not_destroyed(node):
    settled(node)
    stop(node)
    edit(node, lambda text: f"lock: backup\n{text}")
    looks = []

    def swap() -> None:
        looks.append(True)
        if len(looks) == 3:  # the first attempt was refused
            edit(node, lambda text: text.replace("lock: backup\n", ""))
            made_again(node)

    with pytest.raises(StepError, match="took its place under CTID 950"):
        node.executor(guard=swap).run(absent())
    assert "hostname: theirs" in (node.conf(CTID) or "")


def test_what_is_asked_before_each_work_inside_notices_another_container(node):
    """The module of the features asks it, too: between the node's steps anybody may have swapped the container."""
    settled(node)
    place = (node.executor()._observer.read_conf, CTID, node.store)
    identity.ensure_ours(*place)
    made_again(node)
    with pytest.raises(identity.ForeignError, match="took its place under CTID 950"):
        identity.ensure_ours(*place)


# -------------------------------------------------------------------------------------------- creations that were cut
def begun(node: FakeNode, upid: str) -> None:
    """A run began to create the container and was killed."""
    shutil.rmtree(node.directory / "state", ignore_errors=True)  # not there the first time
    begun = {"run": "r", "at": 1, "upid": upid}
    node.store.update_record(CTID, creating=begun, instance={"id": "i1", "at": 1})


def last_task(node: FakeNode, kind: str) -> str:
    """The newest task of a kind."""
    tasks = node.call("GET", "/nodes/pve/tasks", {"vmid": CTID, "source": "all"})
    return next(task["upid"] for task in tasks if task["type"] == kind)


def test_a_creation_is_proved_by_its_worker_when_its_marker_was_not_written_yet(node):
    node.wipe()
    make(node)
    begun(node, last_task(node, "vzcreate"))
    _journal, outcome = node.drive(wanted(network_config=None))
    assert outcome.last.state == "completed", outcome.last.error
    assert marker(node) == "i1"


def test_a_container_made_after_our_creation_had_failed_is_not_taken_for_it(node):
    node.wipe()
    make(node, ostemplate="local:vztmpl/none.tar.zst")
    assert node.conf(CTID) is None
    begun(node, last_task(node, "vzcreate"))
    make(node)
    node.pve.asked.clear()
    for check in (True, False):
        error = node.executor(check=check).run(wanted(), check=check).first.error
        assert "the creation that an earlier run began has failed" in error, error
    assert node.mutations() == []


# ---------------------------------------------------------------------------------- records older than instance ids
def older(node: FakeNode) -> None:
    """The container and its record as an earlier version left them."""
    settled(node)
    without_its_marker(node)
    node.store.update_record(CTID, instance=None)


def test_an_older_record_is_taken_over_when_nothing_contradicts(node):
    older(node)
    check = node.check(wanted())
    assert [(step.kind, step.reason) for step in check.first.steps] == [("mark", "made before there were instance ids")]
    journal, outcome = node.drive(wanted())
    assert journal == predicted(check.first)
    assert (outcome.last.state, node.mutations()) == ("completed", [])
    assert marker(node) == node.store.load(CTID).instance["id"]
    node.pve.asked.clear()
    journal, outcome = node.drive(wanted())
    assert (journal, outcome.first.steps, node.pve.asked) == ([], (), [])


def features_gone(node: FakeNode) -> None:
    node.books[CTID] = ledger.empty()


def anothers_marker(node: FakeNode) -> None:
    edit(node, lambda text: f"{text}lxc.environment: PHOENIX_INSTANCE=abc\n")


def every_value_another(node: FakeNode) -> None:
    node.store.update_record(CTID, applied={"hostname": "x", "memory": "1", "cores": "64", "net0": {"bridge": "b"}})


def destroyed_since(node: FakeNode) -> None:
    book = node.books[CTID]
    made_again_with_our_values(node)
    node.books[CTID] = book
    import os

    path = node.store.record_path(CTID)
    os.utime(path, (os.stat(path).st_atime, os.stat(path).st_mtime - 60))


@pytest.mark.parametrize(
    ("contradicts", "words"),
    [
        (features_gone, "the features on record (one, two) are not in the ledger inside it"),
        (anothers_marker, "it carries the instance id abc, and none is on record"),
        (every_value_another, "none of the values that were applied last (cores, hostname, memory, net0) is in force"),
        (destroyed_since, "the container on record was destroyed since (vzdestroy by root@pam at "),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_an_older_record_that_is_contradicted_needs_consent(node, contradicts, words):
    older(node)
    contradicts(node)
    for want in (wanted(), absent()):
        error = node.check(want).first.error
        assert words in error, error
        assert "phoenix_adopt" in error


# --------------------------------------------------------------------------------- templates by hand, other nodes
def by_hand_to_template(node: FakeNode) -> None:
    stop(node)
    node.call("POST", f"{OURS}/template")
    assert "template: 1" in (node.conf(CTID) or "")


def test_a_template_made_by_hand_is_never_called_complete(node):
    settled(node)
    by_hand_to_template(node)
    for check in (True, False):
        outcome = node.executor(check=check).run(wanted(), check=check)
        assert "container 950 is a template, which never runs, and its configuration has no is_template" in (
            outcome.first.error
        )
        assert outcome.first.state == "configured"
    assert node.mutations() == []


def test_a_template_made_by_hand_before_it_was_complete_is_refused(node):
    node.wipe()
    node.drive(dataclasses.replace(wanted(), target="running"))
    by_hand_to_template(node)
    node.pve.asked.clear()
    plan = node.check(wanted(is_template=True)).first
    error = plan.error
    assert plan.state == "configured"
    assert "was made a template by hand before it was complete: one, two not on record" in error
    node.drive(wanted(is_template=True))
    assert node.mutations() == []


def test_a_complete_container_that_somebody_converted_is_the_template_that_was_asked_for(node):
    settled(node)
    by_hand_to_template(node)
    journal, outcome = node.drive(wanted(is_template=True))
    assert (outcome.last.state, outcome.last.error) == ("completed", None)
    assert pve_calls(journal) == []


@pytest.mark.parametrize("same", [True, False])
def test_a_container_on_another_node_of_the_cluster_is_not_created_again(node, same):
    settled(node)
    stop(node)
    there = node.pve_dir / "nodes" / "pve2" / "lxc"
    there.mkdir(parents=True, exist_ok=True)
    try:
        (node.conf_dir / f"{CTID}.conf").rename(there / f"{CTID}.conf")
        if not same:
            text = MARKER.sub("", (there / f"{CTID}.conf").read_text(encoding="utf-8"))
            (there / f"{CTID}.conf").write_text(text, encoding="utf-8")
        plan = node.check(wanted()).first
        assert plan.state == "defined"
        assert ("container 950 (web) moved to node pve2" in plan.error) is same
        assert "Nothing is created on node pve" in plan.error
        assert "set node to 'pve2'" in plan.error
        _journal, outcome = node.drive(wanted())
        assert (outcome.first.error, node.mutations()) == (plan.error, [])
        # Its destruction, from a node where it is no more, forgets it there and leaves it where it is.
        _journal, outcome = node.drive(absent())
        assert (outcome.last.error, node.mutations()) == (None, [])
        assert not node.store.load(CTID).ours
        assert (there / f"{CTID}.conf").exists()
    finally:
        shutil.rmtree(node.pve_dir / "nodes" / "pve2")


def test_nobody_sets_the_marker_by_lxc_options(node):
    node.wipe()
    error = node.check(wanted(lxc_options=["lxc.environment: PHOENIX_INSTANCE=mine"])).first.error
    assert "PHOENIX_INSTANCE" in error
    assert "remove it" in error
