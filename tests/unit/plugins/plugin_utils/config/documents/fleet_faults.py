# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults between keys, containers and files: the second part of the table in `faults.py`.

To add one, append to `CROSS_FAULTS`: `several` takes what changes in the good configuration, by paths with blanks.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.documents.faults import (
    GOOD,
    GOOD_HOST,
    REMOVE,
    Fault,
    dump,
    set_path,
)

BIND = [{"host_path": "/srv/models", "container_path": "/models"}]
DISK = {"name": "data", "pool": "local-zfs", "size_gb": 8, "mount_point": "/data"}
SECOND = {"name": "web", "template": "local:vztmpl/a.tar.zst", "network_config": {"ip": "192.0.2.51/24"}}
DHCP = {"network_config": {"ip": "dhcp"}}
THIRD = {"name": "third", "clone_from_ctid": "950", "network_config": {"ip": "dhcp"}}


def several(name: str, changes: dict[str, Any], at: str, remedy: str, expected: str = "", **more: Any) -> Fault:
    """The good containers' file with all of these changes; paths begin below `lxc_configs`, or with `/` at the top."""
    document = GOOD
    for path, value in changes.items():
        document = set_path(document, path[1:] if path[0] == "/" else "lxc_configs " + path, value)
    return Fault(name, at, remedy, expected, lxc=dump(document), **more)


def versions(name: str, top: dict[str, Any], nvidia: dict[str, Any], at: str, expected: str) -> Fault:
    """Both files with what they say of the driver."""
    lxc = dump({**GOOD, **top})
    return Fault(name, at, "the same version in both files", expected, lxc, dump({**GOOD_HOST, "nvidia": nvidia}))


CLONES = [
    several(
        "inherited static address",
        {"900 network_config": {"ip": "192.0.2.20/24"}, "950 network_config": {}},
        "/lxc_configs/950",
        'Add "ip"',
        "of its own",
    ),
    several(
        "static address inherited over two steps",
        {"951": {"name": "third", "clone_from_ctid": "952"}, "952": {"name": "mid", "clone_from_ctid": "950"}},
        "/lxc_configs/951",
        'Add "ip"',
        also=("/lxc_configs/952",),
    ),
    several(
        "source that stops before completed",
        {"900 target_state": "running"},
        "/lxc_configs/950/clone_from_ctid",
        "Remove target_state of 900",
        "taken to completed",
    ),
    several(
        "source that is to be removed",
        {"900 target_state": "absent"},
        "/lxc_configs/950/clone_from_ctid",
        "another container",
    ),
    several(
        "clone without its source's privileges",
        {"900 unprivileged": True, "950 unprivileged": False},
        "/lxc_configs/950/unprivileged",
        "Make the two equal",
        "the same as 900",
    ),
    several(
        "privileges of a source's source",
        {"900 unprivileged": False, "951": THIRD, "951 unprivileged": True},
        "/lxc_configs/951/unprivileged",
        "Make the two equal",
        "the same as 900",
    ),
    several(
        "clone with a smaller disk",
        {"900 storage_size_gb": 64, "950 storage_size_gb": 32},
        "/lxc_configs/950/storage_size_gb",
        "Write at least 64",
        "64 GiB of 900",
    ),
    several(
        "clone of a cycle of three",
        {"900 template": REMOVE, "900 clone_from_ctid": "951", "951": THIRD},
        "/lxc_configs/900/clone_from_ctid",
        "from a template",
        "a chain",
    ),
]

NETWORK = [
    several(
        "a name server that is no address",
        {"950 network_config": {"ip": "dhcp", "nameservers": "192.0.2.1, 192.0.2.300"}},
        "/lxc_configs/950/network_config/nameservers",
        "not names",
        "an address",
    ),
    several(
        "more name servers than are asked",
        {"950 network_config": {"ip": "dhcp", "nameservers": ["192.0.2.1", "192.0.2.2", "192.0.2.3", "::1"]}},
        "/lxc_configs/950/network_config/nameservers",
        "never asked",
        "3 name servers",
    ),
    several(
        "address outside the gateway's subnet",
        {"950 network_config": {"ip": "198.51.100.50/24"}},
        "/lxc_configs/950/network_config/ip",
        "prefix length",
        "subnet of its gateway 192.0.2.1",
    ),
    several(
        "prefix too long for the gateway",
        {"950 network_config": {"ip": "192.0.2.50/28"}},
        "/lxc_configs/950/network_config/ip",
        "Correct the address",
    ),
    several(
        "gateway of the clone source",
        {
            "/lxc_defaults network_config": {"bridge": "vmbr0"},
            "900 network_config": {"ip": "dhcp", "gw": "198.51.100.1"},
        },
        "/lxc_configs/950/network_config/ip",
        "or gw",
        "198.51.100.1",
    ),
    several(
        "address of the gateway",
        {"950 network_config": {"ip": "192.0.2.1/24"}},
        "/lxc_configs/950/network_config/ip",
        "Correct the address or gw",
        "other than the gateway's",
    ),
    several(
        "address of the subnet",
        {"950 network_config": {"ip": "192.0.2.0/24"}},
        "/lxc_configs/950/network_config/ip",
        "a host can have",
        "not the address of the subnet itself",
    ),
    several(
        "broadcast address",
        {"950 network_config": {"ip": "192.0.2.255/24"}},
        "/lxc_configs/950/network_config/ip",
        "a host can have",
        "not the broadcast address of the subnet",
    ),
    several(
        "broadcast address as gateway",
        {"950 network_config": {"ip": "192.0.2.50/24", "gw": "192.0.2.255"}},
        "/lxc_configs/950/network_config/ip",
        "or gw",
        "192.0.2.255 is a host, not the broadcast",
    ),
    several(
        "loopback address",
        {"950 network_config": {"ip": "127.0.0.5/8"}},
        "/lxc_configs/950/network_config/ip",
        "a host can have",
        "not a loopback",
        also=("/lxc_configs/950/network_config/ip",),
    ),
    several(
        "multicast gateway",
        {"950 network_config": {"gw": "224.0.0.1", "ip": "192.0.2.50/24"}},
        "/lxc_configs/950/network_config/gw",
        "a host can have",
        "not a multicast",
    ),
    several(
        "static_ip outside the subnet",
        {"950 network_config": {}, "950 static_ip": "10.0.0.5/24"},
        "/lxc_configs/950/static_ip",
        "Correct the address",
        "192.0.2.1",
    ),
    several(
        "clone of a container without interface",
        {"/lxc_defaults": {}, "950 network_config": {"ip": "dhcp"}},
        "/lxc_configs/950/network_config",
        'Add "bridge"',
    ),
    several(
        "one address as static_ip and as ip",
        {"951": {**SECOND, "network_config": {}, "static_ip": "192.0.2.50/24"}},
        "/lxc_configs/951/static_ip",
        "another address",
        "950 has it",
    ),
    several("one name in another case", {"951": {**SECOND, "name": "VLLMqwen3coder"}}, "/lxc_configs/951/name", "name"),
]

STORAGE = [
    several("bind mount on a source", {"900 mount_points": BIND}, "/lxc_configs/900/mount_points", "Move mount_points"),
    several(
        "bind mount on a template",
        {"950 mount_points": BIND, "950 is_template": True},
        "/lxc_configs/950/mount_points",
        "Move mount_points",
        "neither clone",
    ),
    several(
        "bind mount on what a snapshot is taken of for its clones",
        {"900 mount_points": BIND, "900 template_snapshot_name": "ready"},
        "/lxc_configs/900/mount_points",
        "use volumes",
    ),
    several(
        "bind mount beside guard",
        {"950 mount_points": BIND, "950 guard": "report"},
        "/lxc_configs/950/mount_points",
        "remove guard",
    ),
    several(
        "bind mount of the defaults on a source",
        {"/lxc_defaults mount_points": BIND},
        "/lxc_defaults/mount_points",
        "Move mount_points",
    ),
    several(
        "two mount points at one path",
        {"950 mount_points": [*BIND, {"host_path": "/srv/other", "container_path": "/models/"}]},
        "/lxc_configs/950/mount_points/1/container_path",
        "elsewhere",
        "mount_points/0 has it",
    ),
    several(
        "volume over a mount point",
        {"950 mount_points": BIND, "950 volumes": [{**DISK, "mount_point": "//models"}]},
        "/lxc_configs/950/volumes/0/mount_point",
        "elsewhere",
    ),
    several(
        "mount over the root",
        {"950 volumes": [{**DISK, "mount_point": "/"}]},
        "/lxc_configs/950/volumes/0/mount_point",
        "not the root",
    ),
    several(
        "two volumes of one name",
        {"950 volumes": [DISK, {**DISK, "mount_point": "/more"}]},
        "/lxc_configs/950/volumes/1/name",
        "another name",
    ),
    several(
        "volume of one and a half GiB",
        {"950 volumes": [{**DISK, "size_gb": 1.5}]},
        "/lxc_configs/950/volumes/0/size_gb",
        "Write a whole number",
        "a whole number",
    ),
    several(
        "flag with two values",
        {"950 pct_options": ["nesting=1", "nesting=0"]},
        "/lxc_configs/950/pct_options/1",
        "Remove one",
        '"nesting=1" stands before',
    ),
    several(
        "raw line in capitals",
        {"950 lxc_options": ["lxc.Cap.drop: mknod"]},
        "/lxc_configs/950/lxc_options/0",
        '"lxc.cap.drop: mk',
    ),
    several(
        "raw line without a value", {"950 lxc_options": ["lxc.cap.drop"]}, "/lxc_configs/950/lxc_options/0", "lxc."
    ),
    several("boot order", {"950 boot_order": 1000001}, "/lxc_configs/950/boot_order", "not greater than 1000000"),
    several("boot delay", {"950 boot_delay": -5}, "/lxc_configs/950/boot_delay", "not lower than 0"),
    several(
        "template as a relative path",
        {"900 template": "fast-templates/debian-12.tar.zst"},
        "/lxc_configs/900/template",
        "Name it as `pveam list STORAGE` does",
        "STORAGE:vztmpl/FILE",
    ),
]

GPUS = [
    several(
        "more ranks than GPUs",
        {"950 gpu_assignment": "0,1", "950 vllm_tensor_parallel_size": 4},
        "/lxc_configs/950/vllm_tensor_parallel_size",
        "assign more GPUs",
        "(2)",
    ),
    several(
        "ranks without a GPU",
        {"950 gpu_assignment": "none", "950 vllm_tensor_parallel_size": 2},
        "/lxc_configs/950/vllm_tensor_parallel_size",
        "Lower it",
        "(0)",
    ),
    several(
        "more ranks than the source's GPUs",
        {"900 gpu_assignment": "1", "950 vllm_tensor_parallel_size": 2},
        "/lxc_configs/950/vllm_tensor_parallel_size",
        "Lower it",
        "(1)",
    ),
    several(
        "a UUID of no vendor",
        {"950 gpu_assignment": "0,CARD-8f6a2c1e"},
        "/lxc_configs/950/gpu_assignment",
        "Write the UUID as the tool",
        "UUIDs of GPUs",
    ),
    several("a GPU twice", {"950 gpu_assignment": "0,0"}, "/lxc_configs/950/gpu_assignment", 'Write "0"', "once"),
    several(
        "a shared GPU too full",
        {
            "900 gpu_assignment": "0",
            "900 vllm_gpu_memory_utilization": 0.6,
            "950 gpu_assignment": "0,1",
            "950 vllm_gpu_memory_utilization": 0.5,
        },
        "/lxc_configs/950/vllm_gpu_memory_utilization",
        "Lower it",
        "at most 1.0",
    ),
    several(
        "all GPUs too full",
        {"900 vllm_gpu_memory_utilization": 0.6, "950 vllm_gpu_memory_utilization": 0.5},
        "/lxc_configs/950/vllm_gpu_memory_utilization",
        "Lower it",
    ),
    several(
        "full at boot in spite of target_state",
        {
            "950 vllm_gpu_memory_utilization": 0.6,
            "951": {**SECOND, "target_state": "configured", "start_at_boot": 1, "vllm_gpu_memory_utilization": 0.6},
        },
        "/lxc_configs/951/vllm_gpu_memory_utilization",
        "Lower it",
    ),
]

DRIVERS = [
    versions(
        "driver versions",
        {"nvidia_driver_version": "580.76.05"},
        {"driver_version": "575.57.08"},
        "/nvidia_driver_version",
        "575.57.08 in driver_version of host.json",
    ),
    versions(
        "driver version and old spelling",
        {"nvidia_driver_version": "580.76.05"},
        {"version": "575.57.08"},
        "/nvidia_driver_version",
        "575.57.08",
    ),
    versions(
        "driver version and run file",
        {"nvidia_runfile_url": "https://example.org/NVIDIA-Linux-x86_64-580.65.06.run"},
        {"driver_version": "580.76.05"},
        "/nvidia_runfile_url",
        "580.76.05",
    ),
    versions(
        "two versions in the host's file",
        {},
        {"driver_version": "580.76.05", "runfile_url": "https://example.org/NVIDIA-Linux-x86_64-575.57.08.run"},
        "/nvidia/driver_version",
        "575.57.08",
    ),
]

MODEL_STORE = {"path": "/srv/models", "models": ["acme/a", {"name": "acme/b"}]}


def stored(name: str, changes: dict[str, Any], store: dict[str, Any], at: str, remedy: str, expected: str) -> Fault:
    """A store of models beside containers with these changes."""
    host = dump({**GOOD_HOST, "model_store": {**MODEL_STORE, **store}})
    return several(name, changes, at, remedy, expected, host=host)


TO_CLONE = "Move vllm_model to the containers that are cloned from it"
MODELS = [
    stored(
        "a model twice", {}, {"models": ["a/b", {"name": "A/B"}]}, "/model_store/models/1/name", "one revision", "0"
    ),
    stored("a model in another", {}, {"models": ["a/b", "a"]}, "/model_store/models/1", "Remove one", "no folder"),
    *(
        stored(
            f"a stored model where it can't be mounted: {key}",
            {"950 vllm_model": "acme/b", f"950 {key}": value},
            {},
            "/lxc_configs/950/vllm_model",
            TO_CLONE,
            "bind mount",
        )
        for key, value in (("is_template", True), ("guard", "rollback"))
    ),
    stored(
        "a clone source with one", {"900 vllm_model": "acme/a"}, {}, "/lxc_configs/900/vllm_model", TO_CLONE, "clone"
    ),
    stored(
        "another mount in its place",
        {"950 vllm_model": "acme/a", "950 mount_points": [{**BIND[0], "host_path": "/srv/data"}]},
        {"container_path": "/models"},
        "/lxc_configs/950/vllm_model",
        "set container_path",
        "free",
    ),
]
TUN = {"path": "/dev/net/tun"}
DEVICES = [
    several("a device without a path", {"950 devices": [{"gid": 5}]}, "/lxc_configs/950/devices/0", "Write", "one of"),
    several(
        "a path and a class", {"950 devices": [{**TUN, "class": "nvidia-gpu"}]}, "/lxc_configs/950/devices/0", "Write"
    ),
    several(
        "a device twice",
        {"950 devices": [TUN, {**TUN, "gid": 5}]},
        "/lxc_configs/950/devices/1/path",
        "Remove one",
        "each device once",
    ),
    several(
        "a class of no vendor",
        {"950 devices": [{"class": "other-gpu"}]},
        "/lxc_configs/950/devices/0/class",
        "Write one of these",
        "nvidia-gpu",
    ),
    several(
        "a class beside no GPU",
        {"950 devices": [{"class": "nvidia-gpu"}], "950 gpu_assignment": "none"},
        "/lxc_configs/950/devices/0/class",
        "Assign GPUs",
    ),
    several(
        "an owner beside raw lines",
        {"950 devices": [{**TUN, "gid": 5}], "950 device_passthrough": "raw"},
        "/lxc_configs/950/devices/0/gid",
        '"device_passthrough": "dev"',
        "no gid beside device_passthrough raw",
    ),
]
CROSS_FAULTS = [*CLONES, *NETWORK, *STORAGE, *GPUS, *DRIVERS, *MODELS, *DEVICES]

FINE: dict[str, dict[str, Any]] = {
    "a container to be removed makes room": {
        "951": {**SECOND, "name": "vllmQwen3Coder", "network_config": {"ip": "192.0.2.50/24"}},
        "950 target_state": "absent",
    },
    "a clone that waits for its source": {"900 target_state": "configured", "950 target_state": "defined"},
    "a clone with its source's bridge": {
        "/lxc_defaults": {},
        "900 network_config": {"bridge": "vmbr0", "ip": "dhcp"},
    },
    "a second gateway of the other version, and one of a link that is down": {
        "950 networks": [
            {"name": "eth1", "bridge": "vmbr1", "ip6": "2001:db8::5/64", "gw6": "2001:db8::1"},
            {"name": "eth2", "bridge": "vmbr2", "ip": "10.1.0.5/24", "gw": "10.1.0.1", "link_down": True},
        ],
    },
    "a container that is restored, with the bridge of its backup": {
        "/lxc_defaults": {"template": "local:vztmpl/debian-12.tar.zst"},
        "900 network_config": {"bridge": "vmbr0", "ip": "dhcp"},
        "951": {"name": "again", "restore_from": "pbs:backup/ct/900/2026-11-23T18:32:10Z", **DHCP},
    },
    "a clone of what is only on the node": {"/lxc_defaults": {}, "950 clone_from_ctid": 777},
    "a GPU shared in turns": {
        "900 vllm_gpu_memory_utilization": 0.9,
        "900 is_template": True,
        "950 vllm_gpu_memory_utilization": 0.9,
        "951": {**SECOND, "vllm_gpu_memory_utilization": 0.9, "target_state": "configured"},
    },
    "GPUs side by side": {
        "950 gpu_assignment": "0",
        "950 vllm_gpu_memory_utilization": 0.9,
        "951": {**SECOND, "gpu_assignment": "1", "vllm_gpu_memory_utilization": 0.9},
    },
    "a GPU filled to the brim": {
        "900 vllm_gpu_memory_utilization": 0.3,
        "950 vllm_gpu_memory_utilization": 0.6,
        "951": {**SECOND, "vllm_gpu_memory_utilization": 0.1},
    },
    "one rank on the CPU": {"950 gpu_assignment": "none", "950 vllm_tensor_parallel_size": 1},
    "ranks on unknown GPUs": {"950 vllm_tensor_parallel_size": 8},
    "name servers as one text": {"950 network_config": {"ip": "dhcp", "nameservers": "192.0.2.1 ::1,192.0.2.2"}},
    "a bind mount on a clone": {"950 mount_points": BIND},
    "a snapshot of what nobody clones beside a bind mount": {
        "950 mount_points": BIND,
        "950 template_snapshot_name": "ready",
        "950 enable_lifecycle_snapshots": True,
    },
    "a clone with a template": {"950 template": "local:vztmpl/a.tar.zst"},
    "a dependency on a guest that the file has not": {"950 dependencies": ["1002"]},
    "a rule of a firewall twice": {"950 firewall": {"rules": ["IN ACCEPT -p tcp -dport 80"] * 2}},
    "a larger clone": {"900 storage_size_gb": 8, "950 storage_size_gb": 64},
    "a point-to-point address": {"/lxc_defaults": {}, "950": {**SECOND, "network_config": {"bridge": "vmbr0"}}},
}
"""What is no fault, however near it comes to one: changes of the good configuration."""
