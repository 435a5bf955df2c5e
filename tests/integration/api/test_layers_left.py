# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layers: the first container leaves one, the next starts from it; wrong, half and stale ones; a kill at any call."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
import threading
import types

import pytest
from fake_node import Cut, predicted, wanted
from fakepve.model import TaskError

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.executor import NoLayers
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.outcome import StepError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers import layer_look, layer_use
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers import shelf as shelves
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers.leaving import await_layer

RUN = "run-1"
STACK = tuple(
    Feature(name, digest, rest={"layer": layer}) for name, digest, layer in (("one", "d1", True), ("two", "d2", True))
)
DEEPER = (*STACK, Feature("three", "d3", rest={"layer": False}))


@pytest.fixture
def site(node):
    """The node, with its layers."""
    yield Site(node)
    for path in (*node.archives(), *node.cache.glob(".phoenix-layer-*")):
        path.unlink() if path.is_file() or path.is_symlink() else os.rmdir(path)


class Site:
    """A run as the play and the modules make it: the steps of the module, the features, the layer."""

    def __init__(self, node):
        self.node = node
        self.shelf = node.shelf
        self.cache = node.cache

    def executor(self, check=False, leaders=None, run=RUN, client=None):
        known = layer_use.Layers(self.shelf, leaders or {}, uses=False)
        return self.node.executor(check=check, run=run, client=client, layers=known)

    def check(self, want, leaders=None):
        return self.executor(check=True, leaders=leaders).run(want, check=True)

    def run(self, want, client=None):
        """(journal, warnings, outcome)."""
        self.node.warnings.clear()
        journal, outcome = self.node.drive(want, client=client, run=want.run)
        return journal, list(self.node.warnings), outcome

    def begun(self, journal):
        return [entry["what"] for entry in journal if entry["op"] == "feature" and entry["what"].startswith("begin")]

    def files(self):
        return [path.name for path in self.node.archives()]


def asked(ctid=950, features=STACK, run=RUN, **config):
    layers = {"storage": "local", **config.pop("layers", {})}
    want = wanted(ctid, features=features, **{"name": f"c{ctid}", **config})
    return dataclasses.replace(want, layers=layers, run=run)


def created_from(node, ctid, which=0):
    calls = [params for method, path, params in node.mutations() if (method, path) == ("POST", "/nodes/pve/lxc")]
    return [params["ostemplate"] for params in calls if params["vmid"] == str(ctid)][which]


def test_the_first_leaves_a_layer_and_the_second_starts_from_it(site, node):
    first = asked()
    check = site.check(first)
    journal, warnings, outcome = site.run(first)
    assert (warnings, outcome.last.error, outcome.last.state) == ([], None, "completed")
    assert journal == predicted(check.first)
    assert [entry["what"] for entry in journal if entry["op"] == "layer"] == ["publish"]
    assert site.begun(journal) == ["begin one", "begin two"]
    assert len(site.files()) == 1
    assert os.stat(site.cache / site.files()[0]).st_mode & 0o777 == 0o600
    second = asked(951)
    check = site.check(second)
    assert "phoenix-layer" in check.first.steps[0].reason
    journal, warnings, outcome = site.run(second)
    assert (warnings, outcome.last.error, outcome.last.state) == ([], None, "completed")
    assert journal == predicted(check.first)
    assert site.begun(journal) == []
    assert created_from(node, 951) == f"local:vztmpl/{site.files()[0]}"
    assert node.identities == [951]
    assert node.store.load(951).origin == {"template": second.desired.template}
    node.forget_requests()
    journal, _warnings, outcome = site.run(second)
    assert (journal, outcome.first.steps, node.mutations()) == ([], (), [])


def test_features_above_run_in_the_next_one_alone(site):
    site.run(asked())
    want = asked(951, DEEPER)
    check = site.check(want)
    journal, _warnings, outcome = site.run(want)
    assert outcome.last.state == "completed"
    assert journal == predicted(check.first)
    assert site.begun(journal) == ["begin three"]
    assert len(site.files()) == 1


def test_the_deepest_layer_counts(site, node):
    site.run(asked(950, STACK[:1]))
    site.run(asked(951))
    assert "phoenix-layer" in created_from(node, 951)
    assert len(site.files()) == 2
    names = {layer.features: layer.volume for layer in site.shelf.all()}
    site.run(asked(952))
    assert created_from(node, 952) == names[("one", "two")]


def other_digest(want):
    return dataclasses.replace(want, features=(dataclasses.replace(STACK[0], digest="x"), STACK[1]))


@pytest.mark.parametrize(
    "change",
    [
        other_digest,
        lambda want: dataclasses.replace(want, config={**want.config, "unprivileged": False}),
        lambda want: dataclasses.replace(want, config={**want.config, "lxc_options": ["lxc.cap.drop: mknod"]}),
        lambda want: dataclasses.replace(want, config={**want.config, "pct_options": ["nesting=1"]}),
        lambda want: dataclasses.replace(
            want, config={**want.config, "volumes": [{"name": "d", "size_gb": 1, "mount_point": "/d"}]}
        ),
        lambda want: dataclasses.replace(want, layers=None),
    ],
)
def test_what_makes_other_files_takes_no_layer_of_these(site, node, change):
    site.run(asked())
    want = change(asked(951))
    journal, _warnings, outcome = site.run(want)
    assert outcome.last.error is None
    assert site.begun(journal) == ["begin one", "begin two"]
    assert created_from(node, 951) == want.desired.template


def test_secrets_of_a_creation_stay_out_of_layers(site, node):
    node.password = "secret"
    try:
        site.run(asked(950, root_password="x"))
        site.run(asked(951, ssh_public_keys=["ssh-ed25519 AAAA"]))
    finally:
        node.password = ""
    assert site.files() == []


def damaged(site):
    path = site.cache / site.files()[0]
    path.write_bytes(b"other")
    return "has changed"


def missing(site):
    (site.cache / site.files()[0]).unlink()
    return "is missing"


def forged(site):
    path = site.shelf.path(site.shelf.all()[0].address)
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"version": 1}')
    return "can't be read"


def other_template(site):
    path = site.cache / "debian-12-standard_12.7-1_amd64.tar.zst"
    os.utime(path, ns=(1, os.stat(path).st_mtime_ns + 1))
    return "has changed since"


@pytest.mark.parametrize("spoil", [damaged, missing, forged, other_template])
def test_a_layer_that_is_not_what_it_was_is_replaced(site, node, spoil):
    site.run(asked())
    why = spoil(site)
    want = asked(951)
    check = site.check(want)
    assert any(why in note for note in check.first.notes), check.first.notes
    journal, warnings, outcome = site.run(want)
    assert (warnings, outcome.last.state) == ([], "completed")
    assert journal == predicted(check.first)
    assert site.begun(journal) == ["begin one", "begin two"]
    assert created_from(node, 951) == want.desired.template
    journal, _warnings, _outcome = site.run(asked(952))
    assert site.begun(journal) == []


def test_what_interrupted_runs_left_and_what_is_stale_is_removed(site):
    site.run(asked(950, STACK[:1]))
    (old,) = site.shelf.all()
    long_ago = os.stat(site.shelf.path(old.address)).st_mtime - 40 * 86400
    with open(site.shelf.path(old.address), encoding="utf-8") as file:
        book = {**json.load(file), "made": int(long_ago)}
    with open(site.shelf.path(old.address), "w", encoding="utf-8") as file:
        json.dump(book, file)
    os.utime(site.shelf.path(old.address), (long_ago, long_ago))
    half = site.cache / f"phoenix-layer-{'0' * 32}.tar.zst"
    half.write_bytes(b"half")
    other = site.cache / "phoenix-layer-of-somebody.tar.zst"
    other.write_bytes(b"not of a run")
    (site.cache / ".phoenix-layer-999").mkdir()
    want = asked(951, (dataclasses.replace(STACK[0], digest="other"),))
    assert any("is stale: not used for 40 days" in note for note in site.check(want).first.notes)
    _journal, warnings, _outcome = site.run(want)
    assert [one.features for one in site.shelf.all()] == [("one",)]
    assert site.shelf.all()[0].address != old.address
    assert sorted(site.files()) == sorted([other.name, site.shelf.all()[0].volume.rpartition("/")[2]])
    assert [text.partition(" was removed")[0] for text in warnings] == [
        old.called(),
        str(site.cache / ".phoenix-layer-999"),
        str(half),
    ]


def test_a_link_in_place_of_an_archive_is_none(site, node):
    site.run(asked())
    path = site.cache / site.files()[0]
    path.rename(site.cache / "elsewhere")
    path.symlink_to(site.cache / "elsewhere")
    site.run(asked(951))
    assert "phoenix-layer" not in created_from(node, 951)
    (site.cache / "elsewhere").unlink()


def test_only_the_run_that_created_a_container_leaves_a_layer(site):
    want = asked()
    executor = site.executor()
    executor.run(want)
    later = dataclasses.replace(want, run="run-2")
    journal, _warnings, outcome = site.run(later)
    assert (site.begun(journal), outcome.last.state, site.files()) == (["begin one", "begin two"], "completed", [])


def test_no_layer_of_a_container_in_which_more_has_run(site, node):
    want = asked()
    executor = site.executor()
    outcome = executor.run(want)
    for step in outcome.last.steps:
        if step.kind == "feature":
            node.play(want, step)
    node.books[950]["application"] = {"status": "applied", "digest": "a", "ctid": 950}
    journal, warnings = node.leave(want, executor)
    assert journal == []
    assert "its application has run" in warnings[0]
    assert site.files() == []


def test_a_layer_that_cannot_be_unpacked_is_replaced(site, node):
    """Its metadata are right, and PVE can't create a container from it: as from a broken disk."""
    site.run(asked())
    (archive,) = node.archives()
    node.backend.failures[("create", 951, str(archive))] = "tar: unexpected end of file"
    _journal, _warnings, outcome = site.run(asked(951))
    assert outcome.last.state == "completed"
    assert created_from(node, 951, -1) == asked(951).desired.template
    assert node.store.load(951).layer is None
    node.backend.failures.clear()
    journal, _warnings, _outcome = site.run(asked(952))
    assert (site.begun(journal), len(site.files())) == ([], 1)


def test_the_warnings_say_which_layer_could_not_be_unpacked(site, node):
    site.run(asked())
    (archive,) = node.archives()
    node.backend.failures[("create", 951, str(archive))] = "tar: unexpected end of file"
    outcome = node.executor(run=RUN).run(asked(951))
    assert [text.partition(":")[0] for text in outcome.warnings] == [
        "container 951 can't be created from the layer local",
        outcome.warnings[1].partition(":")[0],
    ]
    assert "tar: unexpected end of file" in outcome.warnings[0]
    assert "was removed: no container can be created from it" in outcome.warnings[1]
    assert site.files() == []


def test_a_creation_that_fails_without_the_layer_too_does_not_cost_the_layer(site, node):
    site.run(asked())
    node.backend.failures[("create", 951, None)] = "No space left on device"
    with pytest.raises(StepError, match="No space left on device"):
        site.run(asked(951))
    assert len(site.shelf.all()) == 1
    node.backend.failures.clear()
    journal, _warnings, outcome = site.run(asked(951, run="run-2"))
    assert (site.begun(journal), outcome.last.state) == ([], "completed")


def test_a_layer_that_is_removed_at_the_moment_of_the_creation_is_done_without(site, node):
    site.run(asked())
    (archive,) = node.archives()

    def remove(after):
        if not after and node.pve.doing == ("POST", "/nodes/pve/lxc"):
            archive.unlink(missing_ok=True)

    node.pve.around = remove
    try:
        journal, _warnings, outcome = site.run(asked(951))
    finally:
        node.pve.around = lambda _after: None
    assert (site.begun(journal), outcome.last.state) == (["begin one", "begin two"], "completed")
    assert created_from(node, 951, -1) == asked(951).desired.template


def test_a_disk_that_is_full_at_any_write_costs_the_layer_and_nothing_else(site, node, monkeypatch):
    """Each write in turn finds the disk full: those of PVE's archive, and those of the run."""
    left = 0

    def full(real, *args, **kwargs):
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **kwargs)

    writing = {name: functools.partial(full, getattr(os, name)) for name in ("mkdir", "chmod", "rename", "fsync")}
    monkeypatch.setattr(shelves, "os", types.SimpleNamespace(**{**vars(os), **writing}))
    monkeypatch.setattr(shelves, "write_atomic", functools.partial(full, shelves.write_atomic))
    for at in range(1, 40):
        node.wipe()
        want = asked()
        executor = site.executor()
        for step in executor.run(want).last.steps:
            if step.kind == "feature":
                node.play(want, step)
        left = at
        _journal, warnings = node.leave(want, executor)
        if left > 0:
            break
        left = 0
        assert "No space left on device" in warnings[0]
        assert executor.run(want).last.state == "completed"
        assert 950 in node.backend.running
        assert [path.name for path in node.cache.glob(".phoenix-layer-*")] == []
        _journal, _warnings, outcome = site.run(asked(951))
        assert outcome.last.state == "completed"
        assert (len(site.files()), len(site.shelf.all())) == (1, 1)
    assert at > 4
    assert warnings == []


def test_an_archive_that_is_cut_off_is_none(site, node):
    """PVE's worker fails in the midst, and what it has written by then is gone with its folder."""
    real = node.backend.backup

    async def cut(vmid, config, text, archive):
        await real(vmid, config, text, archive)
        raise TaskError("zstd: error 70: Write error: No space left on device")

    node.backend.backup = cut
    try:
        _journal, warnings, outcome = site.run(asked())
    finally:
        del node.backend.backup
    assert outcome.last.state == "completed"
    assert "No space left on device" in warnings[0]
    assert (site.files(), list(node.cache.glob(".phoenix-layer-*"))) == ([], [])


def test_of_two_that_reach_the_same_boundary_at_once_one_leaves_the_layer(site, node):
    """The second one comes while PVE still archives the first."""
    both = (950, 951)
    executors = {ctid: site.executor() for ctid in both}
    for ctid in both:
        want = asked(ctid)
        for step in executors[ctid].run(want).last.steps:
            if step.kind == "feature":
                node.play(want, step)
    node.pve.task_delay["vzdump"] = 3  # looks at the task
    results = {}
    begun = threading.Event()
    real = node.backend.backup

    async def archived(vmid, *rest):
        begun.set()
        await real(vmid, *rest)

    node.backend.backup = archived
    try:
        first = threading.Thread(target=lambda: results.update({950: node.leave(asked(950), executors[950])}))
        first.start()
        assert begun.wait(30)
        results[951] = node.leave(asked(951), executors[951], node.connect())
        first.join(30)
    finally:
        del node.backend.backup
        node.pve.task_delay.clear()
    assert [len(results[ctid][0]) for ctid in both] == [2, 0]
    assert "another one leaves the same at this moment" in results[951][1][0]
    assert len(site.shelf.all()) == 1
    for ctid in both:
        assert executors[ctid].run(asked(ctid)).last.state == "completed"


def test_no_layer_of_a_container_whose_console_was_opened(site, node):
    """Somebody may have worked in it: PVE keeps a task for each console."""
    want = asked()
    executor = site.executor()
    for step in executor.run(want).last.steps:
        if step.kind == "feature":
            node.play(want, step)
    real = node.client()

    class Client:
        def __init__(self, tasks):
            self.tasks = tasks

        def request(self, method, path, params=None):
            if path.endswith("/tasks") and params.get("vmid") == 950:
                return [*real.request(method, path, params), *self.tasks]
            return real.request(method, path, params)

    console = {"type": "vncproxy", "user": "guest@pve", "id": "950"}
    journal, warnings = node.leave(want, executor, Client([console]))
    assert (journal, site.files()) == ([], [])
    assert warnings == ["container 950 leaves no layer: its console was opened by guest@pve"]
    journal, warnings = node.leave(want, executor, Client([{**console, "type": "vzstart"}]))
    assert (len(journal), warnings, len(site.files())) == (2, [], 1)


def test_a_fault_of_the_archiving_is_a_warning(site, node):
    node.backend.failures[("backup", 950, None)] = "unable to find command 'zstd'"
    _journal, warnings, outcome = site.run(asked())
    assert outcome.last.state == "completed"
    assert "unable to find command" in warnings[0]
    assert site.files() == []
    assert 950 in node.backend.running


def test_a_storage_that_can_hold_none_is_a_note(site):
    want = asked(layers={"storage": "tnak"})
    check = site.check(want)
    assert any("storage 'tnak' does not exist" in note for note in check.first.notes)
    _journal, _warnings, outcome = site.run(want)
    assert outcome.last.state == "completed"


def test_a_fleet_counts_on_the_layer_of_its_first(site, node):
    leaders = {}
    seen = {}
    for ctid in (950, 951, 952):
        want = asked(ctid)
        looked, record = node.executor(check=True).look(want)
        seen[ctid] = layer_look.recall(site.shelf, looked, record, want, leaders).layering
    assert [seen[ctid].leader for ctid in seen] == [0, 950, 950]
    assert [bool(seen[ctid].after) for ctid in seen] == [True, False, False]
    predictions = site.check(asked(951), leaders)
    site.run(asked(950))
    journal, _warnings, _outcome = site.run(asked(951))
    assert journal == predicted(predictions.first)


def test_a_fleet_does_not_count_on_a_container_that_is_refused(site, node):
    """950 is foreign: 951 leaves the layer instead."""
    node.place(950, "hostname: foreign\nrootfs: local:950/vm-950-disk-0.raw,size=4G\n")
    wants = {ctid: dataclasses.replace(asked(ctid), recreate=ctid == 950) for ctid in (950, 951, 952)}
    looks = {ctid: node.executor(check=True, layers=NoLayers()).look(want) for ctid, want in wants.items()}
    seen = {ctid: look[0] for ctid, look in looks.items()}
    records = {ctid: look[1] for ctid, look in looks.items()}

    def is_refused(ctid, found):
        return planner.plan(wants[ctid], found, records[ctid]).refusal is not None

    layer_look.recall_fleet(site.shelf, wants, seen, records, is_refused)
    assert [seen[ctid].layering.leader for ctid in seen] == [0, 0, 951]


def test_whoever_awaits_a_layer_goes_on_without(site):
    looks = []
    await_layer(lambda: looks.append(1) or len(looks) == 3, lambda: True, 60.0)
    assert len(looks) == 3
    await_layer(lambda: False, lambda: False, 60.0)
    await_layer(lambda: False, lambda: None, 60.0, grace=0.0)


class Cutting:
    """A module or a client whose calls are counted, and end the run at one of them: ``left`` more are made."""

    def __init__(self, real, count):
        self._real, self._count = real, count

    def __getattr__(self, name):
        found = getattr(self._real, name)
        # The kernel closes the files of a process that is killed.
        return functools.partial(self._count, found) if callable(found) and name != "close" else found


def test_a_kill_at_any_call_leaves_no_half_layer(site, node, version):
    want = asked()
    cuts = 0 if version == 9 else 30
    done = False
    while not done:
        node.wipe()
        executor = site.executor()
        for step in executor.run(want).last.steps:
            if step.kind == "feature":
                node.play(want, step)
        left = cuts

        def counted(real, *args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut
            return real(*args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shelves, "os", Cutting(os, counted))
            patch.setattr(shelves, "write_atomic", functools.partial(counted, shelves.write_atomic))
            try:
                node.leave(want, executor, Cutting(node.client(), counted))
                done = True
            except Cut:
                cuts += 1
        node.run(node.pve.settled())
        # What is left is never used, and gone with the next layer.
        place = layer_look.address.boundaries(want)[-1]
        whole = site.shelf.find(place, str(site.cache), want.desired.template)[0]
        second = asked(951)
        _journal, warnings, outcome = site.run(second)
        assert (outcome.last.state, [text for text in warnings if "removed" not in text]) == ("completed", [])
        assert (created_from(node, 951) == second.desired.template) == (whole is None)
        assert [len(site.files()), len(site.shelf.all())] == [1, 1]
        for path in site.cache.glob("phoenix-layer*"):
            path.unlink()
    assert cuts > 10
