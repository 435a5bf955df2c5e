# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Property: whatever is wanted and whatever is there, applying one plan leaves nothing to plan."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import ledger
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import instance, planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import marker, properties
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile

HOTPLUG = ("memory", "swap", "cores", "onboot", "startup", "hostname", "net0", "tags", "description", "protection")

config_keys = {
    "name": st.sampled_from(["web", "db", "Mixed"]),
    "description": st.sampled_from(["by hand", "two\nlines\n"]),
    "protection": st.booleans(),
    "memory_mb": st.integers(16, 4096),
    "swap_mb": st.integers(0, 1024),
    "cores": st.integers(1, 16),
    "start_at_boot": st.booleans(),
    "boot_order": st.integers(0, 20),
    "boot_delay": st.integers(0, 60),
    "pct_options": st.lists(st.sampled_from(["nesting=1", "keyctl=1", "fuse=1"]), unique=True, max_size=3),
    "tags": st.lists(st.sampled_from(["a", "LLM", "web"]), unique=True, max_size=3),
    "mac_address": st.sampled_from(["BC:24:11:AA:BB:CC", "bc:24:11:aa:bb:cc"]),
    "network_config": st.fixed_dictionaries(
        {"name": st.just("eth0"), "bridge": st.sampled_from(["vmbr0", "vmbr1"])},
        optional={"ip": st.sampled_from(["dhcp", "10.0.0.5/24"]), "gw": st.just("10.0.0.1")},
    ),
    "storage_size_gb": st.integers(8, 12),
    "restart_policy": st.sampled_from(["if_needed", "never"]),
}
configs = st.fixed_dictionaries({"template": st.just("local:vztmpl/x.tar.zst")}, optional=config_keys)
heads = st.fixed_dictionaries(
    {"hostname": st.just("was"), "memory": st.integers(16, 4096).map(str), "rootfs": st.just("local:950/d,size=8G")},
    optional={
        "swap": st.integers(0, 1024).map(str),
        "cores": st.integers(1, 16).map(str),
        "onboot": st.sampled_from(["0", "1"]),
        "startup": st.sampled_from(["3", "order=3", "order=2,up=5,down=9"]),
        "features": st.sampled_from(["nesting=1", "fuse=1,mount=nfs;cifs", "keyctl=1,nesting=1"]),
        "net0": st.sampled_from(
            [
                "name=eth0,bridge=vmbr9,hwaddr=BC:24:11:00:00:01,ip=dhcp,tag=4,type=veth",
                "name=eth1,bridge=vmbr0,firewall=1,hwaddr=bc:24:11:aa:bb:cc,type=veth",
            ]
        ),
        "tags": st.just("a;b"),
        "description": st.just("by hand\n"),
        "protection": st.sampled_from(["0", "1"]),
        "mp0": st.just("local:950/e,mp=/data,size=1G"),
        "unprivileged": st.just("1"),
    },
)
FEATURES = (
    {"name": "one", "digest": "d1", "container": {"features": {"nesting": True}}},
    {"name": "two", "digest": "d2"},
)


class Paper:
    """A container on paper that obeys the calls of a plan as PVE documents them; the API tier has the real wording."""

    def __init__(self, head, running, applied, book):
        self.head = dict(head)
        self.pending = {}
        self.exists = bool(head)
        self.running = running
        self.starts = 0
        self.marker = ()
        self.record = {"ours": self.exists, "applied": applied}
        if self.exists:
            self.marker = (marker.line("i0"),)
            self.record["instance"] = {"id": "i0", **instance.evidence(ConfFile(head=self.head))}
        self.word = None
        self.book = book

    def seen(self):
        conf = ConfFile(head=self.head, pending=self.pending, markers=self.marker)
        known = self.book if self.running else None
        return Observation(
            950, exists=self.exists, running=self.running, conf=conf, boot=f"b{self.starts}", ledger=known
        )

    def remembered(self):
        known = {key: self.record.get(key) for key in ("ours", "applied", "instance")}
        return Record(word=self.word, ledger=self.book, dhcp=self.record.get("dhcp") or {}, **known)

    def obey(self, step):
        for entry in step.entries:
            getattr(self, entry.op)(entry, step)
        self.recognize()  # as the executor does after each step

    def recognize(self):
        self.record["instance"].update(instance.evidence(ConfFile(head=self.head)))

    def conf(self, entry, step):
        assert entry.what == "mark"
        self.marker = (marker.line(self.record["instance"]["id"]),)

    def pve(self, entry, step):
        _method, path = entry.what.split(" ")
        if path.endswith("/lxc"):
            self.exists, self.book = True, ledger.empty()
            self.head = {"hostname": entry.params["hostname"], "memory": "512", "swap": "512", "unprivileged": "1"}
            self.head["rootfs"] = f"local:950/d,size={entry.params.get('rootfs', 'local:4').split(':')[1]}G"
        elif path.endswith("/config"):
            self.put(dict(entry.params))
        elif path.endswith("/resize"):
            self.head["rootfs"] = f"local:950/d,size={entry.params['size']}"
        else:
            self.start()

    def put(self, params):
        for key in filter(None, params.pop("delete", "").split(",")):
            assert key in self.head, f"deletes {key}, which is not set"
            self.change(key, None)
        for key, value in params.items():
            first = properties.default_key(key)
            if key.startswith("net"):
                parts = properties.parse(value)
                parts.setdefault("hwaddr", "BC:24:11:99:99:99")
                value = properties.compose(parts, first)
            elif key == "description":
                value = value.rstrip("\n") + "\n"
            self.change(key, value)

    def change(self, key, value):
        if self.running and key not in HOTPLUG:
            self.pending[key] = value
        elif value is None:
            self.head.pop(key, None)
        else:
            self.head[key] = value

    def start(self):
        self.head = ConfFile(head=self.head, pending=self.pending).merged()
        self.pending, self.running = {}, True
        self.starts += 1

    def node(self, entry, step):
        if entry.what == "state":
            self.word = entry.params["word"]
        else:
            before = self.record.get("instance")
            self.record.update(entry.params)
            if entry.params.get("instance") == instance.NEW:
                self.record["instance"] = {"id": "i1"}
            elif entry.params.get("instance") == instance.SEEN:
                self.record["instance"] = before
                self.recognize()

    def feature(self, entry, step):
        digest = next(item["digest"] for item in FEATURES if item["name"] == step.name)
        self.book["features"][step.name] = {"status": "applied", "digest": digest}

    def application(self, entry, step):
        raise AssertionError("no application is wanted here")


@settings(max_examples=500, deadline=None)
@given(
    config=configs,
    head=st.one_of(st.just({}), heads),
    running=st.booleans(),
    before=configs,
    applied=st.sampled_from([(), ("one",), ("one", "two")]),
)
def test_one_apply_leaves_nothing_to_plan(config, head, running, before, applied):
    book = ledger.empty()
    for name in applied:
        digest = next(item["digest"] for item in FEATURES if item["name"] == name)
        book["features"][name] = {"status": "applied", "digest": digest}
    earlier = planner.plan(Wanted(950, "pve", before, FEATURES), Observation(950), Record())
    remembered = next((e.params["applied"] for s in earlier.steps for e in s.entries if e.params.get("applied")), {})
    paper = Paper(head, running and bool(head), remembered if head else {}, book)
    wanted = Wanted(950, "pve", config, FEATURES)
    plan = planner.plan(wanted, paper.seen(), paper.remembered())
    assert plan.error is None
    predicted = [entry.as_dict() for step in plan.steps for entry in step.entries]
    journal = []
    for _turn in range(20):
        current = planner.plan(wanted, paper.seen(), paper.remembered())
        if not current.steps:
            break
        step = current.steps[0]
        paper.obey(step)
        journal += [entry.as_dict() for entry in step.entries]
    else:
        raise AssertionError(f"no end: {[step.kind for step in current.steps]}")
    # Check mode equals the real run, entry by entry.
    assert journal == predicted
    again = planner.plan(wanted, paper.seen(), paper.remembered())
    assert again.steps == ()
    assert again.state == plan.final_state == "completed"
