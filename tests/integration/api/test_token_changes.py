# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes of containers by an API token: what is kept in their descriptions, and what is refused beforehand."""

from __future__ import annotations

import contextlib
import itertools
import json

import pytest
from fake_node import FEATURES, normal, pve_calls, wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote import notes
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.errors import KnownError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api import api_survey, notes_store
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api.notes_store import NotesStore
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.lease import (
    LeaseHeldError,
    LeaseLostError,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.past import recall
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.access import ApiAccess
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.api_client import ApiClient

USER = "automation@pve"
TOKEN = f"{USER}!phoenix"
ROLES = {"/vms": "PVEVMAdmin", "/storage": "PVEDatastoreUser", "/sdn/zones/localnetwork": "PVESDNUser"}
NET = {"name": "eth0", "bridge": "vmbr0", "ip": "192.0.2.5/24"}
RUN = {"id": "run-1", "user": "me", "controller": "here", "pid": 1}


@pytest.fixture
def token(node):
    """A token that may create and change containers."""
    node.pve.acl.clear()
    node.pve.add_token(TOKEN, "secret")
    for who in (USER, TOKEN):
        for path, role in ROLES.items():
            node.pve.grant_role(who, path, role)
    access = ApiAccess("pve", "127.0.0.1", USER, "phoenix", "secret", node.pve.port, node.fingerprint)
    made = ApiClient(access)
    yield made
    made.close()


def item(one, **more):
    return {
        "ctid": one.ctid,
        "config": dict(one.config),
        "features": [feature.to_json() for feature in one.features],
        "state": one.target,
        **more,
    }


@pytest.fixture
def drive(node, token, tmp_path):
    """A real run for one container."""

    def driven(one, run=None, dead=(), **more):
        options = item(one, lock_wait=1.0, ready_timeout=0.2, **more)
        result, _warnings = api_survey.drive(token, "pve", options, run or RUN, dead, str(tmp_path / "turns"))
        return result

    return driven


def plain(**config):
    """A container without anything inside."""
    return wanted(features=(), network_config=NET, memory_mb=512, **config)


def kept(node, ctid=950):
    """What the description of a container holds for runs."""
    config = node.call("GET", f"/nodes/pve/lxc/{ctid}/config")
    return notes.split(config.get("description"))


def test_a_container_is_created_as_predicted_and_then_settled(node, token, drive):
    one = plain(description="for people")
    predicted = api_survey.preview(token, "pve", item(one))
    node.forget_requests()
    result = drive(one)
    assert result["error"] is None
    assert (result["state"], result["running"]) == ("completed", True)
    assert normal(pve_calls(result["journal"])) == normal(pve_calls(predicted["journal"]))
    assert [entry["op"] for entry in result["journal"]] == [entry["op"] for entry in predicted["journal"]]
    text, data = kept(node)
    assert text.strip() == "for people"
    assert data["word"] == "completed"
    assert data["record"]["ours"] is True
    assert "lease" not in data
    node.forget_requests()
    again = drive(one)
    assert (again["changed"], again["journal"]) == (False, [])
    assert node.mutations() == []
    seen = api_survey.survey(token, "pve", [item(one)], acts=True)["containers"]["950"]
    assert (seen["due"], seen["ours"], seen["unknown"]) == (False, True, [])


def test_a_change_and_an_undone_key(node, drive, monkeypatch):
    drive(plain(cores=2, description="one"))
    beats = itertools.count(1)

    def beat(self, ctid):
        self._change(ctid, lambda data: {**data, "beat": next(beats)})

    # A sign of life before each call: what a run keeps in the description never makes its own plan stale.
    monkeypatch.setattr(NotesStore, "check", beat)
    node.forget_requests()
    result = drive(plain(description="two"))
    assert result["error"] is None
    assert next(beats) > 1
    assert [call for call in node.pve.asked if call[0] == "PUT" and call[3] != 200] == []
    head = node.call("GET", "/nodes/pve/lxc/950/config")
    assert "cores" not in head
    assert kept(node)[0].strip() == "two"
    drive(plain())
    text, data = kept(node)
    assert text.strip() == ""
    assert data["record"]["ours"] is True


def test_what_another_user_wrote_meanwhile_is_never_overwritten(node, token, drive, monkeypatch):
    drive(plain())
    request, done = ApiClient.request, []

    def meddle(self, method, path, params=None):
        if method == "PUT" and "memory" in (params or {}) and not done:
            done.append(node.call("PUT", "/nodes/pve/lxc/950/config", {"cores": 1}))
        return request(self, method, path, params)

    monkeypatch.setattr(ApiClient, "request", meddle)
    changed = wanted(features=(), network_config=NET, memory_mb=768)
    assert drive(changed)["error"] is None
    head = node.call("GET", "/nodes/pve/lxc/950/config")
    assert (head["memory"], head["cores"]) == (768, 1)
    stale = [call for call in node.pve.asked if call[0] == "PUT" and call[3] == 500]
    assert stale


def test_a_container_made_over_ssh_is_left_to_ssh(node, drive):
    node.apply(plain())
    node.forget_requests()
    with pytest.raises(NodeError, match="it was made over SSH, or is a copy"):
        drive(plain(cores=2))
    assert node.mutations() == []


def test_a_foreign_container_is_refused_until_it_is_adopted(node, drive):
    node.call("POST", "/nodes/pve/lxc", {"vmid": 950, "ostemplate": plain().config["template"], "hostname": "theirs"})
    node.forget_requests()
    assert "phoenix_adopt" in drive(plain())["error"]
    assert node.mutations() == []
    assert drive(plain(), adopt="record")["error"] is None
    assert kept(node)[1]["record"]["ours"] is True


def test_a_copy_of_ours_is_foreign(node, drive):
    drive(plain())
    node.call("POST", "/nodes/pve/lxc/950/status/stop")
    node.call("POST", "/nodes/pve/lxc/950/clone", {"newid": 951, "full": 1})
    assert kept(node, 951)[1]["ctid"] == 950
    with pytest.raises(NodeError, match="it was made over SSH, or is a copy"):
        drive(wanted(951, features=()))


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (wanted(features=FEATURES), "features one, two would be applied inside it"),
        (wanted(features=(), devices=[{"path": "/dev/net/tun"}]), "devices of the node"),
        (wanted(features=(), lxc_options=["lxc.cap.drop = sys_time"]), "raw lines of its config"),
    ],
)
def test_what_a_token_can_not_do_is_refused_before_anything_is_touched(node, drive, one, words):
    with pytest.raises(NodeError, match=words) as caught:
        drive(one)
    assert "Reach the node over SSH" in str(caught.value)
    assert node.mutations() == []


def test_a_guard_is_refused_before_anything_is_touched(node, drive):
    drive(plain())
    node.forget_requests()
    with pytest.raises(NodeError, match="its guard could not roll back a change that fails"):
        drive(plain(guard="rollback", cores=2))
    assert node.mutations() == []


def test_features_wait_for_ssh_when_the_target_state_says_so(drive):
    assert drive(wanted(target="running"))["state"] == "running"


def test_a_clone_stops_before_it_would_need_an_identity(node, drive):
    assert drive(plain(is_template=True))["state"] == "completed"
    copy = {"template": None, "storage_pool": None, "storage_size_gb": None, "clone_from_ctid": 950}
    node.forget_requests()
    with pytest.raises(NodeError, match="the host keys and the machine-id of a copy"):
        drive(wanted(951, name="copy", features=(), **copy))
    assert node.mutations() == []
    result = drive(wanted(951, name="copy", target="configured", features=(), **copy))
    assert (result["error"], result["state"]) == (None, "configured")
    data = kept(node, 951)[1]
    assert (data["ctid"], data["record"]["identity"]) == (951, "due")
    assert data["record"]["instance"]["id"] != kept(node)[1]["record"]["instance"]["id"]


def test_a_container_is_destroyed(node, drive):
    drive(plain())
    result = drive(wanted(target="absent", features=()), confirm=[950])
    assert result["error"] is None
    assert node.conf(950) is None


def test_one_run_at_a_time(node, token, drive):
    drive(plain())
    first = NotesStore(token, "pve", RUN, clock=lambda: 1000.0)
    first.acquire(950, ())
    other = {**RUN, "id": "run-2"}
    with pytest.raises(LeaseHeldError, match="run-1 of me on here"):
        NotesStore(token, "pve", other, clock=lambda: 1010.0).acquire(950, ())
    late = 1000.0 + notes_store.STALE_AFTER + 1
    NotesStore(token, "pve", other, clock=lambda: late).acquire(950, ())
    with pytest.raises(LeaseLostError, match="run-2"):
        first.write_word(950, "created")
    first.release(950)
    assert kept(node)[1]["lease"]["id"] == "run-2"


@pytest.mark.parametrize(
    "lease",
    ["x", [], {"id": "run-0"}, {"id": "run-0", "beat": "soon"}, {"id": "run-0", "beat": 4e9}, {"id": 1, "beat": 1}],
)
def test_a_damaged_lease_or_one_of_a_wrong_clock_stops_nobody(node, drive, lease):
    drive(plain())
    text, data = kept(node)
    node.call("PUT", "/nodes/pve/lxc/950/config", {"description": notes.join(text, {**data, "lease": lease})})
    assert drive(plain(cores=2))["error"] is None
    assert "lease" not in kept(node)[1]


def test_text_that_somebody_writes_below_the_record_leaves_the_container_ours(node, drive):
    drive(plain())
    config = node.call("GET", "/nodes/pve/lxc/950/config")
    text = config["description"] + "\nasked for by Kim\r\n"
    node.call("PUT", "/nodes/pve/lxc/950/config", {"description": text})
    assert drive(plain(cores=2))["error"] is None
    text, data = kept(node)
    assert "asked for by Kim" in text
    assert data["record"]["ours"] is True


def test_a_dead_run_of_this_controller_is_displaced_at_once(node, token, drive):
    drive(plain())
    NotesStore(token, "pve", {**RUN, "id": "run-0"}).acquire(950, ())
    with pytest.raises(LeaseHeldError):
        drive(plain(cores=2))
    assert drive(plain(cores=2), dead=["run-0"])["error"] is None


def test_the_lease_of_an_interrupted_run_goes_although_nothing_is_left_to_do(node, token, drive):
    drive(plain())
    NotesStore(token, "pve", {**RUN, "id": "run-0"}).acquire(950, ())
    assert drive(plain())["journal"] == []
    assert kept(node)[1]["lease"]["id"] == "run-0"
    assert drive(plain(), dead=["run-0"])["journal"] == []
    assert "lease" not in kept(node)[1]


def test_an_adoption_is_predicted(node, token, drive):
    node.call("POST", "/nodes/pve/lxc", {"vmid": 950, "ostemplate": plain().config["template"], "hostname": "theirs"})
    predicted = api_survey.preview(token, "pve", item(plain(), adopt="record"))["journal"]
    made = drive(plain(), adopt="record")["journal"]
    assert [(entry["op"], entry["what"]) for entry in made] == [(entry["op"], entry["what"]) for entry in predicted]


def test_the_workers_of_a_dead_run_are_awaited(node, token, drive, monkeypatch):
    """What it left running on the container ends before the next run looks and writes."""
    drive(plain())
    NotesStore(token, "pve", {**RUN, "id": "run-0"}).acquire(950, ())
    asked = []
    await_workers = recall.Recall.await_workers
    monkeypatch.setattr(recall.Recall, "await_workers", lambda self, ctid: asked.append(await_workers(self, ctid)))
    assert drive(plain(cores=2), dead=["run-0"])["error"] is None
    assert len(asked) == 1
    assert drive(plain(cores=3))["error"] is None
    assert len(asked) == 1


def test_a_lease_that_can_not_be_given_back_is_a_warning(node, token, tmp_path, monkeypatch):
    release = NotesStore.release

    def locked(self, ctid, *rest):
        node.call("PUT", f"/nodes/pve/lxc/{ctid}/config", {"lock": "backup"})
        release(self, ctid, *rest)

    monkeypatch.setattr(NotesStore, "release", locked)
    options = item(plain(), lock_wait=0.1, ready_timeout=0.2)
    result, warnings = api_survey.drive(token, "pve", options, RUN, (), str(tmp_path / "turns"))
    assert (result["error"], result["state"]) == (None, "completed")
    assert "its lease stays in the description until the next run" in warnings[-1]


def test_two_writes_of_one_description_do_not_lose_each_other(node, token, drive, monkeypatch):
    drive(plain())
    mine, theirs = NotesStore(token, "pve", RUN), NotesStore(token, "pve", RUN)
    held, done = NotesStore.held, []

    def between(self, ctid):
        found = held(self, ctid)
        if self is mine and not done:
            done.append(theirs.update_record(ctid, raw_boot="theirs"))
        return found

    monkeypatch.setattr(NotesStore, "held", between)
    mine.write_word(950, "created")
    data = kept(node)[1]
    assert (data["word"], data["record"]["raw_boot"]) == ("created", "theirs")


@pytest.mark.parametrize("is_running", [False, True], ids=["ended", "running"])
def test_a_creation_whose_run_was_killed_is_continued(node, token, drive, monkeypatch, is_running):
    """Also while its worker runs, when the config has nothing but its lock."""

    class Killed(BaseException):
        pass

    request = ApiClient.request

    def die(self, method, path, params=None):
        answer = request(self, method, path, params)
        if method == "POST" and path == "/nodes/pve/lxc":
            raise Killed
        return answer

    monkeypatch.setattr(ApiClient, "request", die)
    monkeypatch.setattr(node.pve, "time_scale", 0.3)
    monkeypatch.setitem(node.pve.ct_secs, "create", 3)
    with pytest.raises(Killed):
        drive(plain())
    monkeypatch.setattr(ApiClient, "request", request)
    if not is_running:
        node.run(node.pve.settled())
        assert kept(node)[1]["record"]["creating"]
    node.forget_requests()
    result = drive(plain(), {**RUN, "id": "run-2"}, dead=["run-1"])
    assert (result["error"], result["state"]) == (None, "completed")
    assert [call for call in node.mutations() if call[1] == "/nodes/pve/lxc"] == []


def test_a_secret_is_in_no_description(node, drive):
    drive(plain())
    assert "secret" not in json.dumps(kept(node))


VOLUME = {"name": "data", "pool": "local", "size_gb": 2, "mount_point": "/data"}
RULES = {"enabled": True, "rules": [{"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "22"}]}
CHANGES = (
    {"tags": ["b", "a"], "start_at_boot": True, "boot_order": 2, "boot_delay": 5},
    {"memory_mb": 1024, "swap_mb": 256, "cores": 3},
    {"storage_size_gb": 6, "volumes": [VOLUME]},
    {"volumes": [{**VOLUME, "size_gb": 3}], "description": "notes\nof two lines"},
    {"network_config": {**NET, "ip": "192.0.2.6/24"}, "firewall": RULES},
    {"pct_options": ["nesting=1"], "nameservers": ["192.0.2.53"]},
    {},
)


def test_each_change_is_made_as_predicted_and_undone_with_its_key(node, token, drive):
    """The state machine over the API: a second plan is empty, and the journal is the preview."""
    base = {"network_config": NET, "memory_mb": 512, "storage_size_gb": 6}
    drive(wanted(features=(), **{**base, "storage_size_gb": 4}))
    for change in CHANGES:
        one = wanted(features=(), **{**base, **change})
        predicted = api_survey.preview(token, "pve", item(one))
        assert predicted["error"] is None, change
        result = drive(one)
        assert result["error"] is None, change
        assert [entry["op"] for entry in result["journal"]] == [entry["op"] for entry in predicted["journal"]]
        assert normal(pve_calls(result["journal"])) == normal(pve_calls(predicted["journal"]))
        again = api_survey.preview(token, "pve", item(one))
        assert (again["journal"], again["changed"]) == ([], False), change
    assert kept(node)[1]["word"] == "completed"


RECORD_KEY = b"a key that nobody can guess"


def forge(node, **record):
    """Write another record into the description, as a user with VM.Config.Options can."""
    text, data = kept(node)
    known = {**data.get("record", {}), **record}
    line = f"<!-- phoenix_hypervisor {json.dumps({**data, 'record': known})} -->"
    node.call("PUT", "/nodes/pve/lxc/950/config", {"description": f"{text}\n{line}"})


@pytest.mark.parametrize(
    "record",
    [
        {"applied": {"firewall": True, "lxc": [None], "mp0": {"mp": []}}},
        {"applied": {"lxc": "text", "ha": -1, "pool": [["a"]]}},
        {"instance": {"id": ["x"], "macs": True}},
        {"host_key": "\ud800"},
        {"creating": {"at": "soon"}, "recreating": {"stage": [], "run": {}}},
        {"guarding": {"stage": "proved", "means": "backup", "backup": {"storage": "../lxc/101"}, "at": "x"}},
    ],
)
def test_a_forged_record_of_another_form_is_no_fault_of_the_run(node, token, drive, record):
    drive(plain())
    forge(node, **record)
    one = plain(cores=2)
    (seen,) = api_survey.survey(token, "pve", [item(one)], explains=True)["containers"].values()
    assert "Error" not in str(seen.get("fault") or "")
    node.forget_requests()
    with contextlib.suppress(NodeError):  # one that names another container is foreign
        drive(one)
    assert {call[1] for call in node.mutations()} <= {"/nodes/pve/lxc/950/config"}


@pytest.fixture
def sealing(token):
    """The runs have a key that seals what they keep in descriptions."""
    token.record_key = RECORD_KEY


@pytest.mark.usefixtures("sealing")
def test_a_sealed_record_is_ours_through_changes_and_a_destruction(node, token, drive):
    assert drive(plain(description="for people"))["error"] is None
    assert notes.SEAL in kept(node)[1]
    again = drive(plain(description="for people"))
    assert (again["changed"], again["journal"]) == (False, [])
    assert drive(plain(cores=2))["error"] is None
    token.record_key = b""
    node.forget_requests()
    with pytest.raises(KnownError, match="no record_key"):
        drive(plain(cores=3))
    assert node.mutations() == []
    token.record_key = RECORD_KEY
    assert drive(wanted(target="absent", features=()), confirm=[950])["error"] is None
    assert node.conf(950) is None


@pytest.mark.usefixtures("sealing")
def test_a_record_that_somebody_forged_is_refused_until_it_is_adopted(node, token, drive):
    """Its keys would undo what others set, and its host key would lead a run elsewhere."""
    drive(plain())
    node.call("PUT", "/nodes/pve/lxc/950/config", {"cores": 1})
    forge(node, applied={"cores": "1"}, host_key="ssh-ed25519 AAAAtheirs")
    (seen,) = api_survey.survey(token, "pve", [item(plain())])["containers"].values()
    assert "record" in seen["unknown"]
    node.forget_requests()
    for one, more in ((plain(), {}), (wanted(target="absent", features=()), {"confirm": [950]})):
        with pytest.raises(NodeError, match="is not sealed with record_key"):
            drive(one, **more)
    assert node.mutations() == []
    assert drive(plain(), adopt="record")["error"] is None
    record = kept(node)[1]["record"]
    assert (record["ours"], record.get("host_key")) == (True, None)
    assert node.call("GET", "/nodes/pve/lxc/950/config")["cores"] == 1
    assert drive(plain(description="more"))["error"] is None


def test_a_forged_record_without_a_key_undoes_what_others_set(node, drive):
    """Why there is a key: docs/trust.md names what a user who may edit a container can do without one."""
    drive(plain())
    node.call("PUT", "/nodes/pve/lxc/950/config", {"cores": 1})
    forge(node, applied={**kept(node)[1]["record"]["applied"], "cores": "1"})
    assert drive(plain())["error"] is None
    assert "cores" not in node.call("GET", "/nodes/pve/lxc/950/config")
