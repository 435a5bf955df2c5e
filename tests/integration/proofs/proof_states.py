# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strategies: any desired config, and any state that a container on a real node may be in."""

from __future__ import annotations

import re
from typing import Any

from fake_node import TEMPLATE
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature

FEATURES = (
    Feature("one", "d1", needs={"features": {"nesting": True}}, rest={"layer": True}),
    Feature("two", "d2", rest={"layer": True}),
)
MACS = ("BC:24:11:AA:BB:CC", "bc:24:11:aa:bb:cc", "BC:24:11:00:00:01")
RAW = (
    "lxc.cgroup2.devices.allow: c 10:200 rwm",
    "lxc.mount.entry: /dev/fuse dev/fuse none bind,create=file",
    "lxc.apparmor.profile: unconfined",
    "lxc.environment = GREETING=hello world",
    "lxc.cap.drop:",
    "lxc.cap.drop: sys_time",
)

# ------------------------------------------------------------------------------------------------- what is wanted
network = st.fixed_dictionaries(
    {"bridge": st.sampled_from(["vmbr0", "vmbr1"])},
    optional={
        "name": st.sampled_from(["eth0", "eth1"]),
        "ip": st.sampled_from(["dhcp", "10.0.0.5/24"]),
        "gw": st.just("10.0.0.1"),
    },
)
volume = st.sampled_from(
    [
        {"name": "data", "pool": "local", "size_gb": 2, "mount_point": "/data"},
        {"name": "data", "pool": "local", "size_gb": 5, "mount_point": "/data"},
        {"name": "more", "pool": "tank", "size_gb": 1, "mount_point": "/more"},
        {"name": "srv", "size_gb": 1, "mount_point": "/srv/vol"},
    ]
)
mount = st.sampled_from(
    [
        {"host_path": "/srv", "container_path": "/mnt/srv"},
        {"host_path": "/srv/other", "container_path": "/mnt/other", "read_only": True},
    ]
)
config_keys: dict[str, Any] = {
    "name": st.sampled_from(["web", "db", "Mixed"]),
    "description": st.sampled_from(["one line", "two\nlines: 50 %", "\nGrüße \n\n# last\n", "by hand"]),
    "protection": st.booleans(),
    "memory_mb": st.integers(16, 8192),
    "swap_mb": st.integers(0, 1024),
    "cores": st.integers(1, 16),
    "start_at_boot": st.booleans(),
    "boot_order": st.integers(0, 20),
    "boot_delay": st.integers(0, 60),
    "pct_options": st.lists(
        st.sampled_from(["nesting=1", "keyctl=1", "fuse=1", "nesting=0", "mknod=1"]), max_size=3, unique=True
    ),
    "lxc_options": st.lists(st.sampled_from(RAW), unique=True, max_size=3),
    "tags": st.lists(st.sampled_from(["a", "LLM", "web"]), unique=True, max_size=3),
    "mac_address": st.sampled_from(MACS),
    "network_config": network,
    "static_ip": st.sampled_from(["10.0.0.7/24"]),
    "storage_pool": st.sampled_from(["local", "tank"]),
    "storage_size_gb": st.integers(8, 12),
    "volumes": st.lists(volume, max_size=3, unique_by=lambda item: item["mount_point"]),
    "mount_points": st.lists(mount, max_size=2, unique_by=lambda item: item["container_path"]),
    "restart_policy": st.sampled_from(["if_needed", "never"]),
    "guard": st.sampled_from(["none", "report", "rollback"]),
}
configs = st.fixed_dictionaries({"template": st.just(TEMPLATE)}, optional=config_keys)

# -------------------------------------------------------------------------------------------------- current states
_nets = [
    "name=eth0,bridge=vmbr9,hwaddr=BC:24:11:00:00:01,ip=dhcp,tag=4,type=veth",
    "name=eth1,bridge=vmbr0,firewall=1,hwaddr=bc:24:11:aa:bb:cc,type=veth",
    "name=eth0,bridge=vmbr0,gw=10.0.0.1,hwaddr=BC:24:11:AA:BB:CC,ip=10.0.0.5/24,ip6=auto,mtu=1400,rate=5,type=veth",
    "name=eth0,hwaddr=BC:24:11:00:00:02,link_down=1,type=veth",
]
_features = ["nesting=1", "fuse=1,mount=nfs;cifs", "keyctl=1,nesting=1", "force_rw_sys=1,mknod=1", "nesting=0"]
_startups = ["3", "order=3", "order=2,up=5,down=9", "up=30", "order=7,up=0"]
plain = {
    "arch": st.just("amd64"),
    "ostype": st.sampled_from(["debian", "unmanaged"]),
    "swap": st.integers(0, 1024).map(str),
    "cores": st.integers(1, 16).map(str),
    "cpulimit": st.sampled_from(["0", "1.5", "2"]),
    "cpuunits": st.sampled_from(["100", "2048"]),
    "onboot": st.sampled_from(["0", "1"]),
    "startup": st.sampled_from(_startups),
    "features": st.sampled_from(_features),
    "net0": st.sampled_from(_nets),
    "net1": st.sampled_from(["name=eth5,bridge=vmbr1,hwaddr=BC:24:11:00:00:09,ip=manual,type=veth"]),
    "tags": st.sampled_from(["a;b", "web", " "]),
    "mp0": st.sampled_from(
        [
            "local:950/vm-950-disk-1.raw,mp=/data,size=1G",
            "tank:subvol-950-disk-1,mp=/more,acl=1,backup=1,size=1G",
            "local:950/vm-950-disk-1.raw,mp=/data,mountoptions=noatime;discard,size=2048M",
            "/srv,mp=/mnt/srv",
        ]
    ),
    "mp3": st.sampled_from(["local:950/vm-950-disk-3.raw,mp=/theirs,size=3G", "/srv,mp=/mnt/srv,ro=1"]),
    "unused0": st.just("local:950/vm-950-disk-7.raw"),
    "unprivileged": st.sampled_from(["1", "0"]),
    "nameserver": st.sampled_from(["1.1.1.1", "1.1.1.1 9.9.9.9"]),
    "searchdomain": st.just("example.org"),
    "timezone": st.just("host"),
    "cmode": st.sampled_from(["shell", "tty"]),
    "console": st.just("0"),
    "tty": st.just("3"),
    "protection": st.sampled_from(["0", "1"]),
    "future_key": st.just("from a later version"),
}
heads = st.fixed_dictionaries(
    {
        "hostname": st.sampled_from(["was", "web"]),
        "memory": st.integers(16, 8192).map(str),
        "rootfs": st.sampled_from(
            [
                "local:950/vm-950-disk-0.raw,size=8G",
                "local:950/vm-950-disk-0.raw,size=8192M",
                "tank:subvol-950-disk-0,acl=1,mountoptions=noatime,size=4G",
                "local:950/vm-950-disk-0.raw,quota=1,size=4G",
                "local:950/subvol-950-disk-0.subvol,size=0T",
            ]
        ),
    },
    optional=plain,
)
_pending = ("features", "nameserver", "net0", "startup", "tags", "cores", "swap", "timezone")
_volume = "local:950/vm-950-disk-1.raw"
_waiting_mounts = {
    # A volume on its way elsewhere, another disk in its place, a bind mount; and mount points that only wait.
    "mp0": st.sampled_from([f"{_volume},mp=/hand,size=1G", "local:1,mp=/data", "/srv,mp=/mnt/srv", "/srv,mp=/data"]),
    "mp3": st.sampled_from(["/srv/other,mp=/mnt/other", "/srv,mp=/mnt/srv", f"{_volume},mp=/data,size=1G"]),
    "mp5": st.sampled_from(["/srv,mp=/mnt/srv", "/srv/other,mp=/mnt/other,ro=1", "/srv,mp=/more/"]),
}
pendings = st.fixed_dictionaries({}, optional={**{key: plain[key] for key in _pending}, **_waiting_mounts})
deletions = st.lists(st.sampled_from(["features", "nameserver", "mp0", "mp3", "timezone", "searchdomain"]), unique=True)
raws = st.lists(st.sampled_from([*RAW[:3], "lxc.environment: THEIRS=1", *RAW[4:]]), unique=True, max_size=3)
descriptions = st.sampled_from(["", "#by hand\n", "#two\n#lines%3A here\n", "#Gr%C3%BC%C3%9Fe\n"])


def _render(head: dict[str, str], raw: list[str]) -> str:
    lines = [f"{key}: {head[key]}" for key in sorted(head)]
    return "".join(f"{line}\n" for line in [*lines, *[text.replace(" = ", ": ", 1) for text in raw]])


_ON_DIRECTORY = re.compile(r"local:950/(?:vm|subvol)-950-disk-(\d)\.(?:raw|subvol)")


@st.composite
def confs(draw: Any) -> tuple[str, bool]:
    """(text of a config file, running): drift of every kind, pending values and deletions, snapshots.

    A container that was stopped by hand has what waits, too. A key may have a pending value and a pending deletion.
    """
    head = draw(heads)
    raw = draw(raws)
    running = draw(st.booleans())
    snapshots = draw(st.sampled_from([0, 0, 1, 2]))
    if snapshots:
        head["parent"] = f"snap{snapshots}"
    text = draw(descriptions) + _render(head, raw)
    if running or draw(st.booleans()):
        waiting = {key: value for key, value in draw(pendings).items() if head.get(key) != value}
        gone = [key for key in draw(deletions) if key in head]
        if gone:
            waiting["delete"] = ",".join(gone)
        if waiting:
            text += "\n[pve:pending]\n" + _render(waiting, [])
    for index in range(snapshots):
        old = {
            **{key: head[key] for key in ("rootfs", "hostname")},
            "memory": "99",
            "snaptime": str(1700000000 + index),
        }
        text += f"\n[snap{index + 1}]\n" + _render(old, raw[:index])
    if draw(st.booleans()):  # every volume where containers can have snapshots
        text = _ON_DIRECTORY.sub(r"tank:subvol-950-disk-\1", text)
    return text, running


# ---------------------------------------------------------------------------------------------- what is remembered
applied_features = st.sampled_from([(), ("one",), ("one", "two")])
adoptions = st.sampled_from(["ours", "ours", "ours", "record", "reapply"])
