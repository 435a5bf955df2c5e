# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each plain option on a node of either version: set at the creation, changed, removed, and settled after each."""

from __future__ import annotations

import pytest
from fake_node import normal, predicted, pve_calls, wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.outcome import StepError

# key: (a value, another one, what stays in the config once the key is gone)
OPTIONS = {
    "timezone": ("Europe/Berlin", "host", None),
    "ostype": ("unmanaged", "debian", "ostype: debian"),
    "arch": ("i386", "amd64", "arch: amd64"),
    "cmode": ("shell", "console", None),
    "console": (False, True, None),
    "tty": (1, 4, None),
    "cpulimit": (1.5, 2, None),
    "cpuunits": (200, 50, None),
    "debug": (True, False, None),
    "searchdomain": (["example.com", "corp.example.com"], ["example.com"], None),
    "shutdown_timeout": (60, 90, None),
    "hookscript": ("local:snippets/hook.sh", "local:snippets/other.sh", None),
}
NEW_OPTIONS = {
    "entrypoint": ('/bin/sh -c "exec /sbin/init"', "/sbin/init", None),
    "env": ({"A": "b", "C": "d e=f"}, {"A": "c"}, None),
}
ALL = {**OPTIONS, **NEW_OPTIONS}


@pytest.fixture(autouse=True)
def scripts(served):
    """Two hook scripts on the node."""
    folder = served.directory / "vz" / "snippets"
    folder.mkdir(exist_ok=True)
    for name in ("hook.sh", "other.sh"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


def options_of(version):
    """The options that a version has."""
    return ALL if version == 9 else OPTIONS


def settled(node, asked):
    """Check mode predicts what a run does, and the run after it does nothing. Returns what was called."""
    check = node.apply(asked, check=True)
    assert node.mutations() == []
    node.apply(asked)
    made = node.mutations()
    assert normal(made) == normal(pve_calls(predicted(check.first)))
    node.forget_requests()
    again = node.apply(asked)
    assert again.first.steps == ()
    assert node.settled_calls() == []
    return made


def set_changed_and_removed(node, key, values, running):
    """An option through its life, from the creation on or later."""
    first, other, left = values
    if running:
        settled(node, wanted())
    settled(node, wanted(**{key: first}, restart_policy="if_needed"))
    settled(node, wanted(**{key: other}, restart_policy="if_needed"))
    before = node.conf(950)
    made = settled(node, wanted(restart_policy="if_needed"))
    if left:
        assert made == []
        assert left in before.splitlines()
        assert node.conf(950) == before
    else:
        name = {"env": "lxc.environment.runtime", "shutdown_timeout": "startup"}.get(key, key)
        assert name in before
        assert name not in node.conf(950)


@pytest.mark.parametrize("key", OPTIONS)
@pytest.mark.parametrize("running", [False, True], ids=["at the creation", "later"])
def test_an_option_is_set_changed_and_removed(node, key, running):
    set_changed_and_removed(node, key, OPTIONS[key], running)


@pytest.mark.parametrize("key", NEW_OPTIONS)
@pytest.mark.parametrize("running", [False, True], ids=["at the creation", "later"])
@pytest.mark.parametrize("version", [9], indirect=True)
def test_an_option_of_pve_9_is_set_changed_and_removed(node, version, key, running):
    set_changed_and_removed(node, key, NEW_OPTIONS[key], running)


def test_all_of_them_at_once(node, version):
    asked = wanted(**{key: values[0] for key, values in options_of(version).items()})
    settled(node, asked)
    lines = node.conf(950).splitlines()
    assert {
        *("timezone: Europe/Berlin", "ostype: unmanaged", "arch: i386", "cmode: shell", "console: 0", "tty: 1"),
        *("cpulimit: 1.5", "cpuunits: 200", "debug: 1", "searchdomain: example.com corp.example.com"),
        *("startup: down=60", "hookscript: local:snippets/hook.sh"),
    } <= set(lines)
    if version == 9:
        environment = {"lxc.environment.runtime: A=b", "lxc.environment.runtime: C=d e=f"}
        assert {*environment, 'entrypoint: /bin/sh -c "exec /sbin/init"'} <= set(lines)


def test_what_pve_finds_out_at_the_creation_is_no_change(node):
    """PVE writes the distribution and the architecture itself (PVE facts, 'How PVE rewrites what you send')."""
    settled(node, wanted())
    assert {"ostype: debian", "arch: amd64"} <= set(node.conf(950).splitlines())
    assert settled(node, wanted(ostype="debian", arch="amd64")) == []


def test_a_newer_option_is_a_finding_before_the_run(node, version):
    """PVE 8 has no entrypoint and no env (PVE facts, 'Differences between 8.4 and 9.2')."""
    asked = wanted(**{key: values[0] for key, values in NEW_OPTIONS.items()})
    findings = findings_of(node, asked)
    assert [finding.path[2:] for finding in findings] == ([] if version == 9 else [("entrypoint",), ("env",)])
    for finding in findings:
        assert finding.got == f"node pve has Proxmox VE 8.4.21, which has no option {finding.path[2]}"
        assert finding.expected == "Proxmox VE 9.1 or later"


def findings_of(node, asked, *more):
    """What the preflight finds in options, and in further keys."""
    plan = node.apply(asked, check=True).first.as_dict()
    items = [Candidate.from_options({"ctid": 950, "config": asked.config, "plan": plan})]
    found = judgement.judge(items, node.gatherer().gather(items)).findings
    keys = [*((key,) for key in ALL), ("networks", 1)]
    return [finding for finding in found if finding.path[2:] in keys or {*finding.path[2:3]} & {*more}]


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"hookscript": "local:snippets/hook.sh"}, ""),
        ({"hookscript": "local:snippets/none.sh"}, "does not exist (/"),
        ({"hookscript": "local:snippets/plain.sh"}, "is not executable (/"),
        ({"hookscript": "tank:snippets/hook.sh"}, "no content type snippets"),
        ({"hookscript": "other:snippets/hook.sh"}, "a storage that does not exist"),
        ({"timezone": "Europe/Berlin"}, ""),
        ({"timezone": "host"}, ""),
        ({"timezone": "UTC"}, ""),
        ({"timezone": "Europe/Berln"}, 'time zone "Europe/Berln" is not one that node pve knows'),
    ],
    ids=str,
)
def test_what_the_node_lacks_is_a_finding_before_the_run(node, asked, fault):
    folder = node.directory / "vz" / "snippets"
    (folder / "plain.sh").write_text("#!/bin/sh\n")
    (folder / "plain.sh").chmod(0o644)
    (node.directory / "zone.tab").write_text("# code\tcoordinates\tzone\nDE\t+5230+01322\tEurope/Berlin\n")
    content = "content rootdir,vztmpl,snippets"
    (node.pve_dir / "storage.cfg").write_text(
        f"dir: local\n\tpath {node.directory}/vz\n\t{content}\n\nzfspool: tank\n\tpool tank\n\tcontent rootdir\n"
    )
    findings = findings_of(node, wanted(**asked))
    assert [fault in finding.got for finding in findings] == ([True] if fault else [])


@pytest.mark.parametrize("version", [9], indirect=True)
def test_a_pending_environment_is_known(node, version):
    """It waits for a restart, and the run after it makes no call."""
    settled(node, wanted())
    made = settled(node, wanted(env={"A": "b", "C": "d"}))
    assert [params for _method, _path, params in made] == [{"env": "A=b\0C=d"}]
    assert node.apply(wanted(env={"A": "b", "C": "d"})).last.waiting == ("env",)


NET = {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}
LAN = {"name": "lan1", "bridge": "vmbr1", "ip": "10.1.0.50/24"}
WIDE = {"name": "lan2", "bridge": "vmbr9", "ip6": "2001:db8::50/64", "gw6": "fe80::1", "tag": 30, "trunks": [40, 41]}
WIDE = {**WIDE, "mtu": 1400, "rate": 12.5, "link_down": True, "firewall": True, "mac_address": "BC:24:11:00:00:0A"}


def cards(node):
    """The interfaces of the container, without the MAC addresses that PVE drew."""
    found = dict(line.split(": ", 1) for line in node.conf(950).splitlines() if line.startswith("net"))
    return {key: value.partition("hwaddr=")[0] + value.partition("hwaddr=")[2][18:] for key, value in found.items()}


def test_any_number_of_interfaces_comes_changes_and_goes(node):
    settled(node, wanted(network_config=NET, networks=[LAN, WIDE]))
    assert set(cards(node)) == {"net0", "net1", "net2"}
    wide = "name=lan2,bridge=vmbr9,firewall=1,gw6=fe80::1,ip6=2001:db8::50/64,link_down=1,mtu=1400,rate=12.5,tag=30,"
    assert cards(node)["net2"] == wide + "trunks=40;41,type=veth"
    before = node.conf(950)
    made = settled(node, wanted(network_config=NET, networks=[WIDE, LAN]))
    assert made == []
    assert node.conf(950) == before
    made = settled(node, wanted(network_config=NET, networks=[WIDE, {**LAN, "name": "lan9"}]))
    assert [sorted(params) for _method, _path, params in made] == [["delete", "net3"]]
    settled(node, wanted(network_config={**NET, "tag": 5, "ip6": "auto"}, networks=[WIDE]))
    assert set(cards(node)) == {"net0", "net2"}
    settled(node, wanted(network_config=NET))
    assert cards(node) == {"net0": "name=eth0,bridge=vmbr0,ip=dhcp,type=veth"}


def test_dhcp_on_a_further_interface_waits_for_the_next_start(node):
    """PVE starts no client on an interface that it adds (PVE facts, 'Pending changes')."""
    settled(node, wanted(network_config=NET, networks=[LAN]))
    lan = {**LAN, "ip": "dhcp"}
    assert node.apply(wanted(network_config=NET, networks=[lan, {**WIDE, "ip6": "dhcp"}])).last.waiting == (
        "net1",
        "net2",
    )


def test_the_firewall_filters_every_interface_but_one_that_says_no(node):
    settled(node, wanted(network_config=NET, networks=[LAN, {**WIDE, "firewall": False}], firewall={"enabled": True}))
    assert ["firewall=1" in cards(node)[key] for key in ("net0", "net1", "net2")] == [True, True, False]
    settled(node, wanted(network_config=NET, networks=[LAN, {**WIDE, "firewall": False}]))
    assert not any("firewall=1" in value for value in cards(node).values())


def test_an_interface_that_the_node_manages_needs_pve_9(node, version):
    managed = {**LAN, "host_managed": True}
    findings = findings_of(node, wanted(network_config=NET, networks=[LAN, {**WIDE, **managed, "name": "lan2"}]))
    assert [finding.path[2:] for finding in findings] == ([("networks", 1)] if version == 8 else [])
    if version == 9:
        settled(node, wanted(network_config=NET, networks=[managed]))
        assert "host-managed=1" in cards(node)["net1"]


@pytest.mark.parametrize(
    ("key", "slot", "text"),
    [
        ("mount_points", "mp0", "idmap=passthrough"),
        ("volumes", "mp0", "idmap=u:1000:1000:1;g:1000:1000:1,keepattrs=1"),
        ("rootfs_options", "rootfs", "idmap=u:0:5:1"),
    ],
)
def test_numbers_of_users_on_a_disk_need_pve_9(node, version, key, slot, text):
    node.directory.joinpath("srv").mkdir(exist_ok=True)
    asked = {
        "mount_points": [{"host_path": str(node.directory / "srv"), "container_path": "/a", "id_map": "passthrough"}],
        "volumes": [
            {
                "name": "data",
                "pool": "tank",
                "size_gb": 1,
                "mount_point": "/a",
                "id_map": "u:1000:1000:1;g:1000:1000:1",
                "keep_attributes": True,
            }
        ],
        "rootfs_options": {"id_map": "u:0:5:1"},
    }[key]
    findings = findings_of(node, wanted(**{key: asked}), key)
    named = [finding.path[2] for finding in findings if "9.2" in finding.expected]
    assert set(named) == ({key} if version == 8 else set())
    if version == 9:
        settled(node, wanted(**{key: asked}))
        assert text in parse_conf(node.conf(950)).head[slot]
        plain = {**asked, "id_map": None} if key == "rootfs_options" else [{**asked[0], "id_map": None}]
        settled(node, wanted(**{key: plain}))
        assert "idmap" not in parse_conf(node.conf(950)).merged()[slot]


def test_a_bridge_that_a_further_interface_names_must_exist(node):
    plan = node.apply(wanted(network_config=NET, networks=[LAN]), check=True).first.as_dict()
    config = wanted(network_config=NET, networks=[LAN]).config
    items = [Candidate.from_options({"ctid": 950, "config": config, "plan": plan})]
    found = judgement.judge(items, node.gatherer().gather(items)).findings
    assert ("networks", 0, "bridge") in [finding.path[2:] for finding in found]


@pytest.mark.parametrize(("mtu", "fine"), [(1400, True), (1500, True), (1501, False)])
def test_an_interface_takes_no_larger_packets_than_its_bridge(node, mtu, fine):
    """PVE refuses it only when the container exists already."""
    bridge = node.directory / "net" / "vmbr1"
    (bridge / "bridge").mkdir(parents=True, exist_ok=True)
    (bridge / "mtu").write_text("1500\n")
    findings = findings_of(node, wanted(networks=[{**LAN, "name": "lan0", "bridge": "vmbr0"}, {**LAN, "mtu": mtu}]))
    said = [] if fine else ['mtu 1501 is larger than the 1500 of bridge "vmbr1" on node pve']
    assert [finding.got for finding in findings if "mtu" in finding.got] == said


KEYS = ["ssh-ed25519 AAAAC3 ops", "ssh-rsa AAAAB3 backup"]
CANARY = "canary-5f1c"


def test_the_creation_gets_keys_and_password_and_nothing_else_has_the_password(node, monkeypatch):
    monkeypatch.setattr(node, "password", CANARY)
    given = []
    create = node.backend.create

    async def seen(vmid, config, template, options):
        given.append(dict(options))
        await create(vmid, config, template, options)

    monkeypatch.setattr(node.backend, "create", seen)
    asked = wanted(ssh_public_keys=KEYS, root_password={"phoenix_secret": {"file": "x", "pointer": "/y"}})
    check = node.apply(asked, check=True)
    real = node.apply(asked)
    assert given == [{"password": CANARY, "ssh-public-keys": "\n".join(KEYS)}]
    assert CANARY not in str(check.first.as_dict()) + str(real.journal)
    assert not [name for name, (_mode, text) in node.files().items() if CANARY.encode() in text]
    node.forget_requests()
    assert node.apply(asked).first.steps == ()
    assert node.settled_calls() == []


def test_keys_and_password_of_an_existing_container_are_reported(node, monkeypatch):
    monkeypatch.setattr(node, "password", CANARY)
    node.apply(wanted(ssh_public_keys=KEYS))
    plan = node.apply(wanted(ssh_public_keys=KEYS[:1], root_password=CANARY)).first
    assert plan.steps == ()
    assert [note.partition(":")[0] for note in plan.notes] == ["ssh_public_keys", "root_password"]
    assert all("only when it is recreated" in note for note in plan.notes)
    assert node.apply(wanted(ssh_public_keys=KEYS[::-1])).first.notes == ()


def test_a_run_without_the_password_creates_nothing(node):
    with pytest.raises(StepError, match="root_password"):
        node.apply(wanted(root_password={"phoenix_secret": {"file": "x", "pointer": "/y"}}))
    assert node.mutations() == []


@pytest.fixture
def pools(node):
    """Two pools."""
    for name in ("blue", "red"):
        node.call("POST", "/pools", {"poolid": name})


def members(node):
    """The pools that have the container."""
    return [name for name, guests in node.pve.pools.items() if 950 in guests]


@pytest.mark.usefixtures("pools")
def test_a_container_is_made_in_its_pool_moves_and_leaves(node):
    settled(node, wanted(pool="blue"))
    assert members(node) == ["blue"]
    made = settled(node, wanted(pool="red"))
    assert made == [("PUT", "/pools/red", {"vms": "950", "allow-move": "1"})]
    assert members(node) == ["red"]
    assert settled(node, wanted()) == [("PUT", "/pools/red", {"vms": "950", "delete": "1"})]
    assert members(node) == []
    settled(node, wanted(pool="blue", memory_mb=1024))
    assert members(node) == ["blue"]


@pytest.mark.usefixtures("pools")
def test_a_pool_that_was_not_set_from_here_stays(node):
    settled(node, wanted())
    node.call("PUT", "/pools/red", {"vms": "950"})
    assert settled(node, wanted()) == []
    settled(node, wanted(pool="blue"))
    node.call("PUT", "/pools/red", {"vms": "950", "allow-move": 1})
    assert settled(node, wanted()) == []
    assert members(node) == ["red"]


@pytest.mark.usefixtures("pools")
def test_a_pool_that_does_not_exist_is_a_finding(node):
    asked = wanted(pool="bleu")
    plan = node.apply(asked, check=True).first.as_dict()
    items = [Candidate.from_options({"ctid": 950, "config": asked.config, "plan": plan})]
    found = judgement.judge(items, node.gatherer().gather(items)).findings
    assert [finding.expected for finding in found if finding.path[2:] == ("pool",)] == ["one of blue, red"]
