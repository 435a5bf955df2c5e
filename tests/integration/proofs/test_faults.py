# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every fault that the control plane can play: waited for within limits, or told so that the reader can act.

One row a fault. The message has PVE's words, the call, the task's log where there was a task, the state that was
reached and what helps; once the fault is gone the next run ends as if there had been none.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from fake_node import MUTATING
from fault_node import DISK, FaultNode, layered, wanted
from proof_counts import COUNTS, LONG
from transports import SSH, TOKEN

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote import api_client

CREATE, CONFIG = "POST /nodes/pve/lxc", "PUT /nodes/pve/lxc/950/config"
START, STOP = "POST /nodes/pve/lxc/950/status/start", "POST /nodes/pve/lxc/950/status/shutdown"
LOCKS = ("backup", "destroyed", "disk", "fstrim", "migrate", "mounted", "rollback", "snapshot")
LOCKS = (*LOCKS, "snapshot-delete")
RETRIES = {wire: wire.RETRIES for wire in (local_client, api_client)}  # the product's own; here are shorter ones
FULL = "lvcreate 'pve/vm-950-disk-0' error: No space left on device"
BASE = wanted(900, is_template=True)
CLONE = wanted(950, template=None, clone_from_ctid=900, storage_pool=None, storage_size_gb=None)
MORE = {"memory_mb": 2048}


@dataclasses.dataclass(frozen=True)
class Row:
    """One fault. ``there``: the container is complete before, and ``change`` is what the run then wants.

    ``told``: the texts that the failure must have; () when the run must succeed in spite of the fault. ``by_token``:
    those over the API, where another call meets the fault: the lease is a write, and a look is a call.
    """

    name: str
    play: Callable[[FaultNode], None]
    told: tuple[str, ...] = ()
    there: bool = True
    change: Any = dataclasses.field(default_factory=lambda: wanted(**MORE))
    end: Callable[[FaultNode], None] = lambda node: node.calm()
    options: Any = dataclasses.field(default_factory=dict)
    once: str = ""
    by_token: tuple[str, ...] = ()


def fails(name: str, *key: Any) -> Callable[[FaultNode], None]:
    """The act of the node's guests that fails, with which words."""
    return lambda node: node.backend.failures.update({(name, *key[:-1]): key[-1]})


def later(node: FaultNode, seconds: float, act: Callable[[], Any]) -> None:
    """Let something end by itself."""
    node._loop.call_soon_threadsafe(lambda: node._loop.call_later(seconds, act))


def held(node: FaultNode, seconds: float | None) -> None:
    """Somebody's process holds the lock file."""
    node.run(node.pve.hold_config_lock(950, seconds))


def locked(node: FaultNode, word: str) -> None:
    """A lock in the config, as a dead task leaves it."""
    node.edit(950, lambda text: f"{text.rstrip()}\nlock: {word}\n")


def unlock(node: FaultNode) -> None:
    """It is taken away again."""
    node.edit(950, lambda text: "".join(row for row in text.splitlines(True) if not row.startswith("lock:")))


def slow(kind: str, seconds: float) -> Callable[[FaultNode], None]:
    """The worker takes its time."""
    return lambda node: node.pve.task_delay.update({kind: seconds})


def stopped(node: FaultNode) -> None:
    """Somebody stopped it."""
    node.call("POST", "/nodes/pve/lxc/950/status/stop")


def both(*acts: Callable[[FaultNode], Any]) -> Callable[[FaultNode], None]:
    """One after the other."""
    return lambda node: [act(node) for act in acts] and None


def managed(delay: float) -> Callable[[FaultNode], None]:
    """The HA manager has the guest, and takes so long to act (seconds of PVE)."""

    def play(node: FaultNode) -> None:
        node.pve.ha_delay = delay
        node.pve.ct(950).ha_state = "started"

    return play


def answered(method: str, suffix: str, status: int, words: str, **options: Any) -> Callable[[FaultNode], None]:
    """The call is answered so."""
    return lambda node: node.pve.fail(method, suffix, status, words, **options)


ABSENT = wanted(target="absent")
PATH = "/nodes/pve/lxc/950/"
ROWS = [
    # locks
    Row("lock file held for a while", lambda node: held(node, 30)),
    Row("lock file held on", lambda node: held(node, None), ("can't lock file", CONFIG, "state created", "lock_wait")),
    Row("a backup that ends", lambda node: node.run(node.pve.backup(950, 60))),
    Row(
        "a backup under a start",
        both(stopped, lambda node: node.run(node.pve.backup(950, 60))),
        change=wanted(),
    ),
    *(
        Row(
            f"config locked: {word}",
            lambda node, word=word: locked(node, word),
            (f"CT is locked ({word})", CONFIG, "in state created"),
            end=unlock,
            options={"lock_wait": 0.3},
        )
        for word in LOCKS
    ),
    Row(
        "config locked: create",
        lambda node: locked(node, "create"),
        ("is being created by another client (lock: create)", "wait for it"),
        end=unlock,
    ),
    Row(
        "start of a locked container: its worker meets the lock",
        both(stopped, lambda node: locked(node, "backup")),
        ("CT is locked (backup)", START, "in state configured", "task log:", "pct unlock 950"),
        change=wanted(),
        end=unlock,
        by_token=("CT is locked (backup)", CONFIG, "start failed in state configured", "pct unlock 950"),
    ),
    # tasks
    *(
        Row(f"slow {kind}", slow(kind, 60), there=there, change=change, once=once)
        for kind, there, change, once in (
            ("vzcreate", False, wanted(), CREATE),
            ("vzstart", False, wanted(), START),
            ("vzshutdown", True, ABSENT, STOP),
            ("vzdestroy", True, ABSENT, "DELETE /nodes/pve/lxc/950"),
        )
    ),
    Row(
        "a creation that takes longer than task_timeout",
        slow("vzcreate", 200),
        ("still runs after 0 s", CREATE, "before there was a container", "the next run"),
        there=False,
        change=wanted(),
        options={"task_timeout": 0.1},
        once=CREATE,
    ),
    Row(
        "failing create",
        fails("create", 950, None, "archive is broken"),
        ("archive is broken", CREATE, "task log:", "before there was a container"),
        there=False,
        change=wanted(),
    ),
    Row(
        "failing start",
        fails("start", 950, None, "startup for container '950' failed"),
        ("startup for container '950' failed", START, "task log:", "in state configured"),
        there=False,
        change=wanted(),
    ),
    Row(
        "failing resize",
        fails("resize", 950, "rootfs", "resize2fs: device busy"),
        ("resize2fs: device busy", "PUT /nodes/pve/lxc/950/resize", "in state created"),
        change=wanted(storage_size_gb=8),
    ),
    Row(
        "failing snapshot",
        fails("snapshot", 950, "golden", "snapshot feature is not available"),
        ("snapshot feature is not available", "POST /nodes/pve/lxc/950/snapshot", "in state"),
        change=wanted(template_snapshot_name="golden", storage_pool="tank"),
        there=False,
    ),
    Row(
        "failing shutdown",
        fails("shutdown", 950, None, "container did not stop"),
        ("container did not stop", STOP, "task log:", "in state completed"),
        change=ABSENT,
    ),
    Row(
        "failing destroy",
        fails("destroy", 950, None, "zfs error: cannot destroy 'tank/subvol': dataset is busy"),
        ("dataset is busy", "DELETE /nodes/pve/lxc/950", "task log:", "in state"),
        change=ABSENT,
    ),
    Row(
        "failing clone",
        both(lambda node: node.drive(BASE), fails("clone", 900, 950, "rsync failed: exit code 12")),
        ("rsync failed: exit code 12", "POST /nodes/pve/lxc/900/clone", "task log:", "before there was a container"),
        there=False,
        change=CLONE,
    ),
    Row(
        "failing conversion to a template",
        fails("to_template", 950, None, "unable to rename subvol: dataset is busy"),
        ("dataset is busy", "POST /nodes/pve/lxc/950/template", "task log:", "in state"),
        there=False,
        change=wanted(is_template=True),
    ),
    Row(
        "a guest that takes no notice of a shutdown",
        lambda node: setattr(node.pve.ct(950), "shutdown_secs", 90),
        change=ABSENT,
    ),
    # quorum, node, storage
    *(
        Row(
            f"lost quorum: {name}",
            both(*before, lambda node: node.pve.lose_quorum()),
            ("cluster not ready - no quorum?", call, state, "pvecm status"),
            there=there,
            change=change,
            by_token=("cluster not ready - no quorum?", CONFIG if there else call, state, "pvecm status"),
        )
        for name, before, call, state, there, change in (
            ("create", (), CREATE, "before there was a container", False, wanted()),
            ("configure", (), CONFIG, "in state created", True, wanted(**MORE)),
            ("start", (stopped,), START, "in state configured", True, wanted()),
        )
    ),
    Row(
        "offline node",
        lambda node: node.pve.set_node_offline("pve"),
        ("No route to host", "(595)", CONFIG, "in state created", "pvecm status"),
        by_token=("No route to host from https://", "(595)", "GET /nodes/pve/lxc/950/config", "pvecm status"),
    ),
    Row(
        "full storage: create",
        fails("alloc_volume", DISK, None, FULL),
        (FULL, CREATE, "task log:", "before there was a container", "pvesm status"),
        there=False,
        change=wanted(),
    ),
    Row(
        "full storage: resize",
        fails("resize", 950, "rootfs", "No space left on device"),
        ("No space left on device", "/resize", "in state created", "choose another storage_pool"),
        change=wanted(storage_size_gb=8),
    ),
    Row(
        "full storage: clone",
        both(lambda node: node.drive(BASE), fails("alloc_volume", DISK, None, FULL)),
        (FULL, "/900/clone", "before there was a container", "pvesm status"),
        there=False,
        change=CLONE,
    ),
    # HA
    Row("HA: start", both(stopped, managed(30)), change=wanted(), once=START),
    Row(
        "HA: a manager that doesn't start it",
        both(stopped, managed(400)),
        ("the HA manager has not started it in 1 s", START, "in state configured", "ha-manager status"),
        change=wanted(),
    ),
    Row("HA: stop and destroy", managed(30), change=ABSENT, once=STOP),
    # the way to the control plane
    Row("slow network", lambda node: node.pve.slow_network(20, 10)),
    Row("the answer to a write is lost", answered("PUT", "/950/config", 596, "Connection timed out", times=1),
        once=CONFIG),
    Row("the answers to all writes are lost", answered("PUT", "/950/config", 596, "Connection timed out"),
        ("Connection timed out", "(596)", CONFIG, "in state created", "may still end well")),
    *(
        Row(f"{status} for a write", answered("PUT", "/950/config", status, "unavailable", times=2), once=CONFIG)
        for status in (502, 503)
    ),
    *(
        Row(f"{status} while a task is looked at", answered("GET", "/status", status, "unavailable", times=3),
            there=False, change=wanted(), once=CREATE)
        for status in (502, 503)
    ),
    Row("595 for a write", answered("PUT", "/950/config", 595, "Connection refused", times=3), once=CONFIG),
    Row("595 for each write", answered("PUT", "/950/config", 595, "Connection refused"),
        ("Connection refused", "(595)", CONFIG, "in state created")),
    Row("596 while a task is looked at", answered("GET", "/status", 596, "Connection timed out", times=3),
        there=False, change=wanted(), once=CREATE),
    Row("595 while a task is looked at", answered("GET", "/status", 595, "No route to host", times=3),
        there=False, change=wanted(), once=CREATE),
    Row("a task that can't be looked at any more", answered("GET", "/status", 596, "Connection timed out"),
        ("Connection timed out", "(596)", "/status", "before there was a container"), there=False, change=wanted(),
        once=CREATE),
    Row("a proxy's page instead of JSON", answered("PUT", "/950/config", 502, "<html>Bad Gateway</html>", html=True),
        ("Bad Gateway", "(502)", CONFIG, "in state created")),
    Row("a refusal without a word", answered("PUT", "/950/config", 500, " "), ("(500)", CONFIG, "in state created")),
]  # fmt: skip  # laid out to be read


# The reduced form has every fifth row with layers; a layer is another archive for one of the calls.
OF_LAYERS = ROWS if LONG else ROWS[::5]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_fault(faults: FaultNode, row: Row) -> None:
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    meets(faults, row)


@pytest.mark.parametrize("row", OF_LAYERS, ids=lambda row: row.name)
def test_a_fault_of_a_container_from_a_layer(faults: FaultNode, row: Row) -> None:
    """Another container has left a layer: the report of the fault is the same, and costs no layer."""
    COUNTS["faults with layers on"] += 1
    faults.fresh()
    faults.drive(layered(wanted(), ctid=951))
    (archive,) = faults.archives()
    content = archive.read_bytes()
    meets(faults, dataclasses.replace(row, change=layered(row.change)), layered)
    assert [path.read_bytes() for path in faults.archives() if path == archive] == [content]
    assert len(faults.shelf.all()) == len(faults.archives())
    assert list(faults.cache.glob(".phoenix-layer-*")) == []


def meets(node: FaultNode, row: Row, kind: Callable[[Any], Any] = lambda want: want) -> None:
    """The fault, what a run says of it, and the runs after its end. ``kind``: of the container that was there."""
    before = wanted(storage_pool="tank") if row.change.config.get("storage_pool") == "tank" else wanted()
    if row.there:
        node.drive(kind(before))
    row.play(node)
    node.pve.asked.clear()
    begun = time.monotonic()
    text = node.attempt(row.change, **row.options)
    took = time.monotonic() - begun
    told = (row.by_token if node.transport == TOKEN else ()) or row.told
    if told:
        assert text is not None, "it did not fail"
        assert [word for word in told if word not in text] == [], text
        assert "un it again" in text or "run again" in text or "[GET " in text
    else:
        assert text is None, text
    assert took < 60, f"{took:.1f} s"
    row.end(node)
    assert node.attempt(row.change) is None
    node.settled(row.change)
    if row.once:
        assert node.made(row.once) == 1


DUMPED = "/nodes/pve/vzdump"


def impatient(node: FaultNode) -> None:
    """The run waits for the archive for a moment only."""
    node.leaving_waits = (1.0, 0.1)


def lost(node: FaultNode) -> None:
    """The connection ends when the archiving has begun."""
    node.lose_answer("POST", DUMPED)


# (name, the fault of the archiving, what the warning says; empty: the layer is left in spite of it)
LEAVING: list[tuple[str, Callable[[FaultNode], Any], str]] = [
    ("lock file held for a while", lambda node: held(node, 30), ""),
    ("lock file held on", lambda node: held(node, None), "can't lock file"),
    ("slow vzdump", slow("vzdump", 60), ""),
    ("a vzdump that takes longer than its time", both(slow("vzdump", 200), impatient), "still runs after 0 s"),
    ("the answer is lost when it has begun", both(slow("vzdump", 60), lost), "no answer from the control plane"),
    ("failing vzdump", fails("backup", 950, None, "unable to find command 'zstd'"), "unable to find command 'zstd'"),
    ("the answer is lost", answered("POST", DUMPED, 596, "Connection timed out", times=1), "Connection timed out"),
    ("503", answered("POST", DUMPED, 503, "unavailable", times=1), "unavailable"),
    ("595", answered("POST", DUMPED, 595, "Connection refused", times=3), ""),
    ("595 for each", answered("POST", DUMPED, 595, "Connection refused"), "Connection refused"),
    ("401", answered("POST", DUMPED, 401, "permission denied - invalid PVE ticket", times=1), ""),
    ("403", answered("POST", DUMPED, 403, "Permission check failed (/vms/950, VM.Backup)"), "VM.Backup"),
    ("501", answered("POST", DUMPED, 501, "Method 'POST /nodes/pve/vzdump' not implemented"), "not implemented"),
    ("a proxy's page", answered("POST", DUMPED, 502, "<html>Bad Gateway</html>", html=True), "Bad Gateway"),
    ("lost quorum", answered("POST", DUMPED, 500, "cluster not ready - no quorum?"), "no quorum?"),
]


def leaving(node: FaultNode, monkeypatch: pytest.MonkeyPatch, play: Callable[[FaultNode], Any]) -> list[str]:
    """A container meets a fault where it leaves its layer. Returns why it left none.

    It is completed, with its layer or without; the next one starts from a whole layer or from none.
    """
    node.fresh()
    first, second = layered(wanted()), layered(wanted(), ctid=951)
    real = node.leave

    def leave(*args: Any, **options: Any) -> Any:
        play(node)
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(node, "leave", leave)
        assert node.attempt(first) is None
    said = [text for text in node.warnings if "leaves no layer" in text]
    assert len(node.shelf.all()) == (not said)
    node.calm()
    assert node.attempt(first) is None
    assert 950 in node.backend.running
    node.settled(first)
    assert node.made(CREATE) == 1
    node.warnings.clear()
    assert node.attempt(second) is None
    node.settled(second)
    assert [text for text in node.warnings if "removed" not in text] == []
    assert (len(node.archives()), len(node.shelf.all())) == (1, 1)
    assert list(node.cache.glob(".phoenix-layer-*")) == []
    assert node.identities == ([] if said else [951])
    return said


@pytest.mark.parametrize(("play", "told"), [row[1:] for row in LEAVING], ids=[row[0] for row in LEAVING])
def test_a_fault_while_a_layer_is_left_is_a_warning(
    faults: FaultNode, monkeypatch: pytest.MonkeyPatch, play: Callable[[FaultNode], Any], told: str
) -> None:
    COUNTS["faults with layers on"] += 1
    assert [told in text for text in leaving(faults, monkeypatch, play)] == ([True] if told else [])


def test_an_expired_ticket_is_renewed_in_the_middle_of_a_run(faults: FaultNode) -> None:
    """Before each call: whatever is under way, it goes on, and nothing is made twice."""
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    faults.pve.around = lambda after: after or faults.pve.revoke_tickets()
    minted = faults.minted
    with pytest.raises(Exception, match="invalid PVE ticket"):  # each renewed ticket is revoked before it is used
        faults.drive(wanted())
    assert faults.minted <= minted + 2, "renewed without end"
    count = iter(range(1000))
    faults.pve.around = lambda after: after or (next(count) % 2 == 0 and faults.pve.revoke_tickets())
    faults.forget_clients()
    assert faults.attempt(wanted()) is None
    assert faults.made(CREATE) == 1
    faults.calm()
    faults.settled(wanted())


def test_a_ticket_that_is_always_refused_is_told(faults: FaultNode) -> None:
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    faults.pve.ticket_ttl = -1
    text = faults.attempt(wanted())
    assert "permission denied - invalid PVE ticket" in text
    assert "(401)" in text
    assert "compare the clocks" in text
    assert faults.mutations_done() == []


def test_missing_privileges_are_told_at_each_call(faults: FaultNode) -> None:
    """One after the other is granted; each refusal has PVE's words, and nothing is made twice on the way."""
    faults.fresh()
    seen = []
    with faults.user("automation@pve"):
        faults.pve.acl = {"automation@pve": []}
        for grants in (
            (("/vms", "VM.Allocate"),),
            (("/storage/local", "Datastore.AllocateSpace"), ("/storage/local", "Datastore.Audit")),
            (("/vms", "VM.Config.Disk"), ("/vms", "VM.Config.Options")),
            (("/vms", "VM.Config.Memory"), ("/vms", "VM.Config.Network"), ("/vms", "VM.Config.CPU")),
            (("/sdn/zones/localnetwork", "SDN.Use"),),
            (("/vms", "VM.PowerMgmt"), ("/vms", "VM.Audit")),
        ):
            COUNTS["faults of the control plane"] += 1
            text = faults.attempt(wanted())
            if text is not None:
                assert "Permission check failed" in text
                assert "(403)" in text
                assert "pveum acl modify" in text
                assert "Run it again to resume" in text
                seen.append(text)
            for path, privilege in grants:
                faults.pve.grant("automation@pve", path, privilege)
        assert len(seen) >= 4, seen
        assert faults.attempt(wanted()) is None
    assert len([call for call in faults.mutations_done() if call[:2] == ("POST", "/nodes/pve/lxc")]) == 1
    faults.calm()
    faults.settled(wanted())


@pytest.mark.parametrize(
    "key",
    [{"mount_points": [{"host_path": "/srv", "container_path": "/srv"}]}, {"pct_options": ["keyctl=1"]}],
    ids=["bind mount", "feature flag"],
)
def test_what_only_root_may_is_told(faults: FaultNode, key: dict[str, Any]) -> None:
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    faults.drive(wanted())
    with faults.user("automation@pve"):
        faults.pve.acl = {}
        for privilege in ("VM.Config.Disk", "VM.Config.Options", "VM.Allocate", "VM.Config.Memory"):
            faults.pve.grant("automation@pve", "/", privilege)
        text = faults.attempt(wanted(**key))
    assert "only allowed for root@pam" in text
    assert CONFIG in text
    assert "run as root on the node" in text
    assert faults.attempt(wanted(**key)) is None


def test_a_connection_that_hangs_ends(faults: FaultNode, monkeypatch: pytest.MonkeyPatch) -> None:
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    faults.drive(wanted())
    monkeypatch.setattr(faults.wire, "TIMEOUT", 0.3)
    faults.forget_clients()
    faults.pve.flaky_network(hang_rate=1.0, hang_secs=200, seed=1)  # one second
    text = faults.attempt(wanted(**MORE))
    assert "timed out" in text
    assert (CONFIG if faults.transport == SSH else "GET /nodes") in text
    assert "systemctl status pveproxy" in text
    faults.calm()
    faults.forget_clients()
    assert faults.attempt(wanted(**MORE)) is None
    faults.settled(wanted(**MORE))


@pytest.mark.parametrize("seed", range(20 if LONG else 4))
def test_a_network_that_drops_every_third_call(faults: FaultNode, seed: int) -> None:
    """Reads are repeated, writes are not; run after run it gets there, and nothing is made twice."""
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    faults.pve._random.seed(seed)
    faults.pve.flaky_network(drop_rate=0.33)
    texts = []
    for _run in range(40):
        text = faults.attempt(wanted(**MORE), resumes=bool(texts))
        if text is None:
            break
        texts.append(text)
        assert "no answer from " in text
    assert text is None, texts
    faults.calm()
    faults.settled(wanted(**MORE))
    assert faults.made(CREATE) == 1


def test_a_write_that_was_carried_out_and_not_answered_is_found_and_not_repeated(faults: FaultNode) -> None:
    """Each write of a provisioning in turn, its destruction too: the connection ends before the answer."""
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    lost = collections.Counter[tuple[str, str]]()

    def lose(after: bool) -> None:
        if after and faults.pve.doing[0] in MUTATING:
            lost[faults.pve.doing] += 1
            if lost[faults.pve.doing] % 2 == 0:
                return
            for connection in list(faults.pve.runner.server.connections):
                if connection.transport:  # None: it has ended already
                    connection.transport.close()

    faults.pve.around = lose
    volumes = [{"name": "data", "pool": "local", "size_gb": 2, "mount_point": "/srv"}]
    for want, disks in (
        (wanted(volumes=volumes), 2),
        (wanted(volumes=volumes, **MORE), 2),
        (wanted(target="absent"), 0),
    ):
        assert faults.attempt(want) is None
        assert sum("-950-disk-" in volume for volume in faults.backend.volumes) == disks
    assert len(lost) >= 5, lost
    made = [call for call in faults.mutations_done() if call[0] != "PUT"]
    assert len(made) == len(set(made)), made
    faults.calm()
    faults.settled(wanted(target="absent"))


def test_whom_a_wait_was_for_is_told(faults: FaultNode) -> None:
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    faults.drive(wanted())
    faults.run(faults.pve.backup(950, 1000))
    locked(faults, "backup")
    text = faults.attempt(wanted(**MORE), lock_wait=0.5) or ""
    assert re.search(r"CT is locked \(backup\) - waited 0 s for vzdump of root@pam \(UPID:", text), text
    unlock(faults)


def test_pveproxy_restarts(faults: FaultNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens for a moment: what was never sent is sent again."""
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    faults.drive(wanted())
    faults.pve.asked.clear()
    monkeypatch.setattr(faults.wire, "RETRIES", RETRIES[faults.wire])
    faults.proxy_down(7.0)  # longer than the 6.3 s of PVE facts, 'Other'
    assert faults.attempt(wanted(**MORE)) is None
    assert faults.made(CONFIG) == 1


def test_a_connection_that_pveproxy_closed_meanwhile_is_replaced_before_a_write(
    faults: FaultNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    faults.drive(wanted())
    faults.pve.asked.clear()
    faults.close_idle_connections()
    monkeypatch.setattr(local_client, "IDLE", 0.0)  # as if the pause had been longer than it
    assert faults.attempt(wanted(**MORE)) is None
    assert faults.made(CONFIG) == 1


def test_warnings_of_a_task_are_a_success_that_is_shown(faults: FaultNode) -> None:
    COUNTS["faults of the control plane"] += 1
    faults.fresh()
    faults.start_warnings = ["Systemd 252 detected. You may need to enable nesting."]
    _journal, outcome = faults.drive(wanted(target="running"))
    assert outcome.last.state == "running"
    assert any("enable nesting" in line for line in faults.warnings)


# ------------------------------------------------------------------------------ all errors that PVE is known to answer
def of_archives() -> list[str]:
    """The names of the errors for an archive."""
    from fakepve import errors

    return [entry["name"] for entry in errors.listing("POST", DUMPED)]


@pytest.mark.parametrize("name", of_archives()[:: 1 if LONG else 16])
def test_each_error_of_an_archive_costs_the_layer_alone(
    faults: FaultNode, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    COUNTS["errors of PVE's catalogue"] += 1
    assert leaving(faults, monkeypatch, lambda node: node.pve.fail("POST", DUMPED, error=name))


def catalogue() -> list[tuple[str, str, str]]:
    """(method, path, name) of each error in fakepve's catalogue for the calls of a container's provisioning."""
    from fakepve import errors

    calls = [("POST", "/nodes/pve/lxc"), ("PUT", f"{PATH}config"), ("PUT", f"{PATH}resize"), ("DELETE", PATH[:-1])]
    calls += [("POST", f"{PATH}status/start"), ("POST", f"{PATH}status/shutdown"), ("POST", f"{PATH}snapshot")]
    calls += [("POST", "/nodes/pve/lxc/900/clone"), ("POST", "/nodes/pve/lxc/900/template")]
    return [(method, path, entry["name"]) for method, path in calls for entry in errors.listing(method, path)]


RUNS = {
    "snapshot": wanted(template_snapshot_name="golden", storage_pool="tank"),
    "clone": CLONE,
    "template": BASE,
    "resize": wanted(storage_size_gb=8),
    "config": wanted(**MORE),
    "shutdown": ABSENT,
    "950": ABSENT,
    "start": wanted(),
    "lxc": wanted(),
}
# The goal of the call, or none of its calls meets it.
FORGIVEN = ("already_running", "not_running", "container_is_not_running", "configuration_file_does_not_exist")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    catalogue()[:: 1 if LONG else 16],
    ids=lambda value: str(value).removeprefix("/nodes/pve/"),
)
def test_each_error_that_pve_is_known_to_answer(faults: FaultNode, method: str, path: str, name: str) -> None:
    COUNTS["errors of PVE's catalogue"] += 1
    node = faults
    node.fresh()
    want = RUNS[path.rpartition("/")[2]]
    if want is CLONE:
        node.drive(BASE)
    elif want not in (BASE, RUNS["lxc"], RUNS["start"], RUNS["snapshot"]):
        node.drive(wanted())
    with contextlib.suppress(ValueError):
        node.pve.fail(method, path, error=name)
    text = node.attempt(want, lock_wait=0.3)
    if text is None:
        assert name in FORGIVEN, f"{name} was not noticed"
    else:
        assert f"{method} /nodes/pve/" in text or name == "configuration_file_does_not_exist", text
        assert "failed before there was a container" in text or "failed in state " in text, text
        assert "Run it again to resume" in text
    node.calm()
    node.forget_clients()
    unlock(node) if node.conf(950) else None
    assert node.attempt(want) is None
    node.settled(want)
