# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs from and forwards of the host: packages, apt sources, resolver, certificates, MTU."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

from .run import LabError, run, say

# command -> Debian package that brings it
TOOLS = {
    'lxc-start': 'lxc',
    'mmdebstrap': 'mmdebstrap',
    'nft': 'nftables',
    'ip': 'iproute2',
    'zstd': 'zstd',
    'ssh': 'openssh-client',
    'ssh-keygen': 'openssh-client',
    'newuidmap': 'uidmap',
    'tar': 'tar',
    'mkfs.ext4': 'e2fsprogs',
    'mount': 'mount',
}
RESOLVERS = (Path('/etc/resolv.conf'), Path('/run/systemd/resolve/resolv.conf'))
LOCAL_CAS = Path('/usr/local/share/ca-certificates')
CA_BUNDLE = Path('/etc/ssl/certs/ca-certificates.crt')
FORWARDED_APT = re.compile(r'Acquire::(https?::|Check-|Retries|Languages|ForceIPv4|GzipIndexes|PDiffs)')


def require_root() -> None:
    if os.geteuid() != 0:
        raise LabError('the lab needs root: it makes containers, a bridge and a NAT rule')


def install_tools() -> None:
    """Install what is missing with apt. Idempotent and quick when nothing is."""
    path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)})
    if not missing:
        return
    if not shutil.which('apt-get', path=path):
        raise LabError(f"needed and not here: {', '.join(missing)} (this is no Debian, so install them by hand)")
    say('installing ' + ', '.join(missing))
    install = ['apt-get', '-qq', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', 'install']
    # Debian's lxc-net would add a bridge of its own and a dnsmasq; the lab brings its own network.
    Path('/etc/default').mkdir(exist_ok=True)
    if 'lxc' in missing and not Path('/etc/default/lxc-net').exists():
        Path('/etc/default/lxc-net').write_text('USE_LXC_BRIDGE="false"\n')
        install[2:2] = ['-o', 'Dpkg::Options::=--force-confold']
    if run(install + missing, check=False).returncode:
        run(['apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300', 'update'])
        run(install + missing)


def apt_sources(suite: str) -> str:
    """The host's own Debian sources as one-line entries for suite; third-party repositories are left out.

    Node and guests are always the same release, whatever the host's, so the host's release name is replaced.
    """
    found = re.search(r'^VERSION_CODENAME=(\w+)', Path('/etc/os-release').read_text(), re.MULTILINE)
    own = found.group(1) if found else suite
    entries: list[tuple[str, str, str]] = []
    for name in [Path('/etc/apt/sources.list'), *sorted(Path('/etc/apt/sources.list.d').glob('*'))]:
        if not name.is_file():
            continue
        if name.suffix == '.sources':
            entries += _deb822(name.read_text())
        else:
            entries += [
                (match[1], match[2], match[3])
                for match in re.finditer(r'(?m)^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(main\b.*)$', name.read_text())
            ]
    lines = [
        f'deb {uri} {suite + release[len(own) :]} {components}'
        for uri, release, components in entries
        if 'debian' in uri and re.match(re.escape(own) + r'(-(updates|security))?$', release)
    ]
    default = [
        f'deb http://deb.debian.org/debian {suite} main',
        f'deb http://deb.debian.org/debian {suite}-updates main',
        f'deb http://deb.debian.org/debian-security {suite}-security main',
    ]
    return '\n'.join(dict.fromkeys(lines or default)) + '\n'


def _deb822(text: str) -> list[tuple[str, str, str]]:
    """(URI, suite, components) of the enabled binary sources in a .sources file."""
    entries = []
    for stanza in re.split(r'\n\s*\n', re.sub(r'(?m)^#.*\n?', '', text)):
        fields = {key.lower(): value.split() for key, value in re.findall(r'(?m)^([\w-]+):[ \t]*(.*)$', stanza)}
        if (
            'deb' in fields.get('types', [])
            and fields.get('enabled') != ['no']
            and 'main' in fields.get('components', [])
        ):
            entries += [
                (uri, release, ' '.join(fields['components']))
                for uri in fields.get('uris', [])
                for release in fields.get('suites', [])
            ]
    return entries


def apt_conf() -> str:
    """The host's download settings (proxy, date checks, retries) as an apt.conf."""
    lines = [line for line in run(['apt-config', 'dump', 'Acquire']).stdout.splitlines() if FORWARDED_APT.match(line)]
    return '\n'.join(lines) + '\n' if lines else ''


def local_cas() -> dict[str, str]:
    """CA certificates that this site has added to Debian's: file name to PEM."""
    if not LOCAL_CAS.is_dir():
        return {}
    return {path.name: path.read_text() for path in sorted(LOCAL_CAS.glob('*.crt'))}


def nameservers() -> list[str]:
    """The host's resolvers that a container can reach; a stub on loopback is looked through."""
    for path in RESOLVERS:
        if path.exists():
            found = re.findall(r'^nameserver\s+(\d+\.\d+\.\d+\.\d+)', path.read_text(), re.MULTILINE)
            reachable = [address for address in found if not address.startswith('127.')]
            if reachable:
                return reachable[:3]
    raise LabError('no resolver in /etc/resolv.conf that a container could reach')


def mtu() -> int:
    """The MTU of the interface with the default route, so that nothing in the lab sends more."""
    routes = json.loads(run(['ip', '-j', '-4', 'route', 'show', 'default']).stdout or '[]')
    if not routes:
        return 1500
    return int(json.loads(run(['ip', '-j', 'link', 'show', 'dev', routes[0]['dev']]).stdout)[0]['mtu'])


def pip() -> list[str]:
    """A pip of the host, with the host's configuration; installs Debian's when there is none."""
    for python in dict.fromkeys((sys.executable, '/usr/bin/python3')):
        if run([python, '-m', 'pip', '--version'], check=False).returncode == 0:
            return [python, '-m', 'pip']
    say('installing python3-pip')
    run(['apt-get', '-qq', '-y', '--no-install-recommends', 'install', 'python3-pip'])
    return ['/usr/bin/python3', '-m', 'pip']
