# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node by an API token, through proxmoxer: what a token that may only audit sees, and what PVE refuses."""

from __future__ import annotations

import pytest
import requests
from fake_node import wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Record
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import by_api, judgement
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api import api_import, api_survey
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api.api_gatherer import ApiGatherer
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.api.api_observer import ApiObserver
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import collected
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf import imported
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf.observe import (
    Observer,
    read_conf,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.client import LostAnswerError, PveError
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote import api_client
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.access import ApiAccess
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.api_client import ApiClient

USER = "automation@pve"
TOKEN = f"{USER}!phoenix"
NET = {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}


@pytest.fixture
def audit(node):
    """A token with VM.Audit and Datastore.Audit, and a client that has it."""
    node.pve.acl.clear()
    node.pve.add_token(TOKEN, "secret")
    node.pve.denial_delay = 0.0
    for who in (USER, TOKEN):
        node.pve.grant(who, "/vms", "VM.Audit")
        node.pve.grant(who, "/storage", "Datastore.Audit")
    made = client(node)
    yield made
    made.close()


def client(node, secret="secret", fingerprint=None):
    return ApiClient(
        ApiAccess(
            "pve", "127.0.0.1", USER, "phoenix", secret, node.pve.port,
            node.fingerprint if fingerprint is None else fingerprint,
        )
    )  # fmt: skip  # one line of what a node is reached by


def item(one):
    """A container as the action plugin hands it over."""
    return {
        "ctid": one.ctid,
        "config": dict(one.config),
        "features": [feature.to_json() for feature in one.features],
        "state": one.target,
    }


def kinds(described):
    return [step["kind"] for step in described["plan"]["steps"]]


def test_an_audit_token_previews_a_creation_with_reads_alone(node, audit):
    one = wanted(network_config=NET, memory_mb=512)
    expected = node.check(one).first
    node.forget_requests()
    answer = api_survey.survey(audit, "pve", [item(one)], False)
    described = answer["containers"]["950"]
    assert {method for method, _path, _params, _status in node.pve.asked} == {"GET"}
    assert kinds(described) == [step.kind for step in expected.steps]
    assert described["state"] == "defined"
    assert described["unknown"] == ["lease"]


def test_a_settled_container_has_no_steps_and_its_unknown_parts_are_named(node, audit):
    one = wanted(network_config=NET, memory_mb=512, tags=["web"], description="two\nlines: 100 %")
    node.apply(one)
    node.forget_requests()
    described = api_survey.survey(audit, "pve", [item(one)], False)["containers"]["950"]
    assert {method for method, _path, _params, _status in node.pve.asked} == {"GET"}
    assert described["plan"]["steps"] == []
    assert described["plan"]["error"] is None
    assert described["state"] == "running"
    assert described["unknown"] == ["record", "ledger", "lease"]
    assert any("features one, two" in note for note in described["plan"]["notes"])


def test_a_change_is_planned_as_on_the_node(node, audit):
    one = wanted(network_config=NET, memory_mb=512)
    node.apply(one)
    changed = wanted(network_config=NET, memory_mb=768, cores=2)
    on_node = [entry for step in node.check(changed).first.steps for entry in step.entries if entry.op == "pve"]
    answer = api_survey.preview(audit, "pve", item(changed))
    assert [entry["what"] for entry in answer["journal"]] == [entry.what for entry in on_node]
    assert [entry["params"] for entry in answer["journal"]] == [dict(entry.params) for entry in on_node]
    assert answer["changed"]


@pytest.mark.parametrize("running", [False, True])
def test_config_by_the_api_is_that_of_the_file(node, audit, running):
    text = (
        "#a note%3A 100%25\n#\n#second\narch: amd64\ncores: 2\nhostname: web\nmemory: 512\n"
        "net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth\n"
        "rootfs: local:950/vm-950-disk-0.raw,size=4G\n"
        "swap: 512\ntags: a;b\nlxc.environment: PHOENIX_INSTANCE=abc\nlxc.cap.drop: sys_admin\n\n"
        "[pve:pending]\ndelete: nameserver\nsearchdomain: example.org\n\n"
        "[before]\ncores: 1\nmemory: 256\nrootfs: local:950/vm-950-disk-0.raw,size=4G\nsnaptime: 1\n"
    )
    node.place(950, text, running)
    seen = ApiObserver(audit, "pve").observe(950, None, Record())
    conf, digest = read_conf("pve", 950, str(node.pve_dir))
    assert seen.conf.head == conf.head
    assert seen.conf.raw == conf.raw
    assert seen.conf.markers == conf.markers
    assert seen.conf.pending == conf.pending
    assert seen.conf.snapshots.keys() == conf.snapshots.keys()
    assert seen.digest == digest
    assert seen.running is running


def test_a_wrong_fingerprint_is_an_error_and_nothing_is_asked(node, audit):
    node.forget_requests()
    with pytest.raises(NodeError, match="certificate that the fingerprint in the inventory source does not verify"):
        client(node, fingerprint="00" * 32).request("GET", "/version")
    with pytest.raises(NodeError, match="certificate that the authorities of this system does not verify"):
        client(node, fingerprint="").request("GET", "/version")
    assert node.pve.asked == []


def test_an_expired_token_is_refused_in_pves_words(node, audit):
    with pytest.raises(PveError, match=r"Authentication failed!.*automation@pve!phoenix") as caught:
        client(node, secret="other").request("GET", "/version")
    assert "other" not in str(caught.value)
    assert caught.value.status == 401


def test_a_missing_privilege_is_a_fault_of_its_container_in_pves_words(node, audit):
    node.pve.acl.clear()
    for who in (USER, TOKEN):
        node.pve.grant(who, "/vms/950", "VM.Audit")
    answer = api_survey.survey(audit, "pve", [item(wanted()), item(wanted(951))], False)["containers"]
    assert answer["950"]["plan"]["error"] is None
    assert "Permission check failed (/vms/951, VM.Audit)" in answer["951"]["error"]


def test_the_logs_that_the_api_has(node, audit):
    """A token without Sys.Audit sees the tasks of its own; the rest is named."""
    node.apply(wanted(network_config=NET, memory_mb=512, features=()))
    node.forget_requests()
    found = collected.collect_by_api(950, "pve", audit)
    assert {method for method, _path, _params, _status in node.pve.asked} == {"GET"}
    assert [note.partition(":")[0] for note in found["notes"]] == ["audit trail of the node", "application log"]
    for who in (USER, TOKEN):
        node.pve.grant(who, "/nodes", "Sys.Audit")
    assert " vzcreate by root@pam: OK " in collected.collect_by_api(950, "pve", audit)["tasks"]


TEXT = (
    "arch: amd64\ncores: 2\nfeatures: nesting=1\nhostname: web\nmemory: 512\nonboot: 1\nostype: debian\n"
    "mp0: local:950/vm-950-disk-1.raw,mp=/data,size=2G\nmp1: /srv,mp=/mnt/srv\n"
    "net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth\nstartup: order=3\n"
    "rootfs: local:950/vm-950-disk-0.raw,size=4G\nswap: 256\ntags: a;b\nunprivileged: 1\n"
    "lxc.cap.drop: sys_time\n"
)


def test_an_import_by_the_api_is_that_of_the_files(node, audit):
    node.place(950, TEXT, True)
    node.place(951, "arch: amd64\nhostname: db\nmemory: 256\nrootfs: local:951/vm-951-disk-0.raw,size=4G\n")
    answer = api_import.survey(audit, "pve", None)
    assert {method for method, _path, _params, _status in node.pve.asked} == {"GET"}
    observer = Observer(str(node.pve_dir), look_inside=False, running=lambda: set(node.backend.running))
    version = audit.request("GET", "/version")["version"]
    local = imported.containers(observer, {950, 951}, version, lambda wanted: wanted, node.store.load)
    assert answer["containers"] == local
    assert local["950"]["config"]["lxc_options"] == ["lxc.cap.drop: sys_time"]
    assert local["950"]["config"]["mount_points"]
    assert "ha: the API does not show it to this token (no Sys.Audit on /)" in answer["notes"]
    assert list(api_import.survey(audit, "pve", [951, 999])["containers"]) == ["951"]


def judged(node, client, *containers, check=False):
    """The verdicts of the preflight over the API, and on the node itself."""
    items = []
    for one in containers:
        described = next(iter(api_survey.survey(client, "pve", [item(one)])["containers"].values()))
        items.append(Candidate.from_options({"ctid": one.ctid, "config": one.config, "plan": described["plan"]}))
    gatherer = ApiGatherer(client, "pve")
    facts = gatherer.gather(items, (), TOKEN)
    local = judgement.judge(items, node.gatherer().gather(items), check)
    return by_api.judge(items, facts, gatherer.unseen, check), local


def test_the_preflight_finds_what_it_finds_on_the_node(node, audit):
    (node.directory / "net" / "vmbr0" / "bridge").mkdir(parents=True, exist_ok=True)
    text = f"dir: local\n\tpath {node.directory}/vz\n\tcontent vztmpl,rootdir\n\nzfspool: tank\n\tpool tank\n"
    (node.pve_dir / "storage.cfg").write_text(text, encoding="utf-8")
    faulty = (
        wanted(950, name="a", storage_pool="tnak"),
        wanted(951, name="b", template="local:vztmpl/debian-13-standrad_13.1-2_amd64.tar.zst"),
        wanted(952, name="c", storage_pool="local", network_config={**NET, "bridge": "vmbr77"}),
    )
    by_token, local = judged(node, audit, *faulty, check=True)
    assert [finding.pointer for finding in by_token.findings] == [finding.pointer for finding in local.findings]
    assert len(local.findings) == 3
    assert any("VM.Allocate" in line and " on /vms/950" in line for line in by_token.warnings)
    real, _local = judged(node, audit, wanted(950, name="a"))
    assert any("VM.Config.Options" in finding.got for finding in real.findings)
    assert node.mutations() == []


def test_what_the_api_does_not_show_is_a_warning_and_no_fault(node, audit):
    node.pve.acl.clear()
    for who in (USER, TOKEN):
        node.pve.grant(who, "/vms", "VM.Audit")
        node.pve.grant(who, "/storage/local", "Datastore.Audit")
    mount = [{"host_path": "/srv/models", "container_path": "/models"}]
    one = wanted(storage_pool="tank", mount_points=mount, network_config=NET)
    verdict, _local = judged(node, audit, one, check=True)
    assert verdict.findings == ()
    warnings = "\n".join(verdict.warnings)
    assert "does not show storage tank: Permission check failed (/storage/tank" in warnings
    assert "does not show folder /srv/models" in warnings
    assert "can't be set by automation@pve!phoenix" in warnings


def test_a_read_outlasts_a_control_plane_that_restarts(node, audit, monkeypatch):
    monkeypatch.setattr(api_client, "RETRIES", (0.0, 0.0, 0.0, 0.0))
    audit.request("GET", "/version")
    session, left = audit._session.request, [ConnectionError("reset"), ConnectionError("refused"), None]

    def flaky(*args, **options):
        error = left.pop(0) if left else None
        if error is not None:
            raise requests.exceptions.ConnectionError(error)
        return session(*args, **options)

    monkeypatch.setattr(audit._session, "request", flaky)
    assert audit.request("GET", "/version")["release"]
    left[:] = [ConnectionError("reset")]
    with pytest.raises(LostAnswerError, match=r"no answer from https://127\.0\.0\.1"):
        audit.request("PUT", "/nodes/pve/lxc/950/config", {"cores": 1})
    assert node.mutations() == []
    left[:] = [ConnectionError("NewConnectionError: refused")]  # nobody got it
    with pytest.raises(PveError, match="403"):
        audit.request("PUT", "/nodes/pve/lxc/950/config", {"cores": 1})


def test_a_fingerprint_counts_behind_a_proxy_too():
    manager = api_client._Pinned("ab" * 32).proxy_manager_for("http://192.0.2.3:3128")
    assert manager.connection_pool_kw["assert_fingerprint"] == "ab" * 32
