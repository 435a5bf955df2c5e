# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is applied inside containers of a token's node over SSH. A program of the test stands for ssh and the guests."""

from __future__ import annotations

import dataclasses
import json
import sys

import pytest
from fake_node import FEATURES, normal, pve_calls, wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote import notes
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api import api_survey
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api.guest_ssh import GuestSsh, SshWay
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.lease import LeaseLostError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import guest
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.access import ApiAccess
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.api_client import ApiClient

USER = "automation@pve"
TOKEN = f"{USER}!phoenix"
ROLES = {"/vms": "PVEVMAdmin", "/storage": "PVEDatastoreUser", "/sdn/zones/localnetwork": "PVESDNUser"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOurPublicKeyForGuests"
RUN = {"id": "run-1", "user": "me", "controller": "here", "pid": 1}
REAL = {name: getattr(guest, name) for name in ("look", "write_ledger", "renew_identity")}

# Answers as the SSH server of a guest by its address, and as ssh does where it is refused. Commands run here, with a
# folder in place of the product's own inside.
SSH = r"""
import json, os, pathlib, subprocess, sys, time
home, words = pathlib.Path(sys.argv[1]), sys.argv[2:]
settings = dict(words[at + 1].split('=', 1) for at, word in enumerate(words) if word == '-o')
address, command = words[-2:]
with open(home / 'calls', 'a') as file:
    file.write(address + '\n')
state = json.loads((home / 'guests.json').read_text()).get(address, {'refuses': 'Connection timed out'})
def fail(said):
    sys.exit(sys.stderr.write(f'ssh: {said}\r\n') and 255)
if state.get('refuses'):
    fail(state['refuses'])
if state.get('meets'):
    (home / f'{address}-came').touch()
    until = time.monotonic() + 20
    while time.monotonic() < until and not (home / f"{state['meets']}-came").exists():
        os.sched_yield()
known = pathlib.Path(settings['UserKnownHostsFile'])
line = f"{settings['HostKeyAlias']} {state['key']}"
names = [one for one in known.read_text().splitlines() if one.startswith(settings['HostKeyAlias'])]
if not names and settings['StrictHostKeyChecking'] == 'accept-new':
    known.write_text(known.read_text() + line + '\n')
elif line not in names:
    fail('Host key verification failed.')
inside = home / address
inside.mkdir(exist_ok=True)
command = command.replace('/var/lib/phoenix_hypervisor', str(inside))
if 'systemd-machine-id-setup' in command:
    state['key'] += 'Renewed'
    (home / 'guests.json').write_text(json.dumps({**json.loads((home / 'guests.json').read_text()), address: state}))
    sys.exit(0)
sys.exit(subprocess.run(['/bin/sh', '-c', command]).returncode)
"""


class Guests:
    """The SSH servers of all guests, by their addresses."""

    def __init__(self, folder):
        self.folder = folder
        self.place = folder / "guests.json"
        self.place.write_text("{}", encoding="utf-8")
        (folder / "ssh.py").write_text(SSH, encoding="utf-8")
        self.program = folder / "ssh"
        self.program.write_text(
            f'#!/bin/sh\nexec {sys.executable} -S {folder}/ssh.py {folder} "$@"\n', encoding="utf-8"
        )
        self.program.chmod(0o755)

    def set(self, address, key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostKey", **state):
        known = json.loads(self.place.read_text(encoding="utf-8"))
        self.place.write_text(json.dumps({**known, address: {"key": key, **state}}), encoding="utf-8")

    def ledger(self, address):
        path = self.folder / address / "ledger.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def holds(self, address, book):
        (self.folder / address).mkdir()
        (self.folder / address / "ledger.json").write_text(json.dumps(book), encoding="utf-8")

    def calls(self):
        path = self.folder / "calls"
        return path.read_text(encoding="utf-8").split() if path.exists() else []


@pytest.fixture(scope="module", params=[9])
def version(request):
    """One version is enough: what the versions answer differently is in test_token.py."""
    return request.param


@pytest.fixture
def token(node, monkeypatch):
    for name, function in REAL.items():
        monkeypatch.setattr(guest, name, function)
    node.pve.acl.clear()
    node.pve.add_token(TOKEN, "secret")
    for who in (USER, TOKEN):
        for path, role in ROLES.items():
            node.pve.grant_role(who, path, role)
    made = ApiClient(ApiAccess("pve", "127.0.0.1", USER, "phoenix", "secret", node.pve.port, node.fingerprint))
    yield made
    made.close()


@pytest.fixture
def guests(tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    made = Guests(folder)
    made.set("192.0.2.5")
    return made


class Site:
    """Runs by a token, each with a way of its own into the containers."""

    def __init__(self, token, guests, folder):
        self.token, self.guests, self.folder = token, guests, folder

    def way(self):
        return SshWay(GuestSsh(str(self.folder / "known"), "pve-1", program=str(self.guests.program)))

    def preview(self, one, **more):
        return api_survey.preview(self.token, "pve", item(one, enter=True, **more), self.way())

    def drive(self, one, run=None, **more):
        turns = str(self.folder / "turns")
        options = item(one, lock_wait=1.0, ready_timeout=0.3, **{"enter": True, **more})
        return api_survey.drive(self.token, "pve", options, run or RUN, (), turns, way=self.way())[0]

    def operate(self, run=None, **options):
        return api_survey.operate(self.token, "pve", {"ctid": 950, **options}, run or RUN, (), False, self.way())

    def apply(self, one, **more):
        """A whole run: the roles of its features do nothing here. Returns the journal and the last result."""
        result = self.drive(one, **more)
        assert result["error"] is None
        journal, due = list(result["journal"]), result["due_features"]
        for at, feature in enumerate(due):
            following = {"begin": due[at + 1]} if at + 1 < len(due) else {"release": True}
            result = self.drive(one, record=feature, enter=False, **following)
            journal += result["journal"]
        return journal, result


@pytest.fixture
def site(token, guests, tmp_path):
    return Site(token, guests, tmp_path)


def item(one, **more):
    features = [feature.to_json() for feature in one.features]
    return {"ctid": one.ctid, "config": dict(one.config), "features": features, "state": one.target, **more}


def inside(ctid=950, features=FEATURES, ip="192.0.2.5", **config):
    """A container with features, which gets the key at its creation."""
    net = {"name": "eth0", "bridge": "vmbr0", "ip": f"{ip}/24"}
    keys = {"ssh_public_keys": [KEY]} if "clone_from_ctid" not in config else {}
    one = wanted(ctid, features=features, network_config=net, memory_mb=512, **{**keys, **config})
    explained = {"files": "f" * 64, "variables": {f"name_{at}": "v" * 64 for at in range(30)}, "under": []}
    given = tuple(dataclasses.replace(feature, components=explained) for feature in one.features)
    return dataclasses.replace(one, features=given)


def kept(node, ctid=950):
    """What the description of a container holds for runs."""
    return notes.split(node.call("GET", f"/nodes/pve/lxc/{ctid}/config").get("description"))[1]


def test_features_are_applied_as_predicted_and_then_settled(node, site, guests):
    predicted = site.preview(inside())
    assert (predicted["error"], predicted["unknown"]) == (None, ["lease"])
    journal, last = site.apply(inside())
    assert (last["error"], last["state"]) == (None, "completed")
    assert normal(pve_calls(journal)) == normal(pve_calls(predicted["journal"]))
    assert sorted(entry["what"] for entry in journal) == sorted(entry["what"] for entry in predicted["journal"])
    book = guests.ledger("192.0.2.5")["features"]
    assert {name: entry["status"] for name, entry in book.items()} == {"one": "applied", "two": "applied"}
    record = kept(node)["record"]
    assert record["host_key"] == "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostKey"
    # A description has little room: why a feature is due stands in the ledger inside.
    assert record["ledger"]["features"] == {
        name: {"digest": digest, "status": "applied"} for name, digest in (("one", "d1"), ("two", "d2"))
    }
    assert "lease" not in kept(node)
    node.forget_requests()
    again = site.drive(inside())
    assert (again["changed"], again["journal"], again["due_features"]) == (False, [], [])
    assert node.mutations() == []
    seen = api_survey.survey(site.token, "pve", [item(inside())], acts=True, way=site.way())["containers"]["950"]
    assert (seen["due"], seen["unknown"], seen["features"]) == (False, [], ["one", "two"])


def test_a_stopped_container_is_planned_for_by_its_record(node, site, guests):
    site.apply(inside())
    node.call("POST", "/nodes/pve/lxc/950/status/stop")
    before = guests.calls()
    three = dataclasses.replace(FEATURES[0], name="three", digest="d3")
    seen = site.preview(inside(features=(*FEATURES, three)))
    assert [step["kind"] for step in seen["plan"]["steps"]][:2] == ["start", "feature"]
    assert [step["name"] for step in seen["plan"]["steps"] if step["kind"] == "feature"] == ["three"]
    assert guests.calls() == before
    _journal, last = site.apply(inside(features=(*FEATURES, three)))
    assert last["state"] == "completed"
    assert list(guests.ledger("192.0.2.5")["features"]) == ["one", "three", "two"]


def test_another_host_key_is_refused_before_anything_is_touched(node, site, guests):
    site.apply(inside(features=FEATURES[:1]))
    guests.set("192.0.2.5", key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAISomebodyElse")
    before = guests.ledger("192.0.2.5")
    node.forget_requests()
    with pytest.raises(NodeError, match="answers with another SSH host key than the one on record"):
        site.drive(inside())
    assert node.mutations() == []
    assert guests.ledger("192.0.2.5") == before
    seen = api_survey.survey(site.token, "pve", [item(inside())], way=site.way())["containers"]["950"]
    assert seen["unknown"] == ["ledger"]


def test_a_host_key_that_was_renewed_on_purpose_is_put_on_record(node, site, guests):
    site.apply(inside(features=FEATURES[:1]))
    new = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIRenewedByHand"
    guests.set("192.0.2.5", key=new)
    one = inside(features=FEATURES[:1])
    asked = item(one, new_host_key=True)
    assert api_survey.survey(site.token, "pve", [asked], True, way=site.way())["containers"]["950"]["due"] is True
    node.forget_requests()
    predicted = site.preview(one, new_host_key=True)
    assert node.mutations() == []
    result = site.drive(one, new_host_key=True)
    assert (result["changed"], result["journal"]) == (True, predicted["journal"])
    assert result["journal"] == [{"op": "node", "what": "record", "params": {"host_key": new}}]
    assert kept(node)["record"]["host_key"] == new
    assert "lease" not in kept(node)
    again = site.drive(one, new_host_key=True)
    assert (again["changed"], again["journal"]) == (False, [])


def test_a_recreated_container_is_known_by_its_new_key(node, site, guests):
    site.apply(inside())
    guests.set("192.0.2.5", key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINewContainer")
    (guests.folder / "192.0.2.5" / "ledger.json").unlink()
    predicted = site.preview(inside(), recreate=[950])
    assert (predicted["error"], predicted["unknown"]) == (None, [])
    journal, last = site.apply(inside(), recreate=[950])
    assert last["state"] == "completed"
    assert sorted(entry["what"] for entry in journal) == sorted(entry["what"] for entry in predicted["journal"])
    assert kept(node)["record"]["host_key"].endswith("NewContainer")


def test_a_container_that_lets_nobody_in_fails_in_time(node, site, guests):
    guests.set("192.0.2.5", refuses="Connection refused")
    with pytest.raises(NodeError, match=r"has no SSH server that answers .*Debian and Ubuntu have"):
        site.drive(inside())
    assert "lease" not in kept(node)
    node.forget_requests()
    guests.set("192.0.2.5", refuses="Permission denied (publickey).")
    with pytest.raises(NodeError, match=r"does not accept the key of guest_ssh .*authorized_keys") as caught:
        site.drive(inside())  # it runs by now
    assert "Reach the node over SSH" in str(caught.value)
    assert node.mutations() == []
    guests.set("192.0.2.5")
    assert site.apply(inside())[1]["state"] == "completed"


def test_a_container_without_the_key_is_refused_by_name(node, site):
    old = inside(features=(), ssh_public_keys=None)
    site.drive(old, release=True)
    node.call("POST", "/nodes/pve/lxc/950/status/stop")
    node.forget_requests()
    with pytest.raises(NodeError, match=r"created without the public key of guest_ssh.*phoenix_recreate_ctids"):
        site.drive(inside())
    assert node.mutations() == []


def test_a_clone_gets_host_keys_of_its_own_and_is_known_by_them(node, site, guests):
    assert site.apply(inside(is_template=True))[1]["state"] == "completed"
    guests.set("192.0.2.6")  # as its source
    copy = {"template": None, "storage_pool": None, "storage_size_gb": None, "clone_from_ctid": 950}
    three = dataclasses.replace(FEATURES[0], name="three", digest="d3")
    one = inside(951, name="copy", ip="192.0.2.6", features=(*FEATURES, three), **copy)
    guests.holds("192.0.2.6", guests.ledger("192.0.2.5"))
    predicted = site.preview(one)
    assert (predicted["error"], predicted["unknown"]) == (None, ["lease"])
    assert [feature["name"] for feature in predicted["due_features"]] == ["three"]
    journal, last = site.apply(one)
    assert (last["error"], last["state"]) == (None, "completed")
    assert sorted(entry["what"] for entry in journal) == sorted(entry["what"] for entry in predicted["journal"])
    assert kept(node, 951)["record"]["host_key"].endswith("HostKeyRenewed")
    node.forget_requests()
    assert site.drive(one)["journal"] == []
    assert node.mutations() == []


def test_work_inside_needs_the_lease_of_the_run(node, site):
    due = site.drive(inside())["due_features"]
    assert kept(node)["lease"]["id"] == "run-1"
    with pytest.raises(LeaseLostError, match="run-1"):
        site.operate({**RUN, "id": "run-2"}, operation="record", name="one", digest="d1")
    site.operate(operation="fail", name="one", error="its role failed")
    assert "lease" not in kept(node)
    with pytest.raises(LeaseLostError):
        site.operate(operation="record", name="one", digest="d1")
    assert [feature["name"] for feature in due] == ["one", "two"]
    resumed = site.drive(inside(), {**RUN, "id": "run-3"})
    assert "begun by run run-1" in resumed["due_features"][0]["reason"]


def test_an_answer_of_a_guest_is_bounded(node, site, guests):
    site.apply(inside(features=FEATURES[:1]))
    (guests.folder / "192.0.2.5" / "ledger.json").write_text("x" * 3_000_000, encoding="utf-8")
    seen = site.preview(inside(features=FEATURES[:1]))
    assert "longer than" in " ".join(seen["notes"])


def test_a_fleet_is_looked_into_side_by_side(site, guests):
    fleet = [inside(950, FEATURES[:1]), inside(951, FEATURES[:1], ip="192.0.2.6", name="other")]
    guests.set("192.0.2.6")
    site.apply(fleet[0])
    assert site.drive(fleet[1])["begun"] == "one"
    guests.set("192.0.2.5", meets="192.0.2.6")
    guests.set("192.0.2.6", meets="192.0.2.5")
    items = [item(one) for one in fleet]
    found = api_survey.survey(site.token, "pve", items, acts=True, way=site.way())["containers"]
    assert [(one["due"], one["features"]) for one in found.values()] == [(False, ["one"]), (True, [])]
