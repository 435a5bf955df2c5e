# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner: each row of DESIGN's state table, and the calls of each step."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import states, summary
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import (
    Application,
    Feature,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.known import instance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import marker
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile

NET = "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth"
CONFIG = {
    "name": "web",
    "template": "local:vztmpl/debian.tar.zst",
    "memory_mb": 1024,
    "cores": 2,
    "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"},
}
HEAD = {
    "hostname": "web",
    "memory": "1024",
    "swap": "512",
    "cores": "2",
    "net0": NET,
    "rootfs": "local:950/d.raw,size=4G",
}
HEAD = {**HEAD, "unprivileged": "1"}
APPLIED = {
    "hostname": "web",
    "memory": "1024",
    "cores": "2",
    "net0": {"name": "eth0", "type": "veth", "bridge": "vmbr0", "ip": "dhcp"},
}
FEATURES = (Feature("one", "d1"), Feature("two", "d2"))
APPLICATION = Application("run.sh", "a1", health=True)


def wanted(**changes):
    base = Wanted(950, "pve", CONFIG, FEATURES, APPLICATION)
    config = {**CONFIG, **changes.pop("config", {})}
    config = {key: value for key, value in config.items() if value is not None}
    return dataclasses.replace(base, config=config, **changes)


def book(*features, application="a1", boot="b1"):
    entries = {name: {"status": "applied", "digest": digest} for name, digest in features}
    done = {"status": "applied", "digest": application, "ctid": 950, "boot": boot} if application else None
    return {"version": 1, "features": entries, "application": done}


FULL = book(("one", "d1"), ("two", "d2"))


def seen(head=None, running=True, known=None, **more):
    known = FULL if known is None else known
    conf = ConfFile(head={**HEAD, **(head or {})}, **{"markers": (marker.line("i1"),), **more.pop("conf", {})})
    return Observation(
        950, exists=True, running=running, conf=conf, boot="b1" if running else None, ledger=known, **more
    )


OURS = Record(
    word="completed",
    ours=True,
    applied=APPLIED,
    instance={"id": "i1", "at": 1, **instance.evidence(ConfFile(head=HEAD))},
)


def kinds(plan):
    return [step.kind for step in plan.steps]


def calls(plan):
    return [(entry.what, dict(entry.params)) for step in plan.steps for entry in step.entries if entry.op == "pve"]


def test_a_settled_container_has_an_empty_plan():
    plan = planner.plan(wanted(), seen(), OURS)
    assert plan.state == plan.final_state == states.COMPLETED
    assert plan.steps == ()
    assert plan.error is None


def test_an_absent_container_goes_through_all_six_states():
    plan = planner.plan(wanted(), Observation(950), Record())
    words = [entry.params["word"] for step in plan.steps for entry in step.entries if entry.what == "state"]
    assert plan.state == states.DEFINED
    assert words == list(states.STATES[1:])
    assert calls(plan) == [
        (
            "POST /nodes/pve/lxc",
            {"vmid": 950, "ostemplate": "local:vztmpl/debian.tar.zst", "hostname": "web", "unprivileged": 1},
        ),
        (
            "PUT /nodes/pve/lxc/950/config",
            {"memory": "1024", "cores": "2", "net0": "name=eth0,bridge=vmbr0,ip=dhcp,type=veth"},
        ),
        ("POST /nodes/pve/lxc/950/status/start", {}),
    ]


@pytest.mark.parametrize(
    ("observation", "state"),
    [
        (Observation(950), states.DEFINED),
        (seen({"memory": "512"}, running=False), states.CREATED),
        (seen({"memory": "512"}), states.CREATED),
        (seen(running=False), states.CONFIGURED),
        (seen(known=ledger.empty()), states.RUNNING),
        (seen(known=book(("one", "d1"), application=None)), states.CUSTOMIZING),
        (seen(known=book(("one", "d1"), ("two", "d2"), application=None)), states.CUSTOMIZING),
        (seen(), states.COMPLETED),
    ],
)
def test_the_effective_state_is_what_the_observation_supports(observation, state):
    """DESIGN 4, the table: the record says completed in every row."""
    assert planner.plan(wanted(), observation, OURS).state == state


@pytest.mark.parametrize("word", [None, "created", "customizing", "nonsense"])
def test_a_lost_or_wrong_state_file_is_only_written_again(word):
    plan = planner.plan(wanted(), seen(), dataclasses.replace(OURS, word=word))
    assert kinds(plan) == ["record"]
    assert calls(plan) == []


@pytest.mark.parametrize("target", states.STATES)
def test_each_target_state_is_where_the_plan_stops(target):
    plan = planner.plan(wanted(target=target), Observation(950), Record())
    assert plan.final_state == target
    assert all(states.rank(step.goes_to) <= states.rank(target) for step in plan.steps)


def test_a_container_beyond_its_target_is_left_alone_and_told():
    plan = planner.plan(wanted(target="configured"), seen(), OURS)
    assert plan.steps == ()
    assert "beyond its target state configured" in plan.notes[0]


def test_only_the_option_that_differs_is_sent():
    plan = planner.plan(wanted(config={"memory_mb": 2048}), seen(), OURS)
    assert calls(plan) == [("PUT /nodes/pve/lxc/950/config", {"memory": "2048"})]
    assert plan.steps[0].disrupts == "hot"
    assert plan.final_state == states.COMPLETED


def test_a_key_that_we_set_and_that_is_gone_is_undone():
    """DESIGN 3: absent keys are unmanaged, what we set earlier and no longer find is undone."""
    record = dataclasses.replace(OURS, applied={**APPLIED, "swap": "256"})
    plan = planner.plan(wanted(), seen({"swap": "256"}), record)
    assert calls(plan) == [("PUT /nodes/pve/lxc/950/config", {"delete": "swap"})]


def test_a_value_that_somebody_else_set_is_left_alone():
    record = dataclasses.replace(OURS, applied={**APPLIED, "swap": "256"})
    plan = planner.plan(wanted(), seen({"swap": "1024"}), record)
    assert calls(plan) == []


def test_memory_can_not_be_deleted_so_it_goes_back_to_pve_default():
    plan = planner.plan(wanted(config={"memory_mb": None}), seen(), OURS)
    assert calls(plan) == [("PUT /nodes/pve/lxc/950/config", {"memory": "512"})]


def test_foreign_suboptions_and_the_mac_stay():
    there = NET + ",firewall=1,tag=5"
    plan = planner.plan(
        wanted(config={"network_config": {"name": "eth0", "bridge": "vmbr1", "ip": "dhcp"}}),
        seen({"net0": there}),
        OURS,
    )
    ((_path, params),) = calls(plan)
    assert params == {
        "net0": "name=eth0,bridge=vmbr1,firewall=1,hwaddr=BC:24:11:00:00:01,ip=dhcp,tag=5,type=veth",
    }


def test_a_suboption_that_we_set_and_that_is_gone_is_removed():
    record = dataclasses.replace(OURS, applied={**APPLIED, "net0": {**APPLIED["net0"], "gw": "10.0.0.1"}})
    plan = planner.plan(wanted(), seen({"net0": NET + ",gw=10.0.0.1"}), record)
    ((_path, params),) = calls(plan)
    assert "gw" not in params["net0"]
    assert "hwaddr=BC:24:11:00:00:01" in params["net0"]


def test_what_features_need_of_the_host_side_is_configured():
    features = (Feature("one", "d1", needs={"features": {"nesting": True, "keyctl": True}}),)
    plan = planner.plan(wanted(features=features), seen({"features": "fuse=1"}, running=False), OURS)
    assert calls(plan)[0] == ("PUT /nodes/pve/lxc/950/config", {"features": "fuse=1,keyctl=1,nesting=1"})


def test_a_change_that_waits_is_told_and_never_restarts_on_its_own():
    plan = planner.plan(wanted(config={"pct_options": ["nesting=1"]}), seen(), OURS)
    assert kinds(plan) == ["configure"]
    assert plan.waiting == ("features",)
    assert plan.final_state == states.COMPLETED


def test_what_waits_does_not_lower_the_state():
    conf = {"pending": {"features": "nesting=1"}}
    record = dataclasses.replace(OURS, applied={**APPLIED, "features": {"nesting": "1"}})
    plan = planner.plan(wanted(config={"pct_options": ["nesting=1"]}), seen(conf=conf), record)
    assert (plan.state, plan.steps, plan.waiting) == (states.COMPLETED, (), ("features",))


def test_restart_policy_if_needed_restarts_for_what_waits():
    config = {"pct_options": ["nesting=1"], "restart_policy": "if_needed"}
    plan = planner.plan(wanted(config=config), seen(), OURS)
    assert kinds(plan)[:2] == ["configure", "restart"]
    assert calls(plan)[1][0] == "POST /nodes/pve/lxc/950/status/reboot"
    assert plan.waiting == ()


def test_a_changed_feature_takes_those_above_it_along():
    plan = planner.plan(wanted(), seen(known=book(("one", "old"), ("two", "d2"))), OURS)
    assert [item["name"] for item in plan.due_features] == ["one", "two"]
    assert plan.due_features[1]["reason"] == "one, the feature under it, changed"


def test_a_feature_that_was_begun_and_not_ended_runs_again():
    known = book(("one", "d1"), ("two", "d2"))
    known["features"]["two"]["status"] = "begun"
    plan = planner.plan(wanted(), seen(known=known), OURS)
    assert [item["name"] for item in plan.due_features] == ["two"]


def test_a_feature_that_is_no_longer_listed_is_told():
    plan = planner.plan(wanted(), seen(known=book(("one", "d1"), ("two", "d2"), ("three", "d3"))), OURS)
    assert plan.notes == ("feature three is no longer listed: left behind",)


def test_after_a_boot_the_health_check_comes_before_the_script():
    plan = planner.plan(wanted(), seen(known=book(("one", "d1"), ("two", "d2"), boot="b0")), OURS)
    assert kinds(plan) == ["health"]
    assert plan.application_due is None
    assert plan.health_due


def test_a_clones_application_is_its_own():
    known = book(("one", "d1"), ("two", "d2"))
    known["application"]["ctid"] = 920
    plan = planner.plan(wanted(), seen(known=known), OURS)
    assert plan.application_due == "not run yet"


def test_somebody_elses_container_is_refused_and_described():
    plan = planner.plan(wanted(), seen(), Record(word="completed"))
    assert plan.steps == ()
    assert "web, running, 1024 MiB" in plan.error
    assert "phoenix_adopt" in plan.error


def test_reapply_adopts_it():
    plan = planner.plan(wanted(adopt="reapply"), seen(known=ledger.empty()), Record())
    assert kinds(plan)[0] == "adopt"
    assert plan.error is None


def test_a_held_container_is_left_alone():
    plan = planner.plan(wanted(), seen({"tags": "a;phoenix-hold", "memory": "1"}, running=False), OURS)
    assert plan.steps == ()
    assert plan.notes == ("held by the tag phoenix-hold: left alone",)


def test_the_root_disk_grows_and_never_shrinks():
    grows = planner.plan(wanted(config={"storage_size_gb": 6}), seen(), OURS)
    assert calls(grows) == [("PUT /nodes/pve/lxc/950/resize", {"disk": "rootfs", "size": "6G"})]
    shrinks = planner.plan(wanted(config={"storage_size_gb": 2}), seen(), OURS)
    assert shrinks.steps == ()
    assert "can't shrink" in shrinks.error


def test_a_privileged_container_does_not_become_unprivileged():
    plan = planner.plan(wanted(config={"unprivileged": True}), seen({"unprivileged": "0"}), OURS)
    assert "impossible without recreating" in plan.error


def test_a_half_made_container_of_ours_is_cleaned_up_and_made_again():
    observation = Observation(950, exists=True, conf=ConfFile(head={"lock": "create"}), creating="failed")
    plan = planner.plan(wanted(), observation, Record(creating={"run": "r"}))
    assert kinds(plan)[:2] == ["clean-up", "create"]
    assert [entry.what for entry in plan.steps[0].entries][:2] == ["unlock 950", "DELETE /nodes/pve/lxc/950"]


def test_a_half_made_container_that_somebody_worked_on_since_is_not_removed():
    head = ConfFile(head={"lock": "create"})
    observation = Observation(950, exists=True, conf=head, creating="failed", later_task="vzdump by root@pam (UPID:x)")
    plan = planner.plan(wanted(), observation, Record(creating={"run": "r"}))
    assert plan.steps == ()
    assert "vzdump by root@pam (UPID:x); nothing of it is removed" in plan.error
    assert "pct unlock 950" in plan.error


def test_a_half_made_container_need_not_fit_the_configuration():
    """Its config holds little more than the lock: neither that it is to be unprivileged nor its disk."""
    observation = Observation(950, exists=True, conf=ConfFile(head={"lock": "create"}), creating="failed")
    plan = planner.plan(wanted(config={"unprivileged": True}), observation, Record(creating={"run": "r"}))
    assert plan.error is None
    assert kinds(plan)[:2] == ["clean-up", "create"]
    assert calls(plan)[0][1]["destroy-unreferenced-disks"] == 1


def test_a_half_made_container_of_somebody_else_is_not_touched():
    observation = Observation(950, exists=True, conf=ConfFile(head={"lock": "create"}))
    plan = planner.plan(wanted(), observation, OURS)
    assert plan.steps == ()
    assert "lock: create" in plan.error


def test_a_creation_that_ended_after_its_run_was_killed_is_ours():
    plan = planner.plan(wanted(), seen(known=ledger.empty(), creating="done"), Record(creating={"run": "r"}))
    assert kinds(plan)[0] == "adopt"
    assert plan.error is None


@pytest.mark.parametrize(
    ("changes", "observation", "words"),
    [
        ({"destroy_confirmed": False}, seen(), "needs the confirmation"),
        ({"destroy_confirmed": True}, seen({"protection": "1"}), "--protection 0"),
    ],
)
def test_destroying_is_refused(changes, observation, words):
    plan = planner.plan(wanted(target="absent", **changes), observation, OURS)
    assert plan.steps == ()
    assert words in plan.error


def test_destroying_stops_destroys_and_forgets():
    plan = planner.plan(wanted(target="absent", destroy_confirmed=True), seen(), OURS)
    assert [path for path, _params in calls(plan)] == [
        "POST /nodes/pve/lxc/950/status/shutdown",
        "DELETE /nodes/pve/lxc/950",
    ]
    assert plan.steps[-1].entries[-1].what == "forget"
    assert "local:950/d.raw" in plan.steps[-1].reason


def test_a_clone_of_a_running_source_is_refused_with_what_helps():
    source = ConfFile(head={"hostname": "base", "memory": "512"})
    config = {"template": None, "clone_from_ctid": "920"}
    plan = planner.plan(wanted(config=config), Observation(950, source=source, source_running=True), Record())
    assert "pct shutdown 920" in plan.error


def test_a_clone_without_its_source_names_the_limit_that_helps():
    plan = planner.plan(wanted(config={"template": None, "clone_from_ctid": "920"}), Observation(950), Record())
    assert "lineage_950" in plan.error


def test_a_clone_only_changes_what_differs_from_its_source():
    source = ConfFile(head={**HEAD, "hostname": "base", "template": "1"})
    config = {"template": None, "clone_from_ctid": "920"}
    plan = planner.plan(wanted(config=config), Observation(950, source=source), Record())
    assert calls(plan) == [
        ("POST /nodes/pve/lxc/920/clone", {"newid": 950, "hostname": "web", "full": 1}),
        ("POST /nodes/pve/lxc/950/status/start", {}),
    ]


def test_a_source_without_features_has_an_empty_ledger_or_none_and_its_clone_the_same_plan():
    """Check mode predicts an empty one, and a source in which no feature ever ran has none."""
    source = ConfFile(head={**HEAD, "hostname": "base", "template": "1"})
    config = {"template": None, "clone_from_ctid": "920"}
    plans = [
        planner.plan(wanted(config=config), Observation(950, source=source, source_ledger=known), Record())
        for known in (None, ledger.empty(), FULL)
    ]
    assert plans[0].steps == plans[1].steps
    assert plans[0].steps != plans[2].steps


def test_the_summary_names_every_call():
    lines = "\n".join(summary.summary(planner.plan(wanted(), Observation(950), Record())))
    assert "1. create => created" in lines
    assert "pve: POST /nodes/pve/lxc vmid=950" in lines
    assert "application: begin" in lines


VOLUME = {"name": "data", "pool": "local", "size_gb": 2, "mount_point": "/data"}
BIND = {"host_path": "/srv/models", "container_path": "/models"}


def test_new_mount_points_take_the_first_free_slots():
    plan = planner.plan(
        wanted(config={"volumes": [VOLUME], "mount_points": [BIND]}), seen({"mp0": "local:1/x,mp=/x"}), OURS
    )
    assert calls(plan)[0][1] == {"mp1": "/srv/models,mp=/models", "mp2": "local:2,mp=/data"}
    assert plan.steps[0].disrupts == "hot"


def test_a_volume_that_exists_is_never_allocated_again():
    """PVE facts: STORE:SIZE sent again allocates another disk."""
    known = {"data": {"slot": "mp0", "mp": "/data", "volume": "local:950/vm-950-disk-1.raw"}}
    record = dataclasses.replace(OURS, applied={**APPLIED, "mp0": {"mp": "/data"}}, volumes=known)
    there = seen({"mp0": "local:950/vm-950-disk-1.raw,mp=/data,size=2G"})
    assert planner.plan(wanted(config={"volumes": [VOLUME]}), there, record).steps == ()


def test_a_volume_grows_and_never_shrinks():
    record = dataclasses.replace(OURS, applied={**APPLIED, "mp0": {"mp": "/data"}})
    there = seen({"mp0": "local:950/vm-950-disk-1.raw,mp=/data,size=1G"})
    plan = planner.plan(wanted(config={"volumes": [VOLUME]}), there, record)
    assert ("PUT /nodes/pve/lxc/950/resize", {"disk": "mp0", "size": "2G"}) in calls(plan)
    there = seen({"mp0": "local:950/vm-950-disk-1.raw,mp=/data,size=4G"})
    assert "volumes/0/size_gb: 2 is less" in planner.plan(wanted(config={"volumes": [VOLUME]}), there, record).error


def test_a_volume_whose_key_is_gone_is_detached():
    record = dataclasses.replace(OURS, applied={**APPLIED, "mp0": {"mp": "/data"}})
    plan = planner.plan(wanted(), seen({"mp0": "local:950/vm-950-disk-1.raw,mp=/data,size=2G"}), record)
    assert calls(plan) == [("PUT /nodes/pve/lxc/950/config", {"delete": "mp0"})]
    assert plan.waiting == ("mp0",)


def test_a_slot_that_somebody_took_over_is_left_alone():
    record = dataclasses.replace(OURS, applied={**APPLIED, "mp0": {"mp": "/data"}})
    assert calls(planner.plan(wanted(), seen({"mp0": "local:950/x,mp=/theirs"}), record)) == []


def test_a_changed_bind_mount_waits_for_a_restart():
    record = dataclasses.replace(OURS, applied={**APPLIED, "mp0": {"volume": "/srv/old", "mp": "/models"}})
    plan = planner.plan(wanted(config={"mount_points": [BIND]}), seen({"mp0": "/srv/old,mp=/models,ro=1"}), record)
    assert calls(plan) == [("PUT /nodes/pve/lxc/950/config", {"mp0": "/srv/models,mp=/models,ro=1"})]
    assert plan.waiting == ("mp0",)


def test_a_boot_after_which_the_application_was_seen_healthy_is_done_with():
    known = book(("one", "d1"), ("two", "d2"), boot="b0")
    looks = planner.plan(wanted(), seen(known=known), OURS)
    assert [entry for step in looks.steps for entry in step.entries] == []
    assert planner.plan(wanted(), seen(known=known), dataclasses.replace(OURS, checked_boot="b1")).steps == ()


def test_a_clone_with_a_smaller_disk_than_its_source_is_refused_before_it_is_made():
    source = ConfFile(head={"hostname": "base", "template": "1", "rootfs": "local:920/base-920-disk-0.raw,size=8G"})
    there = Observation(950, source=source, source_word="completed")
    small = planner.plan(
        wanted(config={"template": None, "clone_from_ctid": "920", "storage_size_gb": 4}), there, Record()
    )
    assert not small.steps
    assert "storage_size_gb: 4 is less than the 8G that rootfs of its source 920 has" in small.error
    assert "set it to 8, or clone from another" in small.error
    large = planner.plan(
        wanted(config={"template": None, "clone_from_ctid": "920", "storage_size_gb": 9}), there, Record()
    )
    assert "resize" in kinds(large)


def test_a_finished_templates_disk_in_a_file_does_not_grow():
    config = {"is_template": True, "storage_size_gb": 9}
    head = {"template": "1", "rootfs": "local:950/base-950-disk-0.raw,size=4G"}
    plan = planner.plan(wanted(config=config), seen(head, running=False), OURS)
    assert not plan.steps
    assert (
        "is a template, whose disks in files (local:950/base-950-disk-0.raw) PVE can't grow; put 4 back" in plan.error
    )
    dataset = planner.plan(wanted(config=config), seen({**head, "rootfs": "tank:base-950-disk-0,size=4G"}, False), OURS)
    assert "resize" in kinds(dataset)


@pytest.mark.parametrize(("added", "full"), [("tank:basevol-920-disk-1", 0), ("tank:subvol-920-disk-1", 1)])
def test_a_template_with_a_volume_of_later_is_copied(added, full):
    head = {
        "hostname": "base",
        "template": "1",
        "rootfs": "tank:basevol-920-disk-0,size=4G",
        "mp0": f"{added},mp=/data",
    }
    there = Observation(950, source=ConfFile(head=head), source_word="completed", storages={"tank": "zfspool"})
    plan = planner.plan(wanted(config={"template": None, "clone_from_ctid": "920"}), there, Record())
    assert next(call for call in calls(plan) if call[0].endswith("/clone"))[1]["full"] == full
