# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Updates of packages: guarded, predicted, cut off at any call and gone on with, rolled back, left alone."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import tarfile

import pytest
from fake_node import TEMPLATE, Cut, FakeNode, predicted
from test_executor import Cutting

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system.package_updates import Listed, Update
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import saving
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import featurecheck, guest, updates

SNAPSHOT = "phoenix-guard"
CONFIG = {"name": "web", "template": TEMPLATE, "storage_pool": "tank", "storage_size_gb": 4}
CHECKED = Feature("base", "b1", rest={"check": {"command": "true"}})
PLAIN = Wanted(950, "pve", CONFIG, features=(CHECKED,))
BEGIN = dataclasses.replace(PLAIN, update="begin", run="run-2")
END = dataclasses.replace(PLAIN, update="end", run="run-2")
DUE = Listed("apt", (Update("openssl", "3.0.16-1", "3.0.17-1"),))
NONE = Listed("apt", ())


class Inside:
    """What the container answers: its packages, and why its feature does not work."""

    def __init__(self):
        self.listed, self.looks, self.broken, self.error = DUE, [], "", ""

    def look(self, ctid, dry):
        self.looks.append(dry)
        if self.error:
            raise guest.GuestError(self.error)
        return self.listed


@pytest.fixture
def inside(monkeypatch):
    """A container whose packages have newer versions."""
    found = Inside()
    monkeypatch.setattr(updates, "look", found.look)
    monkeypatch.setattr(featurecheck, "check", lambda *_words: found.broken)
    return found


@pytest.fixture
def settled(node: FakeNode, inside: Inside) -> FakeNode:
    """A node on which the container is complete."""
    node.drive(PLAIN)
    assert node.check(PLAIN).first.steps == ()
    node.forget_requests()
    return node


def named(plan):
    return [f"{step.kind} {step.name}".strip() for step in plan.steps]


def calls(node):
    return [f"{method} {path.rpartition('/lxc/950')[2]}" for method, path, _params in node.mutations()]


def trail(node):
    return "".join(path.read_text() for path in sorted((node.directory / "log").glob("*.log")))


def run(node, wanted, client=None):
    return node.executor(client=client, run=wanted.run).run(wanted)


def assert_settled(node):
    assert node.check(PLAIN).first.steps == ()
    assert node.check(PLAIN).first.notes == ()
    assert node.store.load(950).guarding is None
    assert f"[{SNAPSHOT}]" not in node.conf(950)


def test_a_good_update_is_made_as_the_dry_run_says(settled, inside):
    check = settled.check(BEGIN)
    assert named(check.first) == ["guard", "update packages", "health after it", "release"]
    assert check.first.notes == ("package openssl 3.0.16-1 -> 3.0.17-1",)
    assert check.first.steps[1].reason == "1 package with newer versions"
    assert check.first.steps[2].reason == "checked by: base"
    assert inside.looks == [True]  # a dry look
    assert settled.mutations() == []
    begun, ended = run(settled, BEGIN), run(settled, END)
    assert begun.last.steps[0].kind == "update"
    assert [*begun.journal, *ended.journal] == predicted(check.first)
    assert inside.looks == [True, False]
    assert calls(settled) == ["POST /snapshot", f"DELETE /snapshot/{SNAPSHOT}"]
    assert settled.store.load(950).word == "completed"
    assert_settled(settled)
    assert "packages=\"openssl 3.0.16-1 -> 3.0.17-1\"" in trail(settled)
    assert "ctid=950 event=update outcome=ok" in trail(settled)


def test_without_newer_versions_nothing_is_guarded(settled, inside):
    inside.listed = NONE
    outcome = run(settled, BEGIN)
    assert (outcome.first.steps, outcome.first.notes) == ((), ("all packages are current",))
    assert settled.mutations() == []


def test_a_container_that_fails_its_checks_before_is_not_touched(settled, inside):
    inside.broken = "ended with exit code 1"
    with pytest.raises(NodeError, match=r"the check of feature base \(true\) ended with exit code 1"):
        run(settled, BEGIN)
    assert settled.mutations() == []
    assert settled.store.load(950).guarding is None


def test_a_failed_update_goes_back_whatever_the_guard_of_the_file(settled, inside):
    before = settled.conf(950)
    run(settled, BEGIN)
    inside.broken = "ended with exit code 1"
    with pytest.raises(NodeError, match="the check of feature base"):
        run(settled, END)
    assert f"[{SNAPSHOT}]" in settled.conf(950)
    text, journal = settled.executor(run="run-2").undo(BEGIN)
    assert text == "The container is as before the update, by its snapshot"
    assert journal
    assert calls(settled)[-2:] == [f"POST /snapshot/{SNAPSHOT}/rollback", f"DELETE /snapshot/{SNAPSHOT}"]
    assert settled.conf(950) == before
    assert_settled(settled)


def test_a_good_update_whose_snapshot_stays_is_not_rolled_back(settled):
    run(settled, BEGIN)
    guarding = settled.store.load(950).guarding
    settled.store.update_record(950, guarding={**guarding, "stage": "proved"})
    text, journal = settled.executor(run="run-2").undo(BEGIN)
    assert "The update is good" in text
    assert journal == []
    run(settled, dataclasses.replace(BEGIN, run="run-3"))
    assert calls(settled)[:2] == ["POST /snapshot", f"DELETE /snapshot/{SNAPSHOT}"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 4))
@pytest.mark.parametrize("stage", ["begin", "end", "back"])
def test_a_run_that_is_killed_at_any_call_is_resumed(settled, inside, stage, at, after):
    """Between snapshot and update, between update and release, between failure and rollback, and in their midst."""

    def cut():
        return Cutting(settled.connect, at, after)

    with contextlib.suppress(Cut):
        run(settled, BEGIN, client=cut if stage == "begin" else None)
        if stage == "end":
            run(settled, END, client=cut)
        if stage == "back":
            settled.executor(client=cut, run="run-2").undo(BEGIN)
    again = dataclasses.replace(BEGIN, run="run-3")
    plain = settled.check(PLAIN).first
    assert not {"release", "guard", "health"} & {step.kind for step in plain.steps} or stage == "back"
    inside.error = "dpkg was interrupted" if settled.store.load(950).guarding else ""
    for _turn in range(2):  # a way back that is finished ends the run
        outcome = settled.executor(run="run-3").run(again, resumes=True)
        assert outcome.last.error is None
        run(settled, dataclasses.replace(END, run="run-3"))
        inside.error = ""
    assert_settled(settled)
    taken = [call for call in calls(settled) if call == "POST /snapshot"]
    assert len(taken) <= 3


def test_other_runs_leave_the_guard_of_an_update_alone_and_say_so(settled):
    run(settled, BEGIN)
    plan = settled.check(PLAIN).first
    assert plan.steps == ()
    assert "the update of run run-2 was cut off: continue with playbooks/update.yml --limit 950" in plan.notes[0]
    assert "pct rollback 950 phoenix-guard --start 1" in plan.notes[0]
    changed = dataclasses.replace(PLAIN, config={**CONFIG, "guard": "rollback", "cores": 2})
    assert named(settled.check(changed).first) == ["configure"]


def test_a_rollback_that_was_cut_off_is_finished_and_the_next_run_updates_again(settled):
    run(settled, BEGIN)
    guarding = settled.store.load(950).guarding
    settled.store.update_record(950, guarding={**guarding, "stage": "back"})
    again = dataclasses.replace(BEGIN, run="run-3")
    check = settled.check(again).first
    assert named(check) == ["rollback"]
    assert "failed and was cut off on its way back" in check.notes[0]
    settled.executor(run="run-3").run(again)
    assert f"POST /snapshot/{SNAPSHOT}/rollback" in calls(settled)
    assert_settled(settled)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda node: node.call("POST", "/nodes/pve/lxc/950/status/stop"), "not updated: it does not run"),
        (
            lambda node: node.call("PUT", "/nodes/pve/lxc/950/config", {"tags": "phoenix-hold"}),
            "not updated: held by the tag phoenix-hold",
        ),
    ],
)
def test_what_is_held_or_stopped_is_left_alone_and_named(settled, prepare, words):
    prepare(settled)
    settled.forget_requests()
    outcome = run(settled, BEGIN)
    assert (outcome.first.steps, outcome.first.notes, outcome.first.error) == ((), (words,), None)
    assert settled.mutations() == []


def test_a_system_of_an_unknown_kind_is_left_alone_and_named(settled, inside):
    inside.listed = Listed("", None)
    assert "not known which packages" in run(settled, BEGIN).first.notes[0]
    assert settled.mutations() == []


def test_a_container_without_a_record_of_ours_is_refused(settled):
    for wanted, words in ((dataclasses.replace(BEGIN, ctid=951), "container 951 doesn't exist"),):
        assert words in run(settled, wanted).first.error


def test_a_foreign_snapshot_and_a_guarded_change_under_way_are_not_replaced(settled):
    settled.call("POST", "/nodes/pve/lxc/950/snapshot", {"snapname": SNAPSHOT})
    settled.forget_requests()
    assert "without a record here" in run(settled, BEGIN).first.error
    settled.store.update_record(950, guarding={"stage": "open", "run": "run-1"})
    assert "run containers.yml first" in run(settled, BEGIN).first.error
    assert settled.mutations() == []


def test_an_update_that_was_cut_off_in_a_container_that_stopped_since_is_refused_with_the_way_back(settled):
    run(settled, BEGIN)
    settled.call("POST", "/nodes/pve/lxc/950/status/stop")
    error = run(settled, dataclasses.replace(BEGIN, run="run-3")).first.error
    assert "was cut off, and it can't go on: it does not run" in error
    assert "pct rollback 950 phoenix-guard --start 1" in error


BIND = [{"host_path": "/srv/models", "container_path": "/models"}]


@pytest.fixture
def mounted(node: FakeNode, inside: Inside) -> tuple[FakeNode, dict[str, Wanted]]:
    """A complete container of which PVE takes no snapshot, and what is asked of it."""
    config = {**CONFIG, "mount_points": BIND}
    asked = {
        name: dataclasses.replace(wanted, config=config)
        for name, wanted in (("plain", PLAIN), ("begin", BEGIN), ("end", END))
    }
    node.drive(asked["plain"])
    node.forget_requests()
    return node, asked


def backups(node):
    return node.call("GET", "/nodes/pve/storage/local/content", {"content": "backup"})


def without_root(conf):
    return [line for line in conf.splitlines() if not line.startswith("rootfs")]


def test_a_backup_guards_what_takes_no_snapshot(mounted, inside):
    node, asked = mounted
    before = node.conf(950)
    check = node.check(asked["begin"])
    assert (check.first.steps[0].reason, check.first.steps[0].disrupts) == ("a backup before the update", "restart")
    begun = run(node, asked["begin"])
    assert [item["notes"] for item in backups(node)] == ["phoenix-guard"]
    assert "a backup of it is kept" not in str(begun.last.notes)
    ended = run(node, asked["end"])
    assert [*begun.journal, *ended.journal] == predicted(check.first)
    method, path, params = node.mutations()[0]
    assert (method, path) == ("POST", "/nodes/pve/vzdump")
    assert params == {
        "vmid": "950",
        "storage": "local",
        "mode": "stop",
        "compress": "zstd",
        "remove": "0",
        "notes-template": "phoenix-guard",
    }
    assert (backups(node), node.conf(950)) == ([], before)
    assert 950 in node.backend.running
    assert node.check(asked["plain"]).first.steps == ()


def test_a_failed_update_is_restored_and_its_backup_stays_until_the_container_works(mounted, inside):
    node, asked = mounted
    before = node.conf(950)
    run(node, asked["begin"])
    node.books[950]["features"]["base"]["digest"] = "of the update"
    text, journal = node.executor(run="run-2").undo(asked["begin"])
    assert text == "The container is as before the update, by its backup"
    assert [entry["what"] for entry in journal if entry["op"] == "backup"] == ["restore"]
    assert without_root(node.conf(950)) == without_root(before)
    assert "mp0: /srv/models" in node.conf(950)
    assert node.conf(950) != before  # another volume
    assert 950 in node.backend.running
    assert node.books[950]["features"]["base"]["digest"] == "b1"
    assert len(backups(node)) == 1
    inside.broken = "ended with exit code 1"
    with pytest.raises(NodeError, match="the check of feature base"):
        run(node, asked["end"])
    assert len(backups(node)) == 1
    inside.broken = ""
    run(node, asked["end"])
    assert backups(node) == []
    assert node.check(asked["plain"]).first.steps == ()
    assert node.store.load(950).guarding is None


def test_nothing_is_destroyed_when_the_backup_is_gone(mounted):
    node, asked = mounted
    run(node, asked["begin"])
    (item,) = backups(node)
    node.call("DELETE", f"/nodes/pve/storage/local/content/{item['volid'].replace('/', '%2F')}")
    before = node.conf(950)
    assert node.executor(run="run-2").undo(asked["begin"]) == ("", [])
    assert node.conf(950) == before


def forge(node, config):
    """Write a config into the backup, as whoever can write its storage does."""
    (item,) = backups(node)
    archive = node.pve.file_of(item["volid"])
    data = config.encode()
    with tarfile.open(archive, "w") as file:
        entry = tarfile.TarInfo("./etc/vzdump/pct.conf")
        entry.size = len(data)
        file.addfile(entry, io.BytesIO(data))


FORGED = {
    "mp0": ("mp0: /srv/models", "mp0: /etc"),
    "mp1": ("rootfs:", "mp1: /,mp=/node\nrootfs:"),
    "dev0": ("rootfs:", "dev0: /dev/sda\nrootfs:"),
    "unprivileged": ("unprivileged: 1\n", ""),
    "hookscript": ("rootfs:", "hookscript: local:snippets/x.sh\nrootfs:"),
    "lxc.mount.entry": ("rootfs:", "lxc.mount.entry: / node none bind 0 0\nrootfs:"),
    "lxc.hook.pre-start": ("rootfs:", "lxc.hook.pre-start: /root/x\nrootfs:"),
}


@pytest.mark.parametrize("key", FORGED)
def test_a_backup_with_another_config_than_the_container_had_is_not_restored(mounted, key):
    node, asked = mounted
    run(node, asked["begin"])
    before = node.conf(950)
    changed = before.replace(*FORGED[key])
    assert changed != before
    forge(node, changed)
    node.forget_requests()
    with pytest.raises(NodeError, match=f"is not the one from before the change, it differs in {key};"):
        node.executor(run="run-2").undo(asked["begin"])
    assert (node.mutations(), node.conf(950), 950 in node.backend.running) == ([], before, True)
    forge(node, before)
    assert "by its backup" in node.executor(run="run-2").undo(asked["begin"])[0]
    assert without_root(node.conf(950)) == without_root(before)
    run(node, asked["end"])
    assert backups(node) == []


def test_a_backup_that_is_exchanged_during_the_restore_is_not_started(mounted, monkeypatch):
    node, asked = mounted
    run(node, asked["begin"])
    before = node.conf(950)
    call = saving.Saving._call

    def exchange(self, method, path, params):
        if params.get("restore"):
            forge(node, before.replace(*FORGED["lxc.mount.entry"]))
        return call(self, method, path, params)

    monkeypatch.setattr(saving.Saving, "_call", exchange)
    with pytest.raises(NodeError, match=r"the restored config is not the one .*it is not started"):
        node.executor(run="run-2").undo(asked["begin"])
    assert 950 not in node.backend.running
    # The next run restores again, and starts nothing else.
    monkeypatch.setattr(saving.Saving, "_call", call)
    with pytest.raises(NodeError, match=r"the config in the backup .* is not the one from before the change"):
        run(node, asked["end"])
    assert 950 not in node.backend.running
    forge(node, before)
    run(node, asked["end"])
    assert without_root(node.conf(950)) == without_root(before)
    run(node, asked["end"])
    assert (backups(node), 950 in node.backend.running) == ([], True)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("stage", ["begin", "end", "back"])
def test_a_run_under_a_backup_that_is_killed_at_any_call_is_resumed(mounted, inside, stage, at, after):
    node, asked = mounted
    conf = without_root(node.conf(950))

    def cut():
        return Cutting(node.connect, at, after)

    with contextlib.suppress(Cut):
        run(node, asked["begin"], client=cut if stage == "begin" else None)
        if stage == "end":
            run(node, asked["end"], client=cut)
        if stage == "back":
            node.executor(client=cut, run="run-2").undo(asked["begin"])
    for number in (3, 4):
        outcome = node.executor(run=f"run-{number}").run(
            dataclasses.replace(asked["begin"], run=f"run-{number}"), resumes=True
        )
        assert outcome.last.error is None
        if 950 not in node.backend.running:
            node.drive(asked["plain"])
        run(node, dataclasses.replace(asked["end"], run=f"run-{number}"))
    assert without_root(node.conf(950)) == conf
    assert backups(node) == []
    assert node.store.load(950).guarding is None
    assert node.check(asked["plain"]).first.steps == ()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("unused0: tank:subvol-950-disk-7,size=1G\n", "going back would destroy unused0"),
        ("mp5: tank:subvol-950-disk-8,mp=/data,size=1G\n", "the volumes at /data are in no backup"),
        ("protection: 1\n", "PVE restores over no protected container"),
    ],
)
def test_a_backup_is_no_guard_where_going_back_would_lose_data(mounted, more, words):
    node, asked = mounted
    node.place(950, node.conf(950) + more, running=True)
    error = run(node, asked["begin"]).first.error
    assert "a backup can't guard it either" in error
    assert words in error
    assert node.mutations() == []


def test_the_guard_of_a_change_is_a_backup_where_the_file_allows_it(mounted):
    node, asked = mounted
    config = {**asked["plain"].config, "guard": "backup", "memory_mb": 1024}
    changed = dataclasses.replace(asked["plain"], config=config, run="run-2")
    check = node.check(changed).first
    assert named(check) == ["guard", "configure", "release"]
    assert "a backup before the change" in check.steps[0].reason
    reported = dataclasses.replace(changed, config={**config, "guard": "rollback"})
    assert "PVE takes no snapshot" in node.check(reported).first.error
    journal, outcome = node.drive(changed, run="run-2")
    assert journal == predicted(check)
    assert (outcome.last.steps, backups(node)) == ((), [])


def test_a_change_that_fails_under_a_backup_is_restored_and_released_by_the_next_run(mounted, monkeypatch):
    node, asked = mounted
    before = node.conf(950)
    config = {**asked["plain"].config, "guard": "backup", "features": ["base", "new"]}
    features = (CHECKED, Feature("new", "n1"))
    changed = dataclasses.replace(asked["plain"], config=config, features=features, run="run-2")
    outcome = node.executor(run="run-2").run(changed)  # up to the feature, which fails
    assert outcome.last.steps[0].kind == "feature"
    node.books[950]["features"]["half"] = {"status": "begun"}
    text, _journal = node.executor(run="run-2").undo(changed)
    assert text == "What was there before the change is back (guard: backup)"
    assert list(node.books[950]["features"]) == ["base"]
    assert without_root(node.conf(950)) == without_root(before)
    assert len(backups(node)) == 1
    assert named(node.check(asked["plain"]).first) == ["release"]
    node.drive(asked["plain"])
    assert backups(node) == []
    assert node.store.load(950).guarding is None
