# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two images: the node's root file system and the guests' template. Built once, kept under a content key.

An image appears under its final name by a rename, so a build that is killed leaves nothing that would be used.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import host
from .instance import CACHE_ROOT, locked
from .run import LabError, clean_env, run, say

RELEASE = 'bookworm'
# Raise it when the code below changes what an image holds.
REVISION = 5
NODE_PACKAGES = (
    'systemd',
    'systemd-sysv',
    'dbus',
    'openssh-server',
    'python3',
    'python3-venv',
    'perl',
    'lxc',
    'lxcfs',
    'uidmap',
    'iproute2',
    'ifupdown2',
    'nftables',
    'dnsmasq-base',
    'zstd',
    'procps',
    'iputils-ping',
    'curl',
    'logrotate',
    'ca-certificates',
    'netbase',
    'less',
    'libpam-systemd',
    'kmod',
    # What stands for a PVE node's ZFS and for the NFS server of its kernel; both run only when a test starts them.
    'zfs-fuse',
    'nfs-ganesha',
    'nfs-ganesha-vfs',
)
# As small as the templates in the field: no python3, curl, sshd or ca-certificates.
GUEST_PACKAGES = (
    'systemd',
    'systemd-sysv',
    'dbus',
    'ifupdown',
    'isc-dhcp-client',
    'iproute2',
    'iputils-ping',
    'netbase',
    'procps',
)
# As in Debian's own small images: nobody reads manuals in a guest that a test throws away, and without them apt, tar
# and the copying of a clone have half as many files to write. `right` holds each time zone again, with leap seconds.
DPKG_OPTIONS = (
    'force-unsafe-io',
    'path-exclude=/usr/share/doc/*',
    'path-include=/usr/share/doc/*/copyright',
    'path-exclude=/usr/share/man/*',
    'path-exclude=/usr/share/info/*',
    'path-exclude=/usr/share/lintian/*',
    'path-exclude=/usr/share/locale/*',
    'path-include=/usr/share/locale/locale.alias',
    'path-exclude=/usr/share/zoneinfo/right/*',
)
# /usr as Debian's installer merges it. Without this, mmdebstrap includes the package usrmerge, and with it Perl: a
# third of what each new guest would unpack.
MERGED_USR = '/usr/share/mmdebstrap/hooks/merged-usr'
# Every clone would carry the archives that its source has installed.
APT_CONF = 'APT::Keep-Downloaded-Packages "false";\nBinary::apt-get::APT::Keep-Downloaded-Packages "false";\n'
WHEELS = ('fakepve==0.5.0', 'aiohttp', 'cryptography')
# pip decides on 'only for Python below 3.13' by the host's Python, not the node's.
WHEELS_BY_PYTHON = ('typing_extensions',)
NODE_PYTHON = '3.11'
NODE_MASKED = (
    'lxc-net.service',
    'lxc.service',
    'lxc-monitord.service',
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'e2scrub_all.timer',
    'fstrim.timer',
    'dpkg-db-backup.timer',
    'console-getty.service',
    'getty@.service',
    'systemd-networkd.service',
    'systemd-timesyncd.service',
    # /proc/sys is the host's: the lab's node must not set kernel parameters for it at boot.
    'systemd-sysctl.service',
    'zfs-fuse.service',
    'nfs-ganesha.service',
    'nfs-ganesha-lock.service',
    # They want file systems of the kernel that are not there.
    'nfs-blkmap.service',
    'nfs-idmapd.service',
)
# What fails or makes no sense in an unprivileged container of a container; PVE masks the first four itself.
GUEST_MASKED = (
    'sys-kernel-config.mount',
    'sys-kernel-debug.mount',
    'sys-kernel-tracing.mount',
    'systemd-journald-audit.socket',
    'dev-hugepages.mount',
    'dev-mqueue.mount',
    'systemd-udevd.service',
    'systemd-udevd-kernel.socket',
    'systemd-udevd-control.socket',
    'systemd-udev-trigger.service',
    'systemd-modules-load.service',
    'systemd-sysctl.service',
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'systemd-logind.service',
    'e2scrub_all.timer',
    'fstrim.timer',
    'modprobe@.service',
)
GUEST_CA = 'usr/share/phoenix-lab/ca-bundle.crt'


@dataclass(frozen=True)
class Images:
    """Where the images of this host's settings are, or will be."""

    node: Path
    template: Path
    wheels: Path

    @property
    def ready(self) -> bool:
        return self.node.is_dir() and self.template.is_file()


def wanted() -> Images:
    """The images for this host's apt sources, settings and certificates; their names hold the content key."""
    seen = [
        REVISION,
        RELEASE,
        host.apt_sources(RELEASE),
        host.apt_conf(),
        host.local_cas(),
        NODE_PACKAGES,
        GUEST_PACKAGES,
        WHEELS,
        NODE_MASKED,
        GUEST_MASKED,
    ]
    key = hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:12]
    wheels = hashlib.sha256(json.dumps([WHEELS, NODE_PYTHON]).encode()).hexdigest()[:12]
    return Images(
        CACHE_ROOT / ('node-' + key), CACHE_ROOT / (f'template-{key}.tar.zst'), CACHE_ROOT / ('wheels-' + wheels)
    )


def ensure() -> Images:
    """Build what is missing, both images at a time. Another checkout that builds the same is waited for."""
    images = wanted()
    if images.ready:
        return images
    with locked(CACHE_ROOT / 'build.lock'):
        for stale in CACHE_ROOT.glob('*.building'):
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        with ThreadPoolExecutor(3) as pool:
            wheels = pool.submit(_wheels, images.wheels)
            jobs = [pool.submit(_node, images.node, wheels), pool.submit(_template, images.template)]
            for job in jobs:
                job.result()
    return images


def template_of(release: str) -> Path:
    """Build the guests' template of another release than the lab's own, unless it is there."""
    own = wanted().template
    target = own.with_name(f'{release}-{own.name}')
    with locked(CACHE_ROOT / 'build.lock'):
        _template(target, release)
    return target


def purge(keep: set[str]) -> None:
    """Delete the caches, except images that another running lab stands on."""
    if not CACHE_ROOT.exists():
        return
    with locked(CACHE_ROOT / 'build.lock'):
        for path in CACHE_ROOT.iterdir():
            if str(path) not in keep and path.name != 'build.lock':
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    if not keep:
        shutil.rmtree(CACHE_ROOT)


def _die_with_us() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a killed `up` leaves no builder behind


def _mmdebstrap(target: Path, packages: tuple[str, ...], release: str = RELEASE) -> None:
    command = [
        'mmdebstrap',
        '--quiet',
        '--mode=root',
        '--variant=minbase',
        '--format=directory',
        *(['--hook-dir=' + MERGED_USR] if release == RELEASE else []),  # later releases merge it themselves
        '--include=' + ','.join(packages),
    ]
    command += ['--aptopt=' + line for line in host.apt_conf().splitlines()]
    command += ['--dpkgopt=' + option for option in DPKG_OPTIONS]
    done = subprocess.run(
        [*command, release, str(target), '-'],
        input=host.apt_sources(release),
        text=True,
        capture_output=True,
        env=clean_env(),
        preexec_fn=_die_with_us,
        check=False,
    )
    if done.returncode:
        raise LabError('mmdebstrap failed: ' + (done.stderr or done.stdout).strip()[-3000:])


def _common(root: Path, masked: tuple[str, ...], release: str = RELEASE) -> None:
    """What both images get: apt as on the host, masked units, nothing that identifies the build."""
    (root / 'etc/apt/sources.list').write_text(host.apt_sources(release))
    if host.apt_conf():
        (root / 'etc/apt/apt.conf.d/90host').write_text(host.apt_conf())
    if host.local_cas():
        folder = root / 'usr/local/share/ca-certificates'
        folder.mkdir(parents=True, exist_ok=True)
        for name, pem in host.local_cas().items():
            (folder / name).write_text(pem)
    # Guests and nodes are disposable, and dpkg's fsyncs would wait for every other lab on the disk.
    (root / 'etc/dpkg/dpkg.cfg.d/lab').write_text('\n'.join(DPKG_OPTIONS) + '\n')
    (root / 'etc/dpkg/dpkg.cfg.d/99mmdebstrap').unlink(missing_ok=True)
    (root / 'etc/apt/apt.conf.d/95lab').write_text(APT_CONF)
    units = root / 'etc/systemd/system'
    units.mkdir(parents=True, exist_ok=True)
    for unit in masked:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to('/dev/null')
    (root / 'etc/machine-id').write_text('')
    (root / 'var/lib/dbus/machine-id').unlink(missing_ok=True)
    (root / 'etc/resolv.conf').unlink(missing_ok=True)
    (root / 'etc/hostname').unlink(missing_ok=True)
    (root / 'etc/fstab').write_text('# the container configuration mounts everything\n')


def _wheels(target: Path) -> Path:
    """The control plane's Python packages for the node's Python, fetched with the host's pip and its settings."""
    if target.is_dir():
        return target
    say('downloading the control plane ({})'.format(', '.join(WHEELS)))
    building = target.with_suffix('.building')
    machine = platform.machine()
    platforms = [f'--platform=manylinux{tag}_{machine}' for tag in ('_2_28', '_2_17', '2014')]
    run(
        [
            *host.pip(),
            'download',
            '--quiet',
            '--disable-pip-version-check',
            '--only-binary=:all:',
            '--dest',
            str(building),
            '--implementation=cp',
            '--python-version=' + NODE_PYTHON,
            '--abi=cp' + NODE_PYTHON.replace('.', ''),
            '--abi=abi3',
            '--abi=none',
            *platforms,
            *WHEELS,
            *WHEELS_BY_PYTHON,
        ]
    )
    building.rename(target)
    return target


def _node(target: Path, wheels: object) -> None:
    if target.is_dir():
        return
    say('building the node image')
    building = target.with_suffix('.building')
    _mmdebstrap(building, NODE_PACKAGES)
    _common(building, NODE_MASKED)
    for key in (building / 'etc/ssh').glob('ssh_host_*'):
        key.unlink()
    (building / 'etc/ssh/sshd_config.d/phoenix-lab.conf').write_text(
        'PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\n'
    )
    for name in ('subuid', 'subgid'):
        (building / 'etc' / name).write_text('root:100000:65536\n')
    _keep_ports_of_guests(building / 'usr/share/ifupdown2/addons/bridge.py')
    packages = building / 'opt/phoenix-lab/wheels'
    shutil.copytree(wheels.result(), packages)  # type: ignore[attr-defined]  # a Future of Path
    chroot = ['chroot', str(building), '/usr/bin/env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root']
    run([*chroot, 'python3', '-m', 'venv', '/opt/phoenix-lab/venv'])
    run(
        [
            *chroot,
            '/opt/phoenix-lab/venv/bin/pip',
            'install',
            '--quiet',
            '--no-index',
            '--disable-pip-version-check',
            '--find-links',
            '/opt/phoenix-lab/wheels',
            *WHEELS,
        ]
    )
    run([*chroot, 'update-ca-certificates'])
    shutil.rmtree(packages)
    building.rename(target)
    say('node image ready')


def _keep_ports_of_guests(addon: Path) -> None:
    """As PVE's own ifupdown2 does: a reload leaves the guests' ports on their bridges. Debian's would take them off."""
    text = addon.read_text()
    given = "ifaceobj.get_attr_value_first('bridge-ports-condone-regex')"
    if text.count(given) != 1:
        raise LabError(f'{addon} is not as expected: the ports of guests would be lost at a reload')
    addon.write_text(text.replace(given, given + " or r'(veth|tap|fwpr|fwln)[0-9]+'"))


def _template(target: Path, release: str = RELEASE) -> None:
    if target.is_file():
        return
    say(f'building the guest template of {release}')
    building = target.with_name(target.name.split('.')[0] + '.building')
    _mmdebstrap(building, GUEST_PACKAGES, release)
    _common(building, GUEST_MASKED, release)
    if 'https://' in host.apt_sources(release) and host.CA_BUNDLE.exists():
        bundle = building / GUEST_CA
        bundle.parent.mkdir(parents=True)
        shutil.copy(host.CA_BUNDLE, bundle)
        (building / 'etc/apt/apt.conf.d/91ca').write_text(f'Acquire::https::CaInfo "/{GUEST_CA}";\n')
    archive = target.with_name(target.name + '.building')
    run(
        [
            'tar',
            '--create',
            '--numeric-owner',
            '--xattrs',
            '--use-compress-program=zstd -T0 -3',
            '--file',
            str(archive),
            '--directory',
            str(building),
            '.',
        ]
    )
    archive.rename(target)
    shutil.rmtree(building)
    say(f'guest template ready, {os.stat(target).st_size >> 20} MiB')
