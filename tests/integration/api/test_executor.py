# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The executor against the control plane: its calls are the predicted ones, a cut at any call is resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import fake_node
import pytest
from fake_node import Cut, normal, pve_calls, wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.outcome import StepError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.past import creations
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.client import PveError
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.api_client import ApiClient

NET = {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}
FULL = {"memory_mb": 1024, "swap_mb": 0, "cores": 2, "network_config": NET, "start_at_boot": True, "boot_order": 3}
FULL = {**FULL, "boot_delay": 10, "pct_options": ["nesting=1"], "unprivileged": True}
DATA = {"name": "data", "pool": "local", "size_gb": 1, "mount_point": "/data"}


def own_calls(made):
    return [entry for entry in made if entry["op"] in ("pve", "conf")]


def predicted(outcome):
    return fake_node.predicted(outcome.first)


def test_check_predicts_exactly_what_the_control_plane_records(node):
    check = node.apply(wanted(**FULL), check=True)
    assert node.mutations() == []
    assert not (node.directory / "state").exists()
    assert not (node.directory / "log").exists()
    real = node.apply(wanted(**FULL))
    assert normal(node.mutations()) == normal(pve_calls(predicted(check)))
    assert real.last.state == "completed"


def test_a_settled_container_costs_no_call_at_all(node):
    node.apply(wanted(**FULL))
    node.forget_requests()
    again = node.apply(wanted(**FULL))
    assert again.journal == []
    assert again.first.steps == ()
    assert node.settled_calls() == []


@pytest.mark.parametrize(
    "change",
    [
        {"memory_mb": 2048},
        {"swap_mb": 256},
        {"cores": 4},
        {"name": "other"},
        {"start_at_boot": False},
        {"boot_order": 9},
        {"boot_delay": None},
        {"boot_order": None, "boot_delay": None},
        {"pct_options": ["nesting=0"]},
        {"pct_options": ["nesting=1", "keyctl=1"]},
        {"pct_options": ["nesting=1", "fuse=1"], "restart_policy": "if_needed"},
        {"pct_options": None},
        {"tags": ["llm", "GPU"]},
        {"pct_options": ["nesting=1", "tags=a;b"], "tags": ["c"]},
        {"network_config": {**NET, "bridge": "vmbr1"}},
        {"network_config": {**NET, "ip": "10.0.0.5/24", "gw": "10.0.0.1"}},
        {"network_config": None},
        {"mac_address": "BC:24:11:12:34:56"},
        {"memory_mb": None, "swap_mb": None, "cores": None},
        {"storage_size_gb": 6},
        {"volumes": [DATA]},
        {"lxc_options": ["lxc.cgroup2.devices.allow: c 10:200 rwm", "lxc.mount.entry=/dev/x dev/x none bind"]},
        {"lxc_options": ["lxc.apparmor.profile: unconfined"], "restart_policy": "if_needed"},
        {"lxc_options": ["lxc.apparmor.profile: unconfined"], "memory_mb": 2048, "storage_size_gb": 5},
        {"volumes": [DATA, {**DATA, "name": "more", "mount_point": "/more"}]},
        {"mount_points": [{"host_path": "/srv", "container_path": "/mnt/srv"}]},
        {"mount_points": [{"host_path": "/srv", "container_path": "/mnt/srv"}], "volumes": [DATA]},
    ],
    ids=str,
)
def test_each_change_is_made_once_and_then_settled(node, change):
    """After one apply a second plan is empty, whatever PVE made of the values."""
    node.apply(wanted(**FULL))
    node.forget_requests()
    after = wanted(**{**FULL, **change})
    check = node.apply(after, check=True)
    assert node.mutations() == []
    real = node.apply(after)
    made = node.mutations()
    assert real.journal == predicted(check)
    assert own_calls(real.journal)
    assert normal(made) == normal(pve_calls(predicted(check)))
    node.forget_requests()
    again = node.apply(after)
    assert node.mutations() == []
    assert again.first.steps == ()
    assert again.last.state == "completed"


class Cutting:
    """A client whose process dies at one call: before it is sent, or after it arrived and before its answer.

    Over the API a run looks with many calls, of which each is as good as the next write: only those count.
    """

    def __init__(self, connect, at, after):
        self._client = connect()
        self._left = at
        self._after = after

    def request(self, method, path, params=None):
        if method == "GET" and isinstance(self._client, ApiClient):
            return self._client.request(method, path, params)
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Cut
        answer = self._client.request(method, path, params)
        if self._left == 0:
            raise Cut
        return answer


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 12))
def test_a_cut_at_any_call_is_resumed(node, at, after):
    calm = node.apply(wanted(**FULL))
    undisturbed = node.conf(950)
    node.apply(wanted(target="absent"))
    node.books.clear()
    shutil.rmtree(node.directory / "state", ignore_errors=True)  # over the API runs keep none
    node.forget_requests()
    with contextlib.suppress(Cut):
        node.apply(wanted(**FULL), client=lambda: Cutting(node.connect, at, after))
    resumed = node.apply(wanted(**FULL))
    assert resumed.last.error is None
    assert resumed.last.state == calm.last.state == "completed"
    drawn = re.compile(r"hwaddr=\S+?,|PHOENIX_INSTANCE=\S+")
    assert drawn.sub("", node.conf(950)) == drawn.sub("", undisturbed)
    assert len([call for call in node.mutations() if call[:2] == ("POST", "/nodes/pve/lxc")]) == 1
    assert len(node.backend.volumes) == 1
    node.forget_requests()
    assert node.apply(wanted(**FULL)).journal == []
    assert node.mutations() == []


def test_a_volume_comes_grows_and_is_detached_never_deleted(node):
    node.apply(wanted(**FULL, volumes=[DATA]))
    assert "mp=/data,size=1G" in node.conf(950)
    node.apply(wanted(**FULL, volumes=[{**DATA, "size_gb": 3}]))
    assert "mp=/data,size=3G" in node.conf(950)
    node.apply(wanted(**FULL, restart_policy="if_needed"))
    assert "mp=/data" not in node.conf(950)
    assert "unused0: local:950/" in node.conf(950)
    node.forget_requests()
    assert node.apply(wanted(**FULL, restart_policy="if_needed")).journal == []
    assert node.mutations() == []


def test_a_creation_that_dies_half_way_is_cleaned_up_with_our_record_only(node):
    node.backend.failures[("create", 950, None)] = "archive is broken"
    with pytest.raises(
        StepError, match=r"create failed before there was a container: task failed: .*archive is broken"
    ):
        node.apply(wanted(**FULL))
    node.backend.failures.clear()
    assert node.apply(wanted(**FULL)).last.state == "completed"


def test_what_somebody_did_after_a_creation_of_ours_is_found(node):
    node.apply(wanted(**FULL))
    tasks = node.call("GET", "/nodes/pve/tasks", {"vmid": 950, "source": "all"})
    creation = next(task for task in tasks if task["type"] == "vzcreate")
    client = node.executor().client
    upid, begun = creation["upid"], f"{creation['starttime']:08X}"
    (found,) = creations.later(client, "pve", 950, upid.replace(begun, "60000000")).items()
    assert found[0] == 950
    assert "vzstart" in found[1] or "vzcreate" in found[1]
    assert creations.later(client, "pve", 950, upid.replace(begun, "F0000000")) == {}


def test_a_missing_template_shows_pves_words_the_call_and_the_log(node):
    with pytest.raises(StepError) as caught:
        node.apply(wanted(template="local:vztmpl/missing.tar.zst"))
    assert "volume 'local:vztmpl/missing.tar.zst' does not exist" in str(caught.value)
    assert "POST /nodes/pve/lxc" in str(caught.value)
    assert "task log:" in str(caught.value)
    assert node.store.load(950).word is None


def test_a_lock_of_somebody_else_is_told_when_it_stays(node):
    node.apply(wanted(**FULL))
    node.call("PUT", "/nodes/pve/lxc/950/config", {"lock": "backup"})
    outcome = node.apply(wanted(**FULL))
    assert outcome.journal == []
    assert "locked by PVE (backup)" in outcome.first.notes[0]
    text = (
        r"CT is locked \(backup\) - waited 1 s for a lock that no listed task of PVE holds \[PUT /nodes/pve/lxc/950/c"
    )
    with pytest.raises(NodeError, match=text):  # a step, or over the API its lease
        node.apply(wanted(**{**FULL, "memory_mb": 2048}))


def test_a_config_changed_between_looking_and_writing_is_looked_at_again(node):
    node.apply(wanted(**FULL))
    executor = node.executor()
    look, meddled = executor.look, []

    def meddling(want):
        found = look(want)
        if not meddled:
            meddled.append(True)
            node.call("PUT", "/nodes/pve/lxc/950/config", {"description": "by hand"})
        return found

    executor.look = meddling
    outcome = executor.run(wanted(**{**FULL, "memory_mb": 2048}))
    assert outcome.last.state == "completed"
    assert "memory: 2048" in node.conf(950)
    assert "#by hand" in node.conf(950)


def test_somebody_elses_container_is_never_touched(node):
    node.call("POST", "/nodes/pve/lxc", {"vmid": 950, "ostemplate": wanted().config["template"], "hostname": "theirs"})
    before, _gone = node.conf(950), node.forget_requests()
    for target in ("completed", "absent"):
        outcome = node.apply(wanted(target=target, **FULL))
        assert "theirs" in outcome.first.error
        assert "phoenix_adopt" in outcome.first.error
    assert node.mutations() == []
    assert node.conf(950) == before


def test_destroying_leaves_no_volume_and_no_memory(node):
    node.apply(wanted(**FULL))
    node.apply(wanted(target="absent"))
    assert node.conf(950) is None
    assert node.backend.volumes == {}
    assert node.store.known() == []
    node.forget_requests()
    assert node.apply(wanted(target="absent")).journal == []


@pytest.mark.parametrize("target", ["defined", "created", "configured", "running", "customizing", "completed"])
def test_every_target_state_is_reached_and_held(node, target):
    outcome = node.apply(wanted(target=target, **FULL))
    assert outcome.last.state == target
    assert node.store.load(950).word == (None if target == "defined" else target)
    node.forget_requests()
    assert node.apply(wanted(target=target, **FULL)).journal == []
    assert node.mutations() == []


def test_a_container_that_regressed_resumes_from_where_it_is(node):
    node.apply(wanted(**FULL))
    node.call("POST", "/nodes/pve/lxc/950/status/stop")
    assert [step.kind for step in node.apply(wanted(**FULL), check=True).first.steps] == ["start"]
    assert node.apply(wanted(**FULL)).last.state == "completed"
    node.call("DELETE", "/nodes/pve/lxc/950", {"force": 1})
    node.books.clear()
    assert node.apply(wanted(**FULL)).last.state == "completed"


def test_a_certificate_that_is_not_the_nodes_gets_no_ticket(node, monkeypatch):
    monkeypatch.setattr(local_client, "pinned_fingerprint", lambda: "0" * 64)
    with pytest.raises(local_client.UnavailableError, match="not this node's"):
        node.connect().request("GET", "/version")


def test_an_expired_ticket_is_minted_again(node):
    client = node.connect()
    client.request("GET", "/version")
    node.pve.tickets.clear()
    assert client.request("GET", "/version")["release"]


def test_the_audit_trail_has_every_transition(node):
    node.apply(wanted(**FULL))
    log = node.directory / "log"
    (name,) = os.listdir(log)
    text = (log / name).read_text(encoding="utf-8")
    for event in ("defined->created", "created->configured", "configured->running"):
        assert f"event={event} outcome=begin" in text
        assert f"event={event} outcome=ok" in text


def test_an_error_of_the_connection_is_no_traceback(node, monkeypatch):
    monkeypatch.setattr(local_client, "RETRIES", (0.0,))
    client = local_client.LocalClient(port=1)
    with pytest.raises(PveError, match="no answer from the control plane"):
        client.request("POST", "/nodes/pve/lxc", {"vmid": 950})


def test_raw_lines_go_to_the_head_section_and_only_ours_are_removed(node):
    node.apply(wanted(**FULL))
    path = node.conf_dir / "950.conf"
    path.write_text(path.read_text() + "lxc.environment: THEIRS=1\n")
    node.call("POST", "/nodes/pve/lxc/950/status/stop")
    node.apply(wanted(**FULL, lxc_options=["lxc.environment: OURS=1"]))
    text = node.conf(950)
    assert "lxc.environment: OURS=1" in text
    assert "lxc.environment: THEIRS=1" in text
    node.apply(wanted(**FULL))
    assert "OURS" not in node.conf(950)
    assert "lxc.environment: THEIRS=1" in node.conf(950)


def test_raw_lines_of_a_running_container_wait_and_are_told_until_its_restart(node):
    node.apply(wanted(**FULL))
    after = wanted(**FULL, lxc_options=["lxc.environment: OURS=1"])
    assert node.apply(after).last.waiting == ("lxc",)
    again = node.apply(after)
    assert (again.journal, again.first.waiting, again.first.state) == ([], ("lxc",), "completed")
    node.call("POST", "/nodes/pve/lxc/950/status/reboot")
    assert node.apply(after).first.waiting == ()


BASE = {"name": "base", "is_template": True, "memory_mb": 256, "network_config": NET, "unprivileged": True}
CLONE = {"template": None, "storage_pool": None, "storage_size_gb": None, "clone_from_ctid": 920, "memory_mb": 1024}
CLONE = {**CLONE, "network_config": {**NET, "ip": "10.0.0.9/24"}, "cores": 2}


def chain(node, **changes):
    """920, then 950 cloned from it, as the play does them."""
    base = wanted(920, **{**BASE, **changes})
    clone = wanted(950, **CLONE)
    return base, clone


def test_a_clone_that_stayed_stopped_is_predicted_with_what_its_source_had(node):
    base, clone = chain(node)
    clone = dataclasses.replace(clone, features=base.features)
    node.apply(base)
    node.apply(dataclasses.replace(clone, target="configured"))
    check = node.apply(clone, check=True)
    assert check.first.due_features == ()
    journal, outcome = node.drive(clone)
    assert outcome.last.state == "completed", outcome.last.error
    assert journal == predicted(check)


def test_a_chain_is_predicted_before_its_source_exists(node):
    base, clone = chain(node)
    first = node.apply(base, check=True)
    second = node.apply(dataclasses.replace(clone, source=base), check=True)
    assert second.first.error is None
    assert node.mutations() == []
    node.apply(base)
    real = node.apply(clone)
    assert normal(node.mutations()) == normal(pve_calls(predicted(first)) + pve_calls(predicted(second)))
    assert real.last.state == "completed"
    # What the source has applied is current in the clone from the start.
    assert real.first.due_features == ()
    node.forget_requests()
    assert node.apply(base).journal == []
    assert node.apply(clone).journal == []
    assert node.mutations() == []


def test_a_completed_template_is_never_started_again(node):
    base, _clone = chain(node)
    outcome = node.apply(base)
    assert outcome.last.state == "completed"
    assert "template: 1" in node.conf(920)
    assert 920 not in node.backend.running
    stale = dataclasses.replace(base, features=(Feature("one", "new"), Feature("two", "d2")))
    again = node.apply(stale)
    assert again.journal == []
    assert "stale: feature one" in again.first.notes[0]


def test_a_source_that_runs_on_storage_without_snapshots_is_refused_with_what_helps(node):
    base, clone = chain(node, is_template=None)
    node.apply(base)
    refused = node.apply(clone)
    assert refused.journal == []
    assert "pct shutdown 920" in refused.first.error
    assert "is_template" in refused.first.error


def test_a_source_with_a_bind_mount_is_refused(node):
    base, clone = chain(node, mount_points=[{"host_path": "/srv", "container_path": "/mnt/srv"}])
    node.apply(base)
    assert "bind mount mp0 (/srv)" in node.apply(clone).first.error


def test_a_source_that_is_not_complete_names_the_limit(node):
    base, clone = chain(node)
    node.apply(dataclasses.replace(base, target="running"))
    assert "--limit lineage_950" in node.apply(clone).first.error


def test_a_source_of_somebody_else_will_do(node):
    """The specification's example: 950 alone in the file, 920 on the node."""
    node.call("POST", "/nodes/pve/lxc", {"vmid": 920, "ostemplate": wanted().config["template"], "hostname": "theirs"})
    clone = chain(node)[1]
    assert "identity" in [step.kind for step in node.apply(clone, check=True).first.steps]
    assert node.apply(clone).last.state == "completed"


def test_a_clone_whose_source_is_nowhere_is_refused(node):
    refused = node.apply(chain(node)[1])
    assert "container 920 is not on node pve" in refused.first.error
    assert node.mutations() == []


def test_twenty_clones_of_one_source_take_turns_at_its_lock(node):
    base, clone = chain(node)
    node.apply(base)
    node.backend.running.clear()
    # Created only: what is tested is the lock, and the threads share nothing but the control plane.
    clones = [dataclasses.replace(clone, ctid=ctid, target="created", features=()) for ctid in range(1000, 1020)]
    with ThreadPoolExecutor(max_workers=20) as pool:
        outcomes = list(pool.map(node.apply, clones))
    assert [outcome.last.error for outcome in outcomes] == [None] * 20
    assert {outcome.last.state for outcome in outcomes} == {"created"}
    assert len(list(node.conf_dir.glob("10*.conf"))) == 20
    clones = [path for method, path, _params in node.mutations() if method == "POST" and path.endswith("/clone")]
    assert len(clones) == 20  # none was made only to be refused


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_cut_clone_is_resumed(node, at, after):
    base, clone = chain(node)
    clone = clone if node.renews else dataclasses.replace(clone, target="configured")
    node.apply(base)
    node.forget_requests()
    with contextlib.suppress(Cut):
        node.apply(clone, client=lambda: Cutting(node.connect, at, after))
    assert node.apply(clone).last.state == clone.target
    assert len([call for call in node.mutations() if call[1].endswith("/clone")]) == 1
    assert len(node.backend.volumes) == 2
    node.forget_requests()
    assert node.apply(clone).journal == []
    assert "lock:" not in node.conf(920) + node.conf(950)


@pytest.mark.parametrize("started", [False, True])
def test_an_adopted_container_is_assumed_complete_or_done_again(node, started):
    node.call("POST", "/nodes/pve/lxc", {"vmid": 950, "ostemplate": wanted().config["template"], "hostname": "web"})
    if started:
        node.call("POST", "/nodes/pve/lxc/950/status/start")
    want = wanted(network_config=NET)
    assumed = node.apply(dataclasses.replace(want, adopt="record"))
    assert assumed.last.state == "completed"
    assert sorted(node.books[950]["features"]) == ["one", "two"]
    # It is ours from now on, with or without the word.
    assert node.apply(want).journal == []
    again = node.apply(dataclasses.replace(want, adopt="reapply"))
    assert again.journal == []


def test_reapply_runs_the_features(node):
    node.call("POST", "/nodes/pve/lxc", {"vmid": 950, "ostemplate": wanted().config["template"], "hostname": "web"})
    plan = node.apply(dataclasses.replace(wanted(network_config=NET), adopt="reapply"), check=True).first
    assert [item["name"] for item in plan.due_features] == ["one", "two"]


def test_an_intent_without_its_worker_makes_nothing_ours(node):
    """A run was killed before its call was sent; then another user made a container of that CTID."""
    with contextlib.suppress(Cut):
        node.apply(wanted(**FULL), client=lambda: Cutting(node.connect, 1, False))
    node.pve.tasklog.clear()
    node.call("POST", "/nodes/pve/lxc", {"vmid": 950, "ostemplate": wanted().config["template"], "hostname": "theirs"})
    node.pve.tasklog.clear()
    node.forget_requests()
    assert "phoenix_adopt" in node.apply(wanted(**FULL)).first.error
    assert node.mutations() == []


def test_a_clone_that_ended_after_its_run_was_killed_still_gets_an_identity(node):
    base, clone = chain(node)
    node.apply(base)
    with contextlib.suppress(Cut):
        node.apply(clone, client=lambda: Cutting(node.connect, 2, True))  # the first one looks at the task list
    node.run(node.pve.settled())
    assert [step.kind for step in node.apply(clone, check=True).first.steps][:1] == ["adopt"]
    assert "identity" in [step.kind for step in node.apply(clone, check=True).first.steps]


def test_the_worker_of_a_killed_clone_is_not_mistaken_for_another_clones(node):
    base, clone = chain(node)
    node.apply(base)
    with contextlib.suppress(Cut):
        node.apply(clone, client=lambda: Cutting(node.connect, 2, True))  # the first one looks at the task list
    node.run(node.pve.settled())
    ours = [task["upid"] for task in node.pve.tasklog if task["type"] == "vzclone"]
    node.call("POST", f"/nodes/pve/lxc/{base.ctid}/clone", {"newid": 977, "full": 1})
    node.run(node.pve.settled())
    recall = node.executor()._recall
    recall.creation(clone, check=True)
    assert recall.found == {clone.ctid: ours[0]}
