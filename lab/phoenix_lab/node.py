# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node: an LXC container over the cached image, with its own upper layer and real directories for guests."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from . import disk, host, payload
from .images import Images
from .instance import NODE, Instance, write_atomically
from .run import LabError, run, say

# What the template is called on the node, as Proxmox's own of that release.
TEMPLATE = 'debian-12-standard_12.7-1_amd64.tar.zst'
CONFIG = '''# written by lab.py; the node of a lab
lxc.include = /usr/share/lxc/config/common.conf
lxc.include = /usr/share/lxc/config/nesting.conf
lxc.uts.name = {node}
lxc.arch = linux64
lxc.rootfs.path = overlay:{lower}:{upper}
lxc.apparmor.profile = unconfined
lxc.seccomp.profile =
lxc.cap.drop =
# The clock is the host's: timedated in the node would warp it by the zone's offset, chronyd would steer it.
lxc.cap.drop = sys_time
lxc.mount.auto =
lxc.mount.auto = proc:rw sys:rw cgroup:rw:force
lxc.{cgroup}.devices.allow = a
lxc.tty.max = 0
lxc.signal.halt = SIGRTMIN+3
# Docker's overlay2 in a guest needs a real file system under the guest's root.
lxc.mount.entry = {storage}/vz var/lib/vz none bind,create=dir 0 0
lxc.mount.entry = {storage}/lxc var/lib/lxc none bind,create=dir 0 0
lxc.mount.entry = {template} var/lib/vz/template/cache/{name} none bind,ro,create=file 0 0
# A boot of its own, by which a reboot of the node is recognized; the kernel has only the host's.
lxc.hook.pre-start = /bin/sh -c 'cat /proc/sys/kernel/random/uuid > {state}/boot_id'
lxc.mount.entry = {state}/boot_id proc/sys/kernel/random/boot_id none bind 0 0
lxc.mount.entry = /dev/fuse dev/fuse none bind,optional,create=file 0 0
lxc.mount.entry = /dev/net/tun dev/net/tun none bind,optional,create=file 0 0
lxc.mount.entry = /dev/loop-control dev/loop-control none bind,optional,create=file 0 0
lxc.net.0.type = veth
lxc.net.0.link = {bridge}
lxc.net.0.veth.pair = {veth}
lxc.net.0.name = eth0
lxc.net.0.mtu = {mtu}
lxc.net.0.flags = up
lxc.net.0.ipv4.address = {address}/24
lxc.net.0.ipv4.gateway = {gateway}
'''


# As an installed node has it, but for the uplink, which LXC has set up already: eth0 is no port of vmbr0 here.
INTERFACES = '''auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
\taddress {address}/24
\tgateway {gateway}
\tmtu {mtu}

auto vmbr0
iface vmbr0 inet static
\taddress {bridge}/{prefix}
\tbridge-ports none
\tbridge-stp off
\tbridge-fd 0
\tmtu {mtu}
'''


def interfaces(lab: Instance) -> str:
    """/etc/network/interfaces of the node as after its installation."""
    return INTERFACES.format(
        address=lab.node_ip, gateway=lab.host_ip, mtu=host.mtu(), bridge=lab.guests[1], prefix=lab.guests.prefixlen
    )


def config(lab: Instance, images: Images) -> str:
    """The LXC configuration of the node."""
    cgroup = 'cgroup2' if Path('/sys/fs/cgroup/cgroup.controllers').exists() else 'cgroup'
    return CONFIG.format(
        node=NODE,
        lower=images.node,
        upper=lab.upper,
        state=lab.state,
        cgroup=cgroup,
        storage=lab.storage,
        template=images.template,
        name=TEMPLATE,
        bridge=lab.bridge,
        veth=lab.veth,
        mtu=host.mtu(),
        address=lab.node_ip,
        gateway=lab.host_ip,
    )


def prepare(lab: Instance, images: Images, pve_version: str) -> None:
    """Everything that must lie there before the node boots. Repeatable."""
    disk.up(lab)
    for folder in (lab.lxcpath / lab.container, lab.upper, lab.storage / 'vz', lab.storage / 'lxc'):
        folder.mkdir(parents=True, exist_ok=True)
    for name in ('images', 'template/cache', 'template/iso', 'snippets', 'dump'):
        (lab.storage / 'vz' / name).mkdir(parents=True, exist_ok=True)
    write_atomically(lab.lxcpath / lab.container / 'config', config(lab, images))
    for name, comment in (('id_ed25519', 'phoenix-lab'), ('host_ed25519', 'root@' + NODE)):
        if not (lab.state / name).exists():
            temporary = lab.state / (name + '.new')
            for stale in (temporary, temporary.with_name(temporary.name + '.pub')):
                stale.unlink(missing_ok=True)
            run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', str(temporary)])
            temporary.with_name(temporary.name + '.pub').rename(lab.state / (name + '.pub'))
            temporary.rename(lab.state / name)
    public = (lab.state / 'host_ed25519.pub').read_text().split()
    write_atomically(lab.state / 'known_hosts', f'{lab.node_ip} {public[0]} {public[1]}\n')
    if not is_running(lab):
        push(lab, pve_version)


def settings(lab: Instance, pve_version: str) -> dict[str, Any]:
    """What the programs on the node must know of this lab."""
    return {
        'node': NODE,
        'node_ip': lab.node_ip,
        'guests': str(lab.guests),
        'mtu': host.mtu(),
        'nameservers': host.nameservers(),
        'pve_version': pve_version,
    }


def settings_digest(lab: Instance, pve_version: str) -> str:
    """Changes when the host's network does, so that a running node gets to know."""
    return hashlib.sha256(json.dumps(settings(lab, pve_version)).encode()).hexdigest()[:16]


def push(lab: Instance, pve_version: str) -> None:
    """Put the checkout's files and this instance's settings onto the node, running or not."""
    resolv = ''.join(f'nameserver {address}\n' for address in host.nameservers())
    key = (lab.state / 'id_ed25519.pub').read_bytes()
    generated = {
        'etc/phoenix-lab.json': (json.dumps(settings(lab, pve_version), indent=2).encode() + b'\n', 0o644),
        'etc/hostname': (NODE.encode() + b'\n', 0o644),
        'etc/hosts': (
            b'127.0.0.1 localhost.localdomain localhost\n%s %s.lab.internal %s\n'
            % (lab.node_ip.encode(), NODE.encode(), NODE.encode()),
            0o644,
        ),
        'etc/resolv.conf': (resolv.encode(), 0o644),
        'opt/phoenix-lab/interfaces': (interfaces(lab).encode(), 0o644),
        'opt/phoenix-lab/resolv.conf': (resolv.encode(), 0o644),
        'etc/ssh/ssh_host_ed25519_key': ((lab.state / 'host_ed25519').read_bytes(), 0o600),
        'etc/ssh/ssh_host_ed25519_key.pub': ((lab.state / 'host_ed25519.pub').read_bytes(), 0o644),
        'root/.ssh/authorized_keys': (key, 0o600),
    }
    timezone = Path('/etc/timezone')
    if timezone.exists():
        generated['etc/timezone'] = (timezone.read_bytes(), 0o644)
    archive = payload.archive(generated)
    unpack = ['tar', '--extract', '--no-same-owner', '--unlink-first', '--file=-']
    if is_running(lab):
        attach(lab, ['rm', '-rf', '/' + payload.SOURCE])
        attach(lab, [*unpack, '--directory=/'], stdin=archive)
    else:
        shutil.rmtree(lab.upper / payload.SOURCE, ignore_errors=True)  # not there the first time
        run([*unpack, '--directory=' + str(lab.upper)], stdin=archive)
        (lab.upper / 'root/.ssh').chmod(0o700)
        (lab.upper / 'root').chmod(0o700)
        _enable(lab)


def _enable(lab: Instance) -> None:
    """Enable the lab's units by hand: there is no systemd to ask before the first boot."""
    wants = lab.upper / 'etc/systemd/system/multi-user.target.wants'
    wants.mkdir(parents=True, exist_ok=True)
    for unit in (payload.NODE_FILES / 'etc/systemd/system').glob('*.service'):
        if '@' not in unit.name:
            (wants / unit.name).unlink(missing_ok=True)
            (wants / unit.name).symlink_to('/etc/systemd/system/' + unit.name)


def attach(lab: Instance, argv: list[str], stdin: bytes | None = None, check: bool = True) -> str:
    """Run argv as root on the node without the network; its standard output."""
    done = run(
        ['lxc-attach', '-P', str(lab.lxcpath), '-n', lab.container, '--clear-env', '--', *argv],
        check=check,
        stdin=stdin,
    )
    return done.stdout if isinstance(done.stdout, str) else done.stdout.decode(errors='replace')


def is_running(lab: Instance) -> bool:
    """Whether the container's monitor is alive, from its command socket."""
    return f'@{lab.lxcpath}/{lab.container}/command' in Path('/proc/net/unix').read_text()


def start(lab: Instance) -> None:
    """Boot the node; returns as soon as its init runs."""
    if not is_running(lab):
        log = lab.state / 'lxc.log'
        done = run(
            ['lxc-start', '-P', str(lab.lxcpath), '-n', lab.container, '-o', str(log), '-l', 'WARN'],
            check=False,
            stays=True,
        )
        if done.returncode:
            raise LabError(f'the node did not start; the end of {log}:\n{log.read_text()[-2000:]}')


def wait(lab: Instance, seconds: float = 180) -> None:
    """Until sshd and the control plane answer."""
    deadline = time.monotonic() + seconds
    for port in (22, 8006):
        while True:
            try:
                socket.create_connection((lab.node_ip, port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise LabError(
                        f'the node does not answer on port {port} after {seconds} s; see: lab.py logs'
                    ) from None
                time.sleep(0.1)


def stop(lab: Instance) -> None:
    """Kill the node with everything in it: guests, mounts and interfaces go with its namespaces."""
    deadline = time.monotonic() + 60
    while processes(lab, 'lxc-start') and time.monotonic() < deadline:
        time.sleep(0.05)  # the lxc-start of a killed `up`: what it starts can only be stopped once it is there
    if is_running(lab):
        run(['lxc-stop', '-P', str(lab.lxcpath), '-n', lab.container, '--kill'], check=False)
    deadline = time.monotonic() + 120
    while is_running(lab) or processes(lab):  # the monitor ends after its socket
        if time.monotonic() > deadline:
            raise LabError(f'the node container {lab.container} does not stop')
        time.sleep(0.05)
    say('node stopped')


def processes(lab: Instance, program: str = '') -> list[int]:
    """Processes of LXC for this node's container, or those of one program."""
    found = []
    for process in Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):  # it has ended
            words = (process / 'cmdline').read_bytes()
            if words.partition(b'\0')[0].endswith(program.encode()) and str(lab.lxcpath).encode() in words:
                found.append(int(process.name))
    return found
