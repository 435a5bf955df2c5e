# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An imported container is taken over as it is: a run with the imported keys configures nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.importing import read_container
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Plan,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import fwfile
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "galaxy.yml").is_file())
sys.path.insert(0, str(ROOT / "tests/unit/plugins/module_utils/_core/container/registry"))

from test_registry import ROWS, configs_of, plainest, to_pve

FIXTURES = ROOT / "tests/integration/conformance/fixtures"
CONTAINER = load_schema("phoenix_lxc_configs")
VALIDATOR = Draft202012Validator({**CONTAINER["$defs"]["container"], "$defs": CONTAINER["$defs"]})
LEAST = {"hostname": "web", "memory": "512", "rootfs": "tank:subvol-950-disk-0,size=8G", "unprivileged": "1"}
NO_STEPS = read_container.TAKING_OVER


def on_node(wanted: Wanted) -> Wanted:
    """Completed on a node that has every device that is named."""
    there = {path: hostneeds.Node((10, 200)) for path in hostneeds.paths(wanted)}
    return hostneeds.complete(wanted, there=there)


def seen_of(text: str, running: bool = True, **more: Any) -> Observation:
    """What a node shows of a container with this config."""
    found = {"boot": "b1", "ledger": {"version": 1, "features": {}}} if running else {}
    return Observation(950, True, running, parse_conf(text), **found, **more)


def adopted(config: Mapping[str, Any], seen: Observation) -> Plan:
    """The plan of the first run with the imported file."""
    wanted = Wanted(950, "pve", config, adopt="record", target=str(config.get("target_state") or "completed"))
    return planner.plan(on_node(wanted), seen, Record())


def imported(text: str, running: bool = True, version: str = "", **more: Any) -> read_container.Imported:
    """Import one container, and prove that a run with its keys changes nothing of it."""
    seen = seen_of(text, running, **more)
    found = read_container.read_container(seen, "pve", version, complete=on_node)
    plan = adopted(found.config, seen)
    assert plan.error is None, (text, found)
    assert [step.reason for step in plan.steps if step.kind not in NO_STEPS] == [], (text, found)
    assert [error.message for error in VALIDATOR.iter_errors(dict(found.config))] == [], found
    return found


def text_of(head: Mapping[str, str]) -> str:
    """The lines of a config file."""
    return "".join(f"{key}: {value}\n" for key, value in sorted(head.items()))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_option_is_read_so_that_nothing_changes(row: Any, data: Any) -> None:
    config = data.draw(configs_of(row))
    head = to_pve(config)
    lines = {key: value for key, value in head.items() if key not in ("description", "env", "rootfs")}
    variables = [f"lxc.environment.runtime: {pair}\n" for pair in head.get("env", "").split("\0") if pair]
    notes = "".join(
        f"#{line.replace('%', '%25')}\n" for line in head.get("description", "").split("\n") if head.get("description")
    )
    disk = LEAST["rootfs"] + "".join(f",{part}" for part in head.get("rootfs", "").split(",") if part)
    found = imported(notes + text_of({**LEAST, **lines, "rootfs": disk}) + "".join(variables))
    if not found.notes:
        asked = plainest(config)
        assert {key: found.config.get(key) for key in asked} == asked


def test_a_container_with_everything():
    found = imported(
        "#Serves the editors.\narch: amd64\ncores: 4\ndev0: /dev/net/tun,gid=5\nfeatures: keyctl=1,nesting=1\n"
        "hostname: everything\nmemory: 2048\nmp0: tank:subvol-950-disk-1,backup=1,mp=/srv/data,size=16G\n"
        "mp1: /srv/models,mp=/models,idmap=passthrough,keepattrs=1,ro=1\n"
        "mp2: tank:subvol-950-disk-2,mp=/odd,size=500M\n"
        "net0: name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:00:09:50,ip=10.0.0.50/24,gw=10.0.0.1,type=veth\n"
        "net1: name=eth1,bridge=vmbr1,firewall=1,hwaddr=BC:24:11:00:09:51,ip=dhcp,type=veth\nonboot: 1\n"
        "ostype: debian\n"
        "rootfs: tank:subvol-950-disk-0,mountoptions=noatime,size=8G\nstartup: order=2,up=30\nswap: 512\ntags: llm\n"
        "unprivileged: 1\nlxc.cgroup2.devices.allow: c 10:200 rwm\nlxc.environment: GREETING=hello\n",
        firewall=fwfile.parse_file("[OPTIONS]\nenable: 1\n\n[RULES]\nIN ACCEPT -p tcp -dport 8000 # api\n|IN DROP\n"),
        pool="production",
        ha={"state": "started", "max_restart": "2"},
    )
    assert found.config == {
        "name": "everything",
        "template": "existing",
        "unprivileged": True,
        "storage_pool": "tank",
        "storage_size_gb": 8,
        "description": "Serves the editors.",
        "start_at_boot": True,
        "boot_order": 2,
        "boot_delay": 30,
        "tags": ["llm"],
        "memory_mb": 2048,
        "swap_mb": 512,
        "cores": 4,
        "pct_options": ["keyctl=1", "nesting=1"],
        "ostype": "debian",
        "arch": "amd64",
        "network_config": {
            "name": "eth0",
            "bridge": "vmbr0",
            "ip": "10.0.0.50/24",
            "gw": "10.0.0.1",
            "firewall": True,
        },
        "mac_address": "BC:24:11:00:09:50",
        "networks": [
            {"name": "eth1", "bridge": "vmbr1", "ip": "dhcp", "firewall": True, "mac_address": "BC:24:11:00:09:51"}
        ],
        "rootfs_options": {"mount_options": ["noatime"]},
        "devices": [{"path": "/dev/net/tun", "gid": 5}],
        "mount_points": [
            {
                "host_path": "/srv/models",
                "container_path": "/models",
                "id_map": "passthrough",
                "keep_attributes": True,
                "read_only": True,
            }
        ],
        "volumes": [{"name": "srv-data", "pool": "tank", "size_gb": 16, "mount_point": "/srv/data", "backup": True}],
        "lxc_options": ["lxc.cgroup2.devices.allow: c 10:200 rwm", "lxc.environment: GREETING=hello"],
        "firewall": {"enabled": True, "rules": ["IN ACCEPT -p tcp -dport 8000 # api", "|IN DROP"]},
        "pool": "production",
        "ha": {"state": "started", "max_restart": 2},
    }
    assert found.notes == ("mp2 (/odd): its size is no whole number of GiB; the volume is not managed",)


def test_a_key_with_which_a_run_would_change_something_is_left_out():
    # The switch of the firewall would set the switch of an interface that has none.
    found = imported(
        text_of({**LEAST, "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:09:50,ip=dhcp,type=veth"}),
        firewall=fwfile.parse_file("[OPTIONS]\nenable: 1\n\n[RULES]\nIN DROP\n"),
    )
    assert found.config["firewall"] == {"rules": ["IN DROP"]}
    assert found.notes[0].startswith("firewall: not all that the container has can be written")


def test_a_container_without_a_host_name_gets_the_one_that_pve_would_choose():
    head = {key: value for key, value in LEAST.items() if key != "hostname"}
    seen = seen_of(text_of({**head, "cores": "2"}))
    found = read_container.read_container(seen, "pve")
    assert found.config["name"] == "CT950"
    assert found.config["cores"] == 2
    assert found.notes == ("name: it has no host name; the first run sets CT950",)
    reasons = [step.reason for step in adopted(found.config, seen).steps if step.kind not in NO_STEPS]
    assert reasons == ["hostname: not set -> CT950 (name)"]


def test_a_stopped_container_stays_stopped_and_a_template_stays_one():
    assert imported(text_of(LEAST), running=False).config["target_state"] == "configured"
    template = imported(text_of({**LEAST, "template": "1"}), running=False).config
    assert template["is_template"] is True
    assert "target_state" not in template


def test_secrets_are_never_written():
    found = imported(
        "#root's password: hunter2\n" + text_of(LEAST) + "lxc.environment.runtime: HF_TOKEN=hf_canary123\n"
        "lxc.environment.runtime: PLAIN=1\nlxc.environment: DB_PASS=canary\nlxc.environment: FINE=1\n"
        "lxc.hook.start: /srv/hook https://me:canary@example.com/\n"
    )
    text = json.dumps(found.config)
    assert "canary" not in text
    assert "hunter2" not in text
    assert found.config["lxc_options"] == ["lxc.environment: FINE=1"]
    assert "env" not in found.config, "a part of it would remove the rest"
    assert len(found.notes) == 4


def test_the_variables_of_an_old_node_stay_raw_lines():
    text = text_of(LEAST) + "lxc.environment.runtime: A=1\n"
    assert imported(text, version="8.4.1").config["lxc_options"] == ["lxc.environment.runtime: A=1"]
    assert imported(text, version="9.2.0").config["env"] == {"A": "1"}


def test_a_linked_clone_names_its_source_where_that_is_imported():
    seen = seen_of(text_of({**LEAST, "rootfs": "tank:basevol-900-disk-0/subvol-950-disk-0,size=8G"}))
    assert "clone_from_ctid" not in read_container.read_container(seen, "pve").config
    found = read_container.read_container(seen, "pve", sources=frozenset({900, 950})).config
    assert found["clone_from_ctid"] == "900"


def test_an_imported_container_that_is_gone_is_never_created():
    found = imported(text_of(LEAST))
    plan = adopted(found.config, Observation(950))
    assert plan.refusal is not None
    assert plan.steps == ()
    assert plan.refusal.key == "template"
    assert '"existing" in place of a template' in str(plan.error)


def recorded() -> list[str]:
    """Every config of a container that a real node showed."""
    found: dict[str, None] = {}

    def walk(value: Any) -> None:
        if isinstance(value, list) and any(isinstance(line, str) and line.startswith("rootfs: ") for line in value):
            found["".join(f"{line.removesuffix('$')}\n" for line in value)] = None
        elif isinstance(value, list):
            list(map(walk, value))
        elif isinstance(value, dict):
            list(map(walk, value.values()))

    for path in sorted(FIXTURES.glob("*.json")):
        walk(json.loads(path.read_text(encoding="utf-8")))
    # A file names each container, so the first run sets a host name that is missing; see below.
    # The recordings have a star where the node chose an address.
    return [text.replace(":*", ":97:84:6F") for text in found if "lock: create" not in text and "hostname: " in text]


@pytest.mark.parametrize("running", [True, False])
def test_the_configs_of_real_nodes(running: bool) -> None:
    texts = recorded()
    assert len(texts) > 20
    for text in texts:
        imported(text, running)
