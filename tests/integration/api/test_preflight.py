# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight against the control plane: what it looks up, what that costs, and the download of a template."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_node import Cut, FakeNode, RecordingPve, edges, local_storage, wanted
from fakepve.model import TaskError

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import devices
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import storagecfg
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.audit import Audit
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf import observe
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.preflight import judging, node_survey
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.preflight.fetching import Downloads
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.client import PveError
from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_lxc_info

NEW = "debian-13-standard_13.1-2_amd64.tar.zst"
NET = {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}
ALL = {"network_config": NET, "memory_mb": 512}
TOKEN = "automation@pve!phoenix"


class AppliancePve(RecordingPve):
    """A node with an appliance index, which the lab's own has not."""

    appliances = (NEW, "alpine-3.22-default_20250617_amd64.tar.xz")
    broken = False

    def _routes_appliances(self):
        async def index(_values, _user):
            return [{"template": name, "section": "system", "type": "lxc"} for name in self.appliances]

        return [("GET", "/nodes/{node}/aplinfo", index), ("POST", "/nodes/{node}/aplinfo", self._fetch)]

    def _routes_labnode(self):
        return [route for route in super()._routes_labnode() if route[1] != "/nodes/{node}/aplinfo"]

    async def _fetch(self, values, user):
        self.require(user, f"/storage/{values['storage']}", "Datastore.AllocateTemplate")
        folder = Path(self.storages[values["storage"]]["path"], "template", "cache")

        async def body():
            if self.broken:
                raise TaskError("download failed: 404 Not Found")
            await asyncio.to_thread((folder / values["template"]).write_bytes, b"template")

        log = [f"downloading http://example.org/images/system/{values['template']} to {folder / values['template']}"]
        return await self.task(values["node"], "download", "", user, body, log=log)


@pytest.fixture
def node(tmp_path, version, monkeypatch):
    """A node with an appliance index, a storage.cfg and bridges."""
    node = FakeNode(tmp_path, version, 0.005, AppliancePve, storages)
    edges(node, monkeypatch)
    text = f"dir: local\n\tpath {node.directory}/vz\n\tcontent vztmpl,rootdir\n\nzfspool: tank\n\tpool tank\n\n"
    text += "lvm: thick\n\tvgname data\n\tcontent rootdir\n\nzfspool: dead\n\tpool dead\n"
    (node.pve_dir / "storage.cfg").write_text(text, encoding="utf-8")
    for bridge in ("vmbr0", "vmbr1"):
        (node.directory / "net" / bridge / "bridge").mkdir(parents=True)
    (node.directory / "net" / "eth0").mkdir()
    yield node
    node.close()


def storages(path):
    """Beside the folder that every node has, one pool, one volume group with little room, one pool that is gone."""
    gib = 1024**3
    plain = {"content": "rootdir,images", "shared": 0}
    return {
        **local_storage(path),
        "tank": {"type": "zfspool", "pool": "tank", "active": 1, "avail": 500 * gib, "total": 900 * gib, **plain},
        "thick": {"type": "lvm", "vgname": "data", "active": 1, "avail": 50 * gib, "total": 90 * gib, **plain},
        "dead": {"type": "zfspool", "pool": "dead", "active": 0, **plain},
    }


def candidates(node, *containers):
    """The plans that phoenix_lxc_info makes of them."""
    executor = node.executor()
    found = []
    for one in containers:
        plan = planner.plan(one, *executor.look(one))
        found.append(Candidate.from_options({"ctid": one.ctid, "config": one.config, "plan": plan.as_dict()}))
    return found


def judged(node, *containers, credential="root@pam"):
    """The verdict on a run of these containers."""
    items = candidates(node, *containers)
    return judgement.judge(items, node.gatherer().gather(items, credential=credential))


def observed(node, monkeypatch, *containers, **preflight):
    """The result of phoenix_lxc_info with the check in the same call."""
    monkeypatch.setattr(phoenix_lxc_info.root, "lacking", lambda _name: "")
    monkeypatch.setattr(phoenix_lxc_info, "Store", lambda: node.store)
    monkeypatch.setattr(phoenix_lxc_info, "open_client", node.connect)
    seen_by = observe.Observer(str(node.pve_dir), running=lambda: set(node.backend.running))
    monkeypatch.setattr(phoenix_lxc_info.observe, "Observer", lambda: seen_by)
    made = node.gatherer()
    monkeypatch.setattr(node_survey, "Gatherer", lambda _connect: made)
    demands = {"coming": [], "neighbors": [], "credential": "root@pam", "needs": [], **preflight}
    params = {
        "containers": [{"ctid": one.ctid, "config": one.config, "state": one.target} for one in containers],
        "ctids": None,
        "brief": True,
        "preflight": demands,
    }
    module = SimpleNamespace(params=params, check_mode=False, warn=lambda _text: None)
    return phoenix_lxc_info.work(module)


def test_the_observing_call_finds_what_the_preflight_finds(node, monkeypatch):
    faulty = wanted(950, **{**ALL, "storage_pool": "tnak"})
    missing = wanted(951, **{**ALL, "template": f"local:vztmpl/{NEW}"})
    alone = judged(node, faulty, missing)
    found = observed(node, monkeypatch, faulty, missing)["preflight"]
    assert found["findings"] == [finding.as_dict() for finding in alone.findings]
    assert [finding["pointer"] for finding in found["findings"]] == ["/lxc_configs/950/storage_pool"]
    assert found["downloads"] == [{"storage": "local", "template": NEW}]
    assert node.mutations() == []


def test_the_observing_call_of_settled_containers_checks_nothing(node, monkeypatch):
    settled = replace(wanted(950, **ALL), target="created")
    node.executor().run(settled)
    node.pve.asked.clear()
    monkeypatch.setattr(judging, "of_observed", lambda *_given: pytest.fail("checked"))
    result = observed(node, monkeypatch, settled)
    assert not result["containers"]["950"]["due"]
    assert result["preflight"] == {"findings": [], "downloads": []}
    assert asked(node) == []


def test_a_check_that_fails_concerns_those_that_it_was_made_for(node, monkeypatch):
    def breaks(*_given):
        raise OSError("the control plane restarts")

    monkeypatch.setattr(node_survey.Gatherer, "gather", breaks)
    result = observed(node, monkeypatch, wanted(950, **ALL))
    assert result["containers"]["950"]["due"]
    assert result["preflight"]["ctids"] == [950]
    assert result["preflight"]["problem"] == "the control plane restarts"


def asked(node):
    """What the control plane was asked: (method, path), reads too."""
    return [(method, path) for method, path, _params, _status in node.pve.asked]


def fetch(node, steps, check=False, connect=None):
    """The second call of the module, which downloads."""
    audit = Audit("run-1", quiet=check, directory=str(node.directory / "log"))
    return Downloads(node.gatherer(connect), audit, 60.0).run(steps)


def test_what_files_tell_costs_no_call(node):
    assert judged(node, wanted(**ALL), wanted(951, name="two", **ALL)) == judgement.Verdict()
    assert asked(node) == []


def test_a_settled_container_costs_nothing(node):
    one = wanted(**ALL)
    node.apply(one)
    node.forget_requests()
    assert candidates(node, one)[0].mutations == ()
    assert judged(node, one) == judgement.Verdict()
    assert asked(node) == []


def test_many_faults_are_one_answer_and_change_nothing(node):
    node.call("POST", "/nodes/pve/lxc", {"vmid": 955, "ostemplate": wanted().config["template"], "hostname": "theirs"})
    node.forget_requests()
    before = sorted(node.directory.rglob("*"))
    verdict = judged(
        node,
        wanted(950, name="a", storage_pool="tnak"),
        wanted(951, name="b", network_config={**NET, "bridge": "vmbr10"}),
        wanted(952, name="c", template="local:vztmpl/debian-13-standrad_13.1-2_amd64.tar.zst"),
        wanted(953, name="d", storage_pool="dead"),
        wanted(954, name="e", storage_pool="thick", storage_size_gb=60),
        wanted(955, name="f"),
    )
    assert [finding.pointer for finding in verdict.findings] == [
        "/lxc_configs/950/storage_pool",
        "/lxc_configs/951/network_config/bridge",
        "/lxc_configs/952/template",
        "/lxc_configs/953/storage_pool",
        "/lxc_configs/954/storage_size_gb",
        "/lxc_configs/955",
    ]
    nearest = [finding.nearest for finding in verdict.findings[:3]]
    assert (nearest[0], nearest[2]) == ("tank", NEW)
    assert nearest[1] in ("vmbr0", "vmbr1")
    assert "50 GiB free" in verdict.findings[4].got
    assert node.mutations() == []
    assert sorted(node.directory.rglob("*")) == before


def test_ctids_of_other_guests_in_the_cluster(node):
    for owner, kind, ctid in (("pve", "qemu-server", 950), ("other", "lxc", 951)):
        folder = node.pve_dir / "nodes" / owner / kind
        folder.mkdir(parents=True)
        (folder / f"{ctid}.conf").write_text("cores: 1\n", encoding="utf-8")
    verdict = judged(node, wanted(950, name="a"), wanted(951, name="b"))
    assert ["virtual machine" in finding.got for finding in verdict.findings] == [True, False]
    assert "a container on node other" in verdict.findings[1].got
    assert asked(node) == []


def test_guests_that_the_file_has_not_are_looked_for_in_the_cluster(node):
    folder = node.pve_dir / "nodes" / "other" / "qemu-server"
    folder.mkdir(parents=True)
    (folder / "1002.conf").write_text("cores: 1\n", encoding="utf-8")
    items = [replace(candidates(node, wanted(**ALL))[0], outside=(1002, 1003))]
    verdict = judgement.judge(items, node.gatherer().gather(items))
    assert verdict.findings == ()
    assert [" depends on 1003, " in line for line in verdict.warnings] == [True]
    assert asked(node) == []


def test_a_missing_template_is_downloaded_as_predicted_and_then_used(node):
    one = wanted(template=f"local:vztmpl/{NEW}", **ALL)
    verdict = judged(node, one)
    assert verdict.findings == ()
    assert node.mutations() == []
    predicted = [entry.as_dict() for step in verdict.steps for entry in step.entries]
    journal, warnings = fetch(node, verdict.steps)
    assert journal == predicted
    assert warnings == []
    assert node.mutations() == [("POST", "/nodes/pve/aplinfo", {"storage": "local", "template": NEW})]
    assert judged(node, one) == judgement.Verdict()
    assert node.apply(one).last.state == "completed"
    trail = "".join(path.read_text(encoding="utf-8") for path in (node.directory / "log").glob("*.log"))
    assert f'event="download local:vztmpl/{NEW}" outcome=ok' in trail


def test_a_failed_download_is_reported_with_its_words(node):
    node.pve.broken = True
    with pytest.raises(PveError, match="404 Not Found"):
        fetch(node, judged(node, wanted(template=f"local:vztmpl/{NEW}")).steps)


class Cutting:
    """A client whose process dies when the download has begun."""

    def __init__(self, connect):
        self._client = connect()

    def request(self, method, path, params=None):
        answer = self._client.request(method, path, params)
        if method == "POST":
            raise Cut
        return answer


def test_a_download_that_a_killed_run_began_is_waited_for_and_not_repeated(node):
    steps = judged(node, wanted(template=f"local:vztmpl/{NEW}")).steps
    node.pve.task_delay["download"] = 200  # PVE seconds: one real one
    with contextlib.suppress(Cut):
        fetch(node, steps, connect=lambda: Cutting(node.connect))
    journal, _warnings = fetch(node, steps)
    assert journal == []
    assert len(node.mutations()) == 1
    assert judged(node, wanted(template=f"local:vztmpl/{NEW}")) == judgement.Verdict()


def test_a_template_on_a_storage_that_only_pve_can_list(node):
    text = (node.pve_dir / "storage.cfg").read_text(encoding="utf-8")
    remote = text.replace("dir: local\n", "nfs: share\n\tserver nas\n\texport /x\n\tcontent vztmpl\n\ndir: local\n")
    (node.pve_dir / "storage.cfg").write_text(remote, encoding="utf-8")
    node.pve.storages["share"] = {**node.pve.storages["local"], "type": "nfs", "content": "vztmpl"}
    there = wanted().config["template"].rpartition("/")[2]
    assert judged(node, wanted(template=f"share:vztmpl/{there}")) == judgement.Verdict()
    (step,) = judged(node, wanted(template=f"share:vztmpl/{NEW}")).steps
    assert step.entries[0].params == {"storage": "share", "template": NEW}


def test_what_a_token_lacks_is_found_and_the_named_roles_suffice(node):
    node.pve.add_token(TOKEN, "secret")
    one = wanted(storage_pool="tank", **ALL)
    verdict = judged(node, one, credential=TOKEN)
    commands = [finding.remedy.partition(": ")[2].split() for finding in verdict.findings]
    assert len(commands) == 4
    for words in commands:
        assert words[:3] == ["pveum", "acl", "modify"]
        for who in ("automation@pve", TOKEN):
            node.pve.grant_role(who, words[3], words[-1])
    assert judged(node, one, credential=TOKEN).findings == ()


def test_the_lab_and_pve_mean_the_same_storages(node):
    """What storage.cfg tells is what the control plane answers, for each storage."""
    described = storagecfg.parse_storages((node.pve_dir / "storage.cfg").read_text(encoding="utf-8"))
    rows = {row["storage"]: row for row in node.call("GET", "/nodes/pve/storage")}
    assert described.keys() == rows.keys()
    for name, storage in described.items():
        assert storage.kind == rows[name]["type"]
        assert storage.content <= set(rows[name]["content"].split(","))


def test_the_version_is_asked_for_only_when_devices_are_passed_on(node):
    """And one that has no devN yet is reported before anything is made."""
    judged(node, wanted())
    assert ("GET", "/version") not in asked(node)
    node.pve.version = "8.1.10"
    one = replace(wanted(), devices=(devices.Device("/dev/nvidia0", number=(195, 0)),))
    (finding,) = judged(node, one).findings
    assert "Proxmox VE 8.1.10" in finding.got
    raw = replace(one, config={**one.config, "gpu_passthrough": "raw"})
    assert judged(node, raw).findings == ()
    assert node.mutations() == []
