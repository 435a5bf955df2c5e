# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers restored from a backup: predicted, made, configured, settled; a cut at any call resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tarfile
from types import SimpleNamespace

import pytest
from fake_node import Cut, pve_calls, wanted
from test_executor import Cutting, predicted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger as ledgers
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf.observe import Observer
from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_lxc_info

NET = {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}
SAVED = """\
arch: amd64
cores: 2
hostname: old
memory: 2048
mp0: tank:subvol-900-disk-1,mp=/data,backup=1,size=2G
mp1: /srv/models,mp=/models
net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:09:00,ip=dhcp,type=veth
onboot: 1
ostype: debian
protection: 1
rootfs: tank:subvol-900-disk-0,size=8G
swap: 512
unprivileged: 1
lxc.environment: PHOENIX_INSTANCE=00000000-0000-4000-8000-000000000900
lxc.cap.drop: mknod
"""


def backup(node, owner=900, text=SAVED, book=None):
    """A backup as vzdump leaves one, with a ledger inside: the volume's name."""
    inside = node.directory / "vzdump" / "etc" / "vzdump"
    inside.mkdir(parents=True, exist_ok=True)
    (inside / "pct.conf").write_text(text, encoding="utf-8")
    name = f"vzdump-lxc-{owner}-2026_11_23-18_32_10.tar"
    (node.directory / "vz" / "dump").mkdir(exist_ok=True)
    with tarfile.open(node.directory / "vz" / "dump" / name, "w") as archive:
        archive.add(node.directory / "vzdump", arcname=".")
        if book is not None:
            (node.directory / "ledger.json").write_text(book, encoding="utf-8")
            archive.add(node.directory / "ledger.json", arcname=f".{ledgers.PATH}")
    return f"local:backup/{name}"


def asked(volume, **config):
    values = {"memory_mb": 1024, "network_config": NET, "storage_size_gb": None, "storage_pool": "tank", **config}
    return wanted(template=None, restore_from=volume, **values)


def markers(node, ctid=950):
    """The instance ids in the config; over the API they are in the record alone."""
    if not node.renews:
        return [node.store.load(ctid).instance["id"]]
    return re.findall(r"PHOENIX_INSTANCE=(\S+)", node.conf(ctid) or "")


def test_a_backup_of_another_container_becomes_one_of_its_own(node):
    want = asked(backup(node))
    check = node.check(want)
    assert check.first.error is None
    assert node.mutations() == []
    journal, outcome = node.drive(want)
    assert outcome.last.state == "completed", outcome.last.error
    assert journal == predicted(check)
    create = node.mutations()[0]
    assert create[:2] == ("POST", "/nodes/pve/lxc")
    assert {key: create[2][key] for key in ("restore", "unique", "rootfs", "mp0")} == {
        "restore": "1",
        "unique": "1",
        "rootfs": "tank:8",
        "mp0": "tank:2,backup=1,mp=/data",
    }
    assert "mp1" not in create[2]
    conf = node.conf(950)
    assert "memory: 1024" in conf
    assert "hostname: web" in conf
    assert "onboot: 1" in conf  # only the backup has it, as of a clone source
    assert "lxc.cap.drop: mknod" in conf
    assert "protection: 1" not in conf
    assert "/srv/models" not in conf  # no folder of the node comes with a backup
    assert "BC:24:11:00:09:00" not in conf
    assert markers(node) == [node.store.load(950).instance["id"]]
    assert "renew identity" in [entry["what"] for entry in journal]
    assert node.store.load(950).origin == {"restore_from": want.desired.restore_from}
    node.pve.asked.clear()
    journal, outcome = node.drive(want)
    assert (journal, outcome.first.steps, node.pve.asked) == ([], (), [])


def test_a_backup_of_its_own_keeps_its_addresses_and_its_identity(node):
    want = asked(backup(node, owner=950), unprivileged=None)
    journal, outcome = node.drive(want)
    assert outcome.last.state == "completed", outcome.last.error
    assert "unique" not in node.mutations()[0][2]
    assert "BC:24:11:00:09:00" in node.conf(950)
    assert "renew identity" not in [entry["what"] for entry in journal]
    assert markers(node) == [node.store.load(950).instance["id"]]


def test_the_ledger_in_the_backup_counts(node):
    want = asked(backup(node))
    book = {name: {"status": "applied", "digest": digest} for name, digest in (("one", "d1"), ("two", "old"))}

    def restored(ctid, _source):
        node.books[ctid] = {"version": 1, "features": book, "application": None}

    node.backend.copied = restored
    try:
        journal, outcome = node.drive(want)
    finally:
        node.backend.copied = lambda _ctid, _source: None
    assert outcome.last.state == "completed", outcome.last.error
    begun = [entry["what"] for entry in journal if entry["op"] == "feature"]
    assert begun == ["begin two", "end two"]


def test_a_dry_run_lists_the_features_that_the_ledger_in_the_backup_lacks(node):
    book = {name: {"status": "applied", "digest": digest} for name, digest in (("one", "d1"), ("two", "old"))}
    inside = {"version": 1, "features": book, "application": None}
    want = asked(backup(node, book=ledgers.dump(inside)))
    check = node.check(want)
    assert [step.name for step in check.first.steps if step.kind == "feature"] == ["two"]
    node.backend.copied = lambda ctid, _source: node.books.update({ctid: inside})
    try:
        journal, _outcome = node.drive(want)
    finally:
        node.backend.copied = lambda _ctid, _source: None
    assert journal == predicted(check)


@pytest.mark.parametrize(
    ("book", "note"),
    [(None, None), ("{}", "the ledger in the backup can't be read"), ("x" * 300_000, "can't be read")],
    ids=["none", "other", "too long"],
)
def test_a_ledger_that_a_dry_run_cant_use_lists_every_feature(node, book, note):
    check = node.check(asked(backup(node, book=book)))
    assert [step.name for step in check.first.steps if step.kind == "feature"] == ["one", "two"]
    assert [note in said for said in check.first.notes if "restore_from" in said] == ([True] if note else [])


@pytest.mark.parametrize("privileged", [True, False])
def test_who_it_is_privileged_for_comes_from_the_backup_unless_the_file_says_it(node, privileged):
    text = SAVED.replace("unprivileged: 1\n", "") if privileged else SAVED
    _journal, outcome = node.drive(asked(backup(node, text=text), unprivileged=None))
    assert outcome.last.state == "completed", outcome.last.error
    assert ("unprivileged: 1" in node.conf(950)) is not privileged


def test_it_grows_at_the_restore_and_never_shrinks(node):
    volume = backup(node)
    error = node.check(asked(volume, storage_size_gb=4)).first.error
    assert error == (
        "storage_size_gb: 4 is less than the 8G that rootfs of the backup has, and PVE can't shrink a disk (impossible "
        "without recreating it); set it to 8, or restore from another"
    )
    data = [{"name": "data", "mount_point": "/data", "size_gb": 5, "pool": "local"}]
    _journal, outcome = node.drive(asked(volume, storage_size_gb=12, volumes=data))
    assert outcome.last.state == "completed", outcome.last.error
    assert [path for _method, path, _params in node.mutations() if path.endswith("resize")] == []
    assert re.search(r"^rootfs: tank:.*size=12G", node.conf(950), re.MULTILINE)
    assert re.search(r"^mp0: local:.*mp=/data.*size=5G", node.conf(950), re.MULTILINE)


def test_a_backup_that_is_not_there_and_one_of_a_template_are_refused(node):
    missing = asked("local:backup/vzdump-lxc-900-2020_01_01-00_00_00.tar")
    error = node.drive(missing)[1].first.error
    assert "can't read the config in the backup" in error
    assert "does not exist" in error
    assert "pvesm list local --content backup" in error
    error = node.drive(asked(backup(node, text=f"{SAVED}template: 1\n")))[1].first.error
    assert "is one of a template" in error
    assert node.mutations() == []


def test_a_recreation_restores_it_again(node):
    want = asked(backup(node))
    node.drive(want)
    node.forget_requests()
    again = dataclasses.replace(want, recreate=True, run="second")
    check = node.check(again)
    kinds = [step.kind for step in check.first.steps]
    assert kinds[:3] == ["stop", "destroy", "create"]
    assert check.first.steps[2].reason == f"no container 950; restored from {want.desired.restore_from}"
    _journal, outcome = node.drive(again, run="second")
    assert outcome.last.state == "completed", outcome.last.error
    (node.directory / "vz" / "dump" / want.desired.restore_from.rpartition("/")[2]).unlink()
    third = dataclasses.replace(want, recreate=True, run="third")
    node.forget_requests()
    assert "can't read the config" in node.drive(third, run="third")[1].first.error
    assert node.mutations() == []  # nothing is destroyed that can't be made again


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 12))
def test_a_run_that_is_killed_at_any_call_is_resumed(node, at, after):
    want = asked(backup(node))
    want = want if node.renews else dataclasses.replace(want, target="configured")
    with contextlib.suppress(Cut):
        node.apply(want, client=lambda: Cutting(node.connect, at, after))
    resumed = node.apply(want)
    assert resumed.last.error is None
    assert resumed.last.state == want.target
    assert markers(node) == [node.store.load(950).instance["id"]]
    assert node.store.load(950).origin == {"restore_from": want.desired.restore_from}
    assert node.identities == ([950] if node.renews else [])
    assert len([call for call in node.mutations() if call[:2] == ("POST", "/nodes/pve/lxc")]) == 1
    settled = node.apply(want)
    assert settled.first.steps == ()


def test_a_clone_of_a_container_that_is_still_to_be_restored_is_predicted(node):
    source = asked(backup(node))
    bare = {"template": None, "storage_pool": None, "storage_size_gb": None}
    clone = wanted(951, name="second", clone_from_ctid="950", cores=2, **bare)  # cores as the backup has
    check = node.check(dataclasses.replace(clone, source=source))
    assert check.first.error is None
    node.drive(source)
    node.call("POST", "/nodes/pve/lxc/950/status/stop")
    journal, outcome = node.drive(clone)
    assert outcome.last.state == "completed", outcome.last.error
    calls = [call for call in pve_calls(predicted(check)) if "snapshot" not in call[1]]
    assert [call[:2] for call in pve_calls(journal)] == [call[:2] for call in calls]
    assert "lxc.cap.drop: mknod" in node.conf(951)
    assert "subvol-951-disk-1" in node.conf(951)


def test_another_backup_in_the_file_is_reported_and_not_restored(node):
    node.drive(asked(backup(node)))
    node.forget_requests()
    other = node.check(asked("local:backup/vzdump-lxc-900-2026_11_24-18_32_10.tar")).first
    assert other.steps == ()
    assert any("it was made from restore_from local:backup/vzdump-lxc-900-2026_11_23" in note for note in other.notes)
    assert node.settled_calls() == []


def test_the_plan_of_many_reads_the_backup_where_the_container_is_to_be_made(node, monkeypatch):
    seen_by = Observer(str(node.pve_dir), running=lambda: set(node.backend.running))
    monkeypatch.setattr(phoenix_lxc_info.observe, "Observer", lambda: seen_by)
    monkeypatch.setattr(phoenix_lxc_info, "Store", lambda: node.store)
    monkeypatch.setattr(phoenix_lxc_info, "open_client", node.connect)
    want = asked(backup(node))
    module = SimpleNamespace(params={"containers": [{"ctid": 950, "config": want.config}], "ctids": None})

    def planned():
        found = phoenix_lxc_info.survey(module)["containers"]["950"]
        return [step["reason"] for step in found["plan"]["steps"]], found

    reasons, _found = planned()
    assert reasons[0] == f"no container 950; restored from {want.desired.restore_from}"
    (node.directory / "vz" / "dump" / want.desired.restore_from.rpartition("/")[2]).unlink()
    _reasons, found = planned()
    assert found["plan"]["refusal"]["code"] == "backup_unreadable"
