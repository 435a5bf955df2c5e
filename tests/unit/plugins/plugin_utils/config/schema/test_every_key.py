# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For every key of a container: changing it changes what a run does, or the schema says that nobody acts on it.

A key of `PLAN` changes the plan; one of `APPLICATION` the application or its digest. `BASE` says what lies under a
change where the key means nothing alone. To add a key to the schema is to add a line here.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import (
    Application,
    features_of,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds, mounts
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config.compare import Comparison
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.known import instance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.origin import creation
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import devices
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import marker, properties
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.fwfile import Firewall
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.container_document import prepared
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import load_fleet
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.lenient import settled
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container import application_files
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.wanted import wanted as options_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_checks import servers_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.manifests import Search
from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.schema.tables import (
    ENVIRONMENT,
    NOT_ACTED_ON,
    keys,
)

SCHEMA = load_schema("phoenix_lxc_configs")
DISK = {"name": "data", "pool": "fast", "size_gb": 8, "mount_point": "/data"}
BIND = {"host_path": "/srv/a", "container_path": "/a"}
TUN = {"path": "/dev/net/tun"}
HEALTH = {"command": "true"}
NET = {"bridge": "vmbr0", "ip": "dhcp"}
SECOND = {"name": "eth1", "bridge": "vmbr1", "ip": "dhcp"}
# The keys that an interface has besides.
INTERFACE = {
    "ip6": "auto",
    "gw6": "fe80::1",
    "tag": 30,
    "trunks": [40, 41],
    "mtu": 1400,
    "rate": 12.5,
    "link_down": True,
    "firewall": True,
    "host_managed": True,
    "mac_address": "BC:24:11:00:09:51",
}
RULE = {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "8000", "log": "info"}
PING = {"type": "in", "action": "ACCEPT", "proto": "icmp", "icmp_type": "echo-request"}
GPU = {"features": ["base_setup", "nvidia"], "gpu_assignment": "0"}
# The node's, for the keys that are about its GPUs.
DEVICES = {"/dev/nvidiactl": (195, 255), "/dev/nvidia-uvm": (511, 0), "/dev/nvidia-uvm-tools": (511, 1)}
NODE = devices.Gpus(
    "570.124.06",
    (devices.Gpu("0000:01:00.0", 0), devices.Gpu("0000:02:00.0", 1)),
    {"nvidia-uvm": 511},
    {**DEVICES, "/dev/nvidia0": (195, 0), "/dev/nvidia1": (195, 1)},
)
THERE = {"/dev/net/tun": hostneeds.Node((10, 200)), "/dev/fuse": hostneeds.Node((10, 229))}
FROM_BACKUP = {"template": None, "restore_from": "local:backup/vzdump-lxc-900-2026_11_23-18_32_10.tar.zst"}
FROM_900 = {"template": None, "clone_from_ctid": "900"}

PLAN: dict[str, tuple[dict[str, Any], Any]] = {
    # key: (what lies under it, another value)
    "name": ({}, "other"),
    "description": ({"description": "one"}, "one\ntwo"),
    "protection": ({}, True),
    "clone_from_ctid": (FROM_900, "901"),
    "clone_from_template_ctid": ({"template": None, "clone_from_template_ctid": "900"}, "901"),
    "template": ({}, "local:vztmpl/other.tar.zst"),
    "restore_from": (FROM_BACKUP, "local:backup/vzdump-lxc-900-2026_11_24-18_32_10.tar.zst"),
    "pool": ({}, "production"),
    "ha": ({}, {}),
    "ha.state": ({"ha": {}}, "ignored"),
    "ha.group": ({"ha": {}}, "main"),
    "ha.rules": ({"ha": {}}, ["main"]),
    "ha.failback": ({"ha": {}}, False),
    "ha.max_restart": ({"ha": {}}, 2),
    "ha.max_relocate": ({"ha": {}}, 2),
    "ha.comment": ({"ha": {}}, "critical"),
    "ssh_public_keys": ({}, ["ssh-ed25519 AAAAC3 ops"]),
    "root_password": ({}, "correct horse"),
    "memory_mb": ({}, 4096),
    "swap_mb": ({}, 0),
    "cores": ({}, 3),
    "features": ({}, ["base_setup"]),
    "application_script": ({}, "other.sh"),
    "health_check": ({"application_script": None}, HEALTH),
    "target_state": ({}, "configured"),
    "hold": ({}, True),
    "restart_policy": ({"pct_options": ["nesting=1"]}, "if_needed"),
    "guard": ({"pct_options": ["nesting=1"]}, "report"),
    "node": ({}, "pve2"),
    "storage_pool": ({}, "fast"),
    "storage_size_gb": ({}, 9),
    "network_config": ({}, NET),
    "network_config.name": ({"network_config": NET}, "eth1"),
    "network_config.bridge": ({"network_config": NET}, "vmbr1"),
    "network_config.ip": ({"network_config": NET}, "192.0.2.50/24"),
    "network_config.gw": ({"network_config": NET}, "192.0.2.1"),
    **{f"network_config.{key}": ({"network_config": NET}, value) for key, value in INTERFACE.items()},
    "networks": ({}, [SECOND]),
    "networks[].name": ({"networks": [SECOND]}, "eth9"),
    "networks[].bridge": ({"networks": [SECOND]}, "vmbr2"),
    "networks[].ip": ({"networks": [SECOND]}, "192.0.2.51/24"),
    "networks[].gw": ({"networks": [{**SECOND, "ip": "192.0.2.51/24"}]}, "192.0.2.1"),
    **{f"networks[].{key}": ({"networks": [SECOND]}, value) for key, value in INTERFACE.items()},
    "network_config.nameservers": ({"network_config": NET}, ["192.0.2.1", "192.0.2.2"]),
    "mac_address": ({"network_config": NET}, "BC:24:11:00:09:50"),
    "static_ip": ({"network_config": {"bridge": "vmbr0"}}, "192.0.2.50/24"),
    "unprivileged": ({}, False),
    "template_snapshot_name": ({}, "ready"),
    "is_template": ({}, True),
    "start_at_boot": ({}, True),
    "boot_order": ({}, 2),
    "boot_delay": ({}, 30),
    "shutdown_timeout": ({}, 60),
    "hookscript": ({}, "local:snippets/hook.sh"),
    "cpulimit": ({}, 1.5),
    "cpuunits": ({}, 200),
    "ostype": ({}, "unmanaged"),
    "arch": ({}, "i386"),
    "timezone": ({}, "Europe/Berlin"),
    "console": ({}, False),
    "tty": ({}, 1),
    "cmode": ({}, "shell"),
    "debug": ({}, True),
    "entrypoint": ({}, "/sbin/init --quiet"),
    "env": ({}, {"LANG": "C.UTF-8"}),
    "searchdomain": ({}, ["example.com"]),
    "tags": ({}, ["llm"]),
    "zfs_volumes": ({}, [DISK]),
    "secondary_network_config": ({"network_config": NET}, {"bridge": "vmbr1", "ip": "192.0.2.50/24"}),
    "apparmor_profile": ({}, "unconfined"),
    "apparmor_manages_nesting": ({}, True),
    "hwaddr": ({"network_config": NET}, "BC:24:11:00:09:50"),
    "nameserver": ({"network_config": NET}, "192.0.2.1"),
    "enable_lifecycle_snapshots": ({"pct_options": ["nesting=1"]}, True),
    "gpu_passthrough": (GPU, "raw"),
    "device_passthrough": ({"devices": [TUN]}, "raw"),
    "devices": ({}, [TUN]),
    "devices[].path": ({"devices": [TUN]}, "/dev/fuse"),
    "devices[].class": ({"devices": [TUN], "gpu_assignment": "0"}, "nvidia-gpu"),
    "devices[].mode": ({"devices": [TUN]}, "0600"),
    "devices[].uid": ({"devices": [TUN]}, 5),
    "devices[].gid": ({"devices": [TUN]}, 5),
    "devices[].deny_write": ({"devices": [TUN]}, True),
    "pct_options": ({}, ["keyctl=1"]),
    "lxc_options": ({}, ["lxc.cap.drop: mknod"]),
    "mount_points": ({}, [BIND]),
    "mount_points[].host_path": ({"mount_points": [BIND]}, "/srv/b"),
    "mount_points[].container_path": ({"mount_points": [BIND]}, "/b"),
    "mount_points[].read_only": ({"mount_points": [BIND]}, True),
    "mount_points[].owner_uid": ({"mount_points": [BIND]}, 1000),
    "mount_points[].owner_gid": ({"mount_points": [BIND]}, 1000),
    "mount_points[].id_map": ({"mount_points": [BIND]}, "passthrough"),
    "mount_points[].keep_attributes": ({"mount_points": [BIND]}, True),
    "mount_points[].mount_options": ({"mount_points": [BIND]}, ["noexec"]),
    "mount_points[].replicate": ({"mount_points": [BIND]}, False),
    "mount_points[].shared": ({"mount_points": [BIND]}, True),
    "rootfs_options": ({}, {"acl": True}),
    "rootfs_options.acl": ({"rootfs_options": {"shared": True}}, False),
    "rootfs_options.id_map": ({"rootfs_options": {"acl": True}}, "u:1000:1000:1"),
    "rootfs_options.mount_options": ({"rootfs_options": {"mount_options": ["noatime"]}}, ["noatime", "discard"]),
    "rootfs_options.quota": ({"rootfs_options": {"acl": True}}, True),
    "rootfs_options.read_only": ({"rootfs_options": {"acl": True}}, True),
    "rootfs_options.replicate": ({"rootfs_options": {"acl": True}}, False),
    "rootfs_options.shared": ({"rootfs_options": {"acl": True}}, True),
    "volumes": ({}, [DISK]),
    "volumes[].acl": ({"volumes": [DISK]}, False),
    "volumes[].backup": ({"volumes": [DISK]}, True),
    "volumes[].id_map": ({"volumes": [DISK]}, "u:1000:1000:1;g:1000:1000:1"),
    "volumes[].keep_attributes": ({"volumes": [DISK]}, True),
    "volumes[].mount_options": ({"volumes": [DISK]}, ["noatime"]),
    "volumes[].quota": ({"volumes": [DISK]}, True),
    "volumes[].read_only": ({"volumes": [DISK]}, True),
    "volumes[].replicate": ({"volumes": [DISK]}, False),
    "volumes[].shared": ({"volumes": [DISK]}, True),
    "volumes[].name": ({"volumes": [DISK]}, "other"),
    "volumes[].pool": ({"volumes": [DISK]}, "slow"),
    "volumes[].size_gb": ({"volumes": [DISK]}, 16),
    "volumes[].mount_point": ({"volumes": [DISK]}, "/other"),
    "firewall": ({}, {"enabled": True}),
    "firewall.enabled": ({"firewall": {"rules": [RULE]}}, True),
    "firewall.rules": ({"firewall": {"enabled": True}}, [RULE]),
    **{
        f"firewall.rules[].{key}": ({"firewall": {"rules": [under]}}, value)
        for key, under, value in (
            ("type", RULE, "out"),
            ("action", RULE, "DROP"),
            ("source", RULE, "10.0.0.0/8"),
            ("dest", RULE, "10.0.0.1"),
            ("proto", RULE, "udp"),
            ("port", {**RULE, "dport": None}, 22),
            ("dport", RULE, "22,80"),
            ("sport", RULE, "1024:65535"),
            ("macro", {"type": "in", "action": "ACCEPT"}, "SSH"),
            ("icmp_type", PING, "any"),
            ("iface", RULE, "net0"),
            ("log", RULE, "debug"),
            ("enable", RULE, False),
            ("comment", RULE, "the model"),
        )
    },
}
APPLICATION: dict[str, tuple[dict[str, Any], Any]] = {
    "health_check.command": ({"health_check": HEALTH}, "false"),
    "health_check.retries": ({"health_check": HEALTH}, 7),
    "health_check.interval": ({"health_check": HEALTH}, 1),
    "health_check.timeout": ({"health_check": HEALTH}, 5),
    "gpu_assignment": ({}, "0,1"),
    "portainer_role": ({}, "server"),
    "vllm_model": ({}, "acme/model"),
    "vllm_tensor_parallel_size": ({}, 2),
    "vllm_served_model_name": ({}, "model"),
    "vllm_port": ({}, 8001),
    "vllm_api_port": ({}, 8001),
    "vllm_args": ({}, ["--max-num-seqs", "4"]),
    "vllm_gpu_memory_utilization": ({}, 0.5),
    "vllm_max_model_len": ({}, 4096),
    "vllm_quantization": ({}, "awq"),
    "vllm_listen": ({}, "0.0.0.0"),
    "vllm_shm_size": ({}, "16G"),
    "bootstrap_ca_url": ({}, "https://192.0.2.10:9000"),
    "dependencies": ({}, ["900"]),
    "ports": ({}, [8000]),
}
# key: (its value, what the roles read then)
SERVERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "vllm_options": ({"max-num-seqs": 4}, {"vllm_options": {"max-num-seqs": 4}}),
    "vllm_engine_config": (
        {"ModelConfig": {"max_model_len": 4096, "seed": 7}, "host": "0.0.0.0"},
        {"vllm_max_model_len": 4096, "vllm_listen": "0.0.0.0", "vllm_options": {"seed": 7}},
    ),
    "vllm_parameters": ({"max_num_seqs": 4}, {"vllm_options": {"max-num-seqs": 4}}),
    "vllm_gpu_count": (2, {"vllm_tensor_parallel_size": 2}),
    "vllm_dtype": ("float16", {"vllm_options": {"dtype": "float16"}}),
    "vllm_kv_cache_dtype": ("fp8", {"vllm_options": {"kv-cache-dtype": "fp8"}}),
    "vllm_trust_remote_code": (True, {"vllm_options": {"trust-remote-code": True}}),
}
OF_OTHER_TOOLS = {
    "tests",
    "integration_tests",
    "run_integration_tests",
    "vllm",
    "traefik_service",
    "trigger_sync_on_completion",
    "portainer",
    "step_ca",
    "step-ca",
    "storage_class",
    "balloon_min_mb",
    "vllm_model_type",
    "vllm_attention_backend",
    "vllm_nccl_so_path",
}
MINIMAL: dict[str, Any] = {
    "name": "web",
    "template": "local:vztmpl/a.tar.zst",
    "storage_size_gb": 8,
    "application_script": "app.sh",
}


def config_of(changes: dict[str, Any]) -> dict[str, Any]:
    """The container's configuration as the inventory makes it."""
    raw = {key: value for key, value in {**MINIMAL, **changes}.items() if value is not None}
    document = {"lxc_configs": {"950": raw}}
    return prepared(document, SCHEMA, lambda fleet: servers_of(fleet, Search())).fleet.containers["950"].config


def changed(under: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """What lies under, with the key set; `[]` is the first item of a list."""
    result = copy.deepcopy(under)
    parts = key.replace("[]", ".0").split(".")
    holder: Any = result
    for part in parts[:-1]:
        holder = holder[int(part)] if part.isdigit() else holder[part]
    holder[parts[-1]] = value
    return result


def folder_with_scripts(folder: Path) -> Path:
    """A folder with two scripts that read the variable of every key with an effect on it."""
    names = " ".join("$PHOENIX_" + key.upper() for key in SCHEMA["$defs"]["container"]["properties"])
    (folder / "app.sh").write_text(f"echo {names}\n")
    (folder / "other.sh").write_text(f"echo other {names}\n")
    return folder


def variables_of(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The host variables that matter, as the inventory sets them."""
    script = config.get("application_script")
    found = {"phoenix_application": {"name": script, "path": str(folder / script)}} if script else {}
    return {
        "phoenix_ctid": 950,
        "phoenix_name": config["name"],
        "phoenix_node": config.get("node", "pve"),
        "phoenix_config": config,
        "phoenix_config_dir": str(folder),
        **found,
    }


def plan_of(config: dict[str, Any], folder: Path, running: bool) -> dict[str, Any]:
    """The plan for the container: absent, or running with a change that waits for a restart."""
    variables = variables_of(config, folder)
    options = options_of(variables, lambda _own: lambda value: value, DataLoader())
    work = options["application"]
    source = ConfFile(head={"rootfs": "local:900/a.raw,size=4G", "unprivileged": "1", "hostname": "base"})
    wanted = Wanted(
        950,
        variables["phoenix_node"],
        options["config"],
        features_of(options["features"]),
        work and Application.from_json(work),
        options["state"],
        classes=tuple(options["classes"]),
        assignment=options["assignment"],
    )
    wanted = hostneeds.complete(wanted, NODE, there=THERE)
    if not running:
        return planner.plan(wanted, Observation(950, source=source), Record()).as_dict()
    head = {
        "hostname": "web",
        "rootfs": "local:950/a.raw,size=8G",
        "unprivileged": "1",
        "features": "nesting=1",
        "mp0": "fast:950/b.raw,mp=/data,size=8G",
    }
    conf = ConfFile(head=head, pending={"features": "nesting=1"})
    seen = Observation(950, exists=True, running=True, conf=conf, boot="1", source=source)
    # What is guarded is complete.
    word = "completed" if "guard" in config else "running"
    return planner.plan(wanted, seen, Record(word=word, ours=True)).as_dict()


def application_of(config: dict[str, Any], folder: Path) -> tuple[Any, Any]:
    """The application with its digest, and the health check as the module takes it."""
    variables = variables_of(config, folder)
    return application_files.application(variables, DataLoader()), application_files.health_check(config)


def schema_keys() -> dict[str, str]:
    """Every key of a container, those inside objects and lists too, with its effect."""
    return {name: str(piece["x-phoenix-effect"]) for name, piece in keys(SCHEMA["$defs"]["container"])}


def test_every_key_is_in_exactly_one_table():
    effects = schema_keys()
    silent = {name for name, effect in effects.items() if effect == NOT_ACTED_ON}
    assert set(effects) == silent | set(PLAN) | set(APPLICATION) | set(SERVERS)
    assert len(effects) == len(silent) + len(PLAN) + len(APPLICATION) + len(SERVERS)
    environment = {name for name, effect in effects.items() if effect.endswith(ENVIRONMENT)}
    assert environment == {name for name in APPLICATION if not name.startswith("health_check.")}


def test_the_keys_not_acted_on_are_these():
    silent = {name for name, effect in schema_keys().items() if effect == NOT_ACTED_ON}
    found = {name.partition(".")[0].removesuffix("[]") for name in silent}
    assert found == {"ports", *OF_OTHER_TOOLS}


@pytest.mark.parametrize("key", PLAN)
def test_changing_it_changes_the_plan(key: str, tmp_path: Path):
    folder = folder_with_scripts(tmp_path)
    under, value = PLAN[key]
    before, after = config_of(under), config_of(changed(under, key, value))
    absent = plan_of(before, folder, False) != plan_of(after, folder, False)
    there = plan_of(before, folder, True) != plan_of(after, folder, True)
    assert absent or there
    # These two concern existing containers; all others are in the plan of a container that does not exist yet.
    assert absent or key in ("restart_policy", "guard", "enable_lifecycle_snapshots")


def test_a_default_changes_the_plan_of_every_container_without_the_key(tmp_path: Path):
    folder = folder_with_scripts(tmp_path)
    plans = []
    for defaults in ({}, {"memory_mb": 4096, "tags": ["llm"]}):
        document = settled({"lxc_defaults": defaults, "lxc_configs": {"950": MINIMAL}}, SCHEMA)
        plans.append(plan_of(load_fleet(document).containers["950"].config, folder, False))
    assert plans[0] != plans[1]
    calls = [entry["params"] for step in plans[1]["steps"] for entry in step["entries"] if entry["op"] == "pve"]
    assert {"memory": "4096", "tags": "llm"} in calls


def test_the_keys_at_the_top_have_an_effect_or_say_that_they_have_none():
    top = {name: piece["x-phoenix-effect"] for name, piece in keys(SCHEMA) if "." not in name}
    acting = {name for name, effect in top.items() if effect != NOT_ACTED_ON}
    assert {"$schema", "lxc_configs", "lxc_defaults"} <= acting
    assert set(top) - acting == {"version", "author", "tests", "lxc_templates"}


@pytest.mark.parametrize("key", APPLICATION)
def test_changing_it_changes_the_application(key: str, tmp_path: Path):
    folder = folder_with_scripts(tmp_path)
    under, value = APPLICATION[key]
    before, after = config_of(under), config_of(changed(under, key, value))
    assert application_of(before, folder) != application_of(after, folder)


@pytest.mark.parametrize("key", SERVERS)
def test_a_server_reads_it(key: str):
    value, read = SERVERS[key]
    assert config_of({key: value}) == {**config_of({}), **read}


@pytest.mark.parametrize("key", [key for key, effect in schema_keys().items() if effect == NOT_ACTED_ON])
def test_what_is_not_acted_on_changes_no_plan(key: str, tmp_path: Path):
    folder = folder_with_scripts(tmp_path)
    after = {key: 1} if key in OF_OTHER_TOOLS else {"ports": [{"port": 8000, "name": "a"}]}
    assert plan_of(config_of({}), folder, False) == plan_of(config_of(after), folder, False), key


DISRUPTS = "x-phoenix-disrupts"
INSIDE = "work inside"
ORDER = ("nothing", INSIDE, "hot", "restart", "recreate", "impossible")


def settled_at(config: dict[str, Any], folder: Path) -> tuple[Wanted, Observation, Record]:
    """A running container that has all that its configuration asks for, and what is remembered of it."""
    options = options_of(variables_of(config, folder), lambda _own: lambda value: value, DataLoader())
    work = options["application"]
    work = work and Application.from_json(work)
    seen_from_here = Wanted(
        950,
        "pve",
        options["config"],
        features_of(options["features"]),
        work,
        options["state"],
        classes=tuple(options["classes"]),
        assignment=options["assignment"],
    )
    wanted = hostneeds.complete(seen_from_here, NODE, there=THERE)
    head = creation.created_config(
        wanted, {"rootfs": "local:900/a.raw,size=8G"} if "clone_from_ctid" in config else None
    )
    changes = Comparison(wanted, ConfFile(head=head), Record()).changes
    head = changes.onto(head)
    for key, value in head.items():
        parts = properties.parse(value, "volume")
        if key.startswith("mp") and parts["volume"].rpartition(":")[2].isdigit():
            pool, _colon, size = parts["volume"].partition(":")
            head[key] = properties.compose({**parts, "volume": f"{pool}:950/{key}.raw", "size": f"{size}G"}, "volume")
        elif key == "rootfs":
            head[key] = properties.compose({**parts, "volume": "local:950/a.raw"}, "volume")
        elif key.startswith("net"):
            head[key] = value if "hwaddr=" in value else f"{value},hwaddr=BC:24:11:00:00:01"
    raw = tuple(Comparison(wanted, ConfFile(), Record()).lines[0])
    walls = Comparison(wanted, ConfFile(), Record()).firewall(Firewall()).after
    features = {item.name: {"status": "applied", "digest": item.digest} for item in wanted.features}
    done = (
        {"status": "applied", "ctid": 950, "boot": "1", "digest": wanted.application.digest}
        if wanted.application
        else None
    )
    book = {"version": 1, "features": features, "application": done}
    conf = ConfFile(head=head, raw=raw, markers=(marker.line("i1"),))
    ours = {"firewall": walls, "ha": wanted.desired.ha}
    seen = Observation(950, exists=True, running=True, conf=conf, boot="1", ledger=book, **ours)
    known = {"id": "i1", "at": 1, **instance.evidence(conf)}
    volumes = mounts.completed(changes.volumes, conf)
    origin = creation.origin(wanted)
    record = Record("completed", True, changes.applied, origin=origin, volumes=volumes, instance=known)
    return wanted, seen, record


def disruption(before: dict[str, Any], after: dict[str, Any], folder: Path) -> str:
    """What a change of the configuration does to the running container, from the planner's own words."""
    wanted, seen, record = settled_at(before, folder)
    plan = planner.plan(wanted, seen, record)
    assert plan.steps == (), [step.as_dict() for step in plan.steps]
    told = set(plan.notes)
    wanted = settled_at(after, folder)[0]
    if after.get("node") != before.get("node"):
        seen = Observation(950, elsewhere="a container on node pve")
    plan = planner.plan(wanted, seen, record)
    if plan.error:
        return "recreate" if "phoenix_recreate_ctids" in plan.error else "impossible"
    if any("phoenix_recreate_ctids" in note for note in plan.notes if note not in told):
        return "recreate"
    return max((INSIDE if step.by_play else step.disrupts for step in plan.steps), key=ORDER.index, default="nothing")


@pytest.mark.parametrize("key", [*PLAN, *APPLICATION])
def test_what_it_does_to_a_running_container_is_what_the_schema_says(key: str, tmp_path: Path):
    folder = folder_with_scripts(tmp_path)
    if key in PLAN:  # what a script reads of its environment makes it run again, whatever else the key does
        (folder / "app.sh").write_text("true\n")
    under, value = {**PLAN, **APPLICATION}[key]
    if key in ("restart_policy", "guard", "enable_lifecycle_snapshots"):
        under = {}  # alone it does nothing; with something that waits it is the restart itself
    pieces = dict(keys(SCHEMA["$defs"]["container"]))
    before, after = config_of(under), config_of(changed(under, key, value))
    assert pieces[key][DISRUPTS] == disruption(before, after, folder)


def test_the_keys_that_do_nothing_say_nothing_of_it():
    for name, piece in keys(SCHEMA["$defs"]["container"]):
        assert (DISRUPTS in piece) == (piece["x-phoenix-effect"] != NOT_ACTED_ON), name
