# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the connection tests connect to: containers of the lab's node over SSH, and a container of this machine.

A target has one running and one stopped container. It is made before the first test that needs it and removed after
the last; nothing of it is left behind.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[3]
LXC = pathlib.Path("/var/lib/lxc")
FIRST_CTID = 7950
#: The user in the guest for become, with a password so that its prompt is met.
USER, PASSWORD = "phx", "it's $ecret"

_READY = f"""
id {USER} >/dev/null 2>&1 || useradd -m -s /bin/sh {USER}
printf '%s:%s\\n' {USER} {shlex.quote(PASSWORD)} | chpasswd
"""


class UnavailableError(Exception):
    """The target can't be had here; the text says why and what would help."""


@dataclasses.dataclass
class Target:
    """Two containers, and the variables by which Ansible reaches them."""

    transport: str
    variables: dict[str, t.Any]
    running: int
    stopped: int
    missing: int

    def on_node(self, *command: str, check: bool = True) -> str:
        """Run a command on the node. Returns its output."""
        raise NotImplementedError

    def remove(self) -> None:
        """Remove what was made."""
        raise NotImplementedError


def _run(argv: list[str], check: bool = True, **kwargs: t.Any) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"{shlex.join(argv)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


class LabTarget(Target):
    """Containers that `pct create` made on the lab's node."""

    ssh: t.ClassVar[list[str]] = []

    def on_node(self, *command: str, check: bool = True) -> str:
        return _run([*self.ssh, shlex.join(command)], check=check)

    def remove(self) -> None:
        for ctid in (self.running, self.stopped):
            self.on_node("pct", "stop", str(ctid), check=False)
            self.on_node("pct", "destroy", str(ctid))


def lab_target() -> Target:
    """Make the containers on the lab's node. PHOENIX_LAB_FILES names the lab's folder when it is another checkout's."""
    lab = pathlib.Path(os.environ.get("PHOENIX_LAB_FILES") or ROOT / ".lab")
    if not (lab / "env").is_file():
        raise UnavailableError("needs the lab (make lab-up)")
    env = dict(re.findall(r"^(?:export )?(\w+)=(.*)$", (lab / "env").read_text(), re.MULTILINE))
    env = {name: shlex.split(value)[0] if value else "" for name, value in env.items()}
    options = ["-o", f"UserKnownHostsFile={env['PHOENIX_LAB_KNOWN_HOSTS']}", "-o", "StrictHostKeyChecking=yes"]
    address = env["PHOENIX_LAB_NODE_IP"]
    ssh = ["ssh", "-i", env["PHOENIX_LAB_SSH_KEY"], *options, "-o", "BatchMode=yes", f"root@{address}"]
    if subprocess.run([*ssh, "true"], capture_output=True, check=False, timeout=60).returncode != 0:
        raise UnavailableError("needs a lab that runs (make lab-up)")
    variables = {
        "ansible_host": address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": env["PHOENIX_LAB_SSH_KEY"],
        "ansible_ssh_common_args": shlex.join(options),
        "phoenix_node": env["PHOENIX_LAB_NODE"],
    }
    target = LabTarget("ssh", variables, FIRST_CTID, FIRST_CTID + 1, FIRST_CTID + 2)
    target.ssh = ssh  # type: ignore[misc]  # a ClassVar, for a class with one instance
    template = target.on_node("sh", "-c", "ls /var/lib/vz/template/cache | head -n 1").strip()
    network = f"name=eth0,bridge=vmbr0,ip={_guest_address(env)},gw={env['PHOENIX_LAB_GUEST_GATEWAY']}"
    common = ["--unprivileged", "1", "--rootfs", "local:2", "--memory", "512", "--features", "nesting=1"]
    try:
        for ctid in (target.running, target.stopped):
            target.on_node("pct", "create", str(ctid), f"local:vztmpl/{template}", *common, "--net0", network)
        target.on_node("pct", "start", str(target.running))
        inside = ["lxc-attach", "-n", str(target.running), "--", "/bin/sh", "-ec"]
        install = "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3 sudo passwd acl"
        target.on_node("sh", "-c", booted(target.running))
        target.on_node(*inside, f"{install} >/dev/null; {_READY}usermod -aG sudo {USER}")
    except BaseException:
        target.remove()
        raise
    return target


def booted(ctid: int) -> str:
    """A line for the node that waits until a container has booted. Without its bus, systemd is 'offline'."""
    state = f"lxc-attach -n {ctid} -- systemctl is-system-running --wait 2>/dev/null"
    return f"timeout 120 sh -c 'until {state} | grep -q -v -e offline -e starting -e unknown; do sleep 0.1; done'"


def _guest_address(env: dict[str, str]) -> str:
    prefix, _slash, length = env["PHOENIX_LAB_GUEST_NETWORK"].partition("/")
    return f"{prefix.rpartition('.')[0]}.250/{length}"


class LocalTarget(Target):
    """A container of this machine that shares /usr with it: made in no time, without an image."""

    def on_node(self, *command: str, check: bool = True) -> str:
        return _run(list(command), check=check)

    def remove(self) -> None:
        for ctid in (self.running, self.stopped):
            _run(["lxc-stop", "-k", "-n", str(ctid)], check=False)
            shutil.rmtree(LXC / str(ctid), ignore_errors=True)  # half made, where a set-up failed


def local_target() -> Target:
    """Make the containers on this machine, for the transport that needs no SSH."""
    if os.geteuid() != 0 or shutil.which("lxc-start") is None:
        raise UnavailableError("needs root and LXC on this machine")
    if not os.access("/usr/bin/python3", os.X_OK):
        raise UnavailableError("needs /usr/bin/python3 on this machine")
    first = _claim()
    variables = {"phoenix_pct_transport": "local", "phoenix_node": "here", "ansible_host": "192.0.2.1"}
    target = LocalTarget("local", variables, first, first + 1, first + 2)
    try:
        for ctid in (target.running, target.stopped):
            _make_container(ctid)
        _run(["lxc-start", "-n", str(target.running)])
        _run(["lxc-attach", "-n", str(target.running), "--", "/bin/sh", "-ec", _READY])
    except BaseException:
        target.remove()
        raise
    return target


def _claim() -> int:
    """The first of ten numbers that no other run on this machine has: who makes the folder has them."""
    for ctid in range(FIRST_CTID + 10, FIRST_CTID + 900, 10):
        with contextlib.suppress(FileExistsError):
            (LXC / str(ctid)).mkdir(parents=True)
            return ctid
    raise UnavailableError(f"has containers of all numbers from {FIRST_CTID + 10} on: remove those in {LXC}")


def _make_container(ctid: int) -> None:
    rootfs = LXC / str(ctid) / "rootfs"
    for name in ("usr", "etc", "tmp", "root", "home", "run", "dev", "proc", "sys", "var/tmp", "var/log"):
        (rootfs / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (rootfs / name).symlink_to(f"usr/{name}")
    for name in ("tmp", "var/tmp"):
        (rootfs / name).chmod(0o1777)
    for name in (
        "ld.so.cache",
        "ld.so.conf",
        "ld.so.conf.d",
        "nsswitch.conf",
        "login.defs",
        "pam.d",
        "security",
        "skel",
    ):
        source = pathlib.Path("/etc") / name
        if source.is_dir():
            shutil.copytree(source, rootfs / "etc" / name, symlinks=True)
        elif source.exists():
            shutil.copy(source, rootfs / "etc" / name)
    for name, text in (
        ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("shadow", "root:*:19000:0:99999:7:::\n"),
        ("group", "root:x:0:\nshadow:x:42:\n"),
        ("gshadow", "root:*::\n"),
        ("environment", ""),
    ):
        (rootfs / "etc" / name).write_text(text)
    config = {
        "lxc.include": "/usr/share/lxc/config/common.conf",
        "lxc.rootfs.path": f"dir:{rootfs}",
        "lxc.mount.entry": "/usr usr none bind,ro 0 0",
        "lxc.init.cmd": "/usr/bin/sleep infinity",
        "lxc.net.0.type": "empty",
        "lxc.apparmor.profile": "unconfined",
        "lxc.signal.halt": "SIGKILL",
    }
    text = "".join(f"{key} = {value}\n" for key, value in config.items())
    (LXC / str(ctid) / "config").write_text(text)
