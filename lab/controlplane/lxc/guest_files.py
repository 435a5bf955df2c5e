# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PVE writes into a guest before it starts: hostname, hosts, network, resolver, time zone; keys at creation.

The formats are those of PVE's setup for Debian guests (/etc/network/interfaces and marked blocks), as a product that
runs in the guest will find them. Blocking; called through a thread.
"""

from __future__ import annotations

import crypt
import ipaddress
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakepve.lxc import split_props
from fakepve.schema import parse_boolean

BEGIN, END = '# --- BEGIN PVE ---', '# --- END PVE ---'


class GuestRoot:
    """Writes below the root of one stopped guest, owned by its root."""

    def __init__(self, root: Path, shift: int) -> None:
        self.root = root
        self.shift = shift

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Replace a file. Whatever has the name now, a link too, is removed and never followed."""
        target = self.root / name.lstrip('/')
        self._safe_parent(target)
        if target.is_dir() and not target.is_symlink():
            return
        target.unlink(missing_ok=True)
        target.write_text(text)
        target.chmod(mode)
        self._own(target)

    def read(self, name: str) -> str:
        """The text of a regular file, '' for anything else."""
        target = self.root / name.lstrip('/')
        if target.is_symlink() or not target.is_file():
            return ''
        return target.read_text(errors='replace')

    def _safe_parent(self, target: Path) -> None:
        folder = self.root
        for part in target.relative_to(self.root).parts[:-1]:
            folder = folder / part
            if folder.is_symlink():
                raise OSError(f'{folder} is a link; not following a guest out of its root')
            if not folder.is_dir():
                folder.mkdir(mode=0o755)
                self._own(folder)

    def _own(self, target: Path) -> None:
        os.chown(target, self.shift, self.shift, follow_symlinks=False)

    # ---------------------------------------------------------------- at start
    def prepare(self, config: Mapping[str, Any]) -> None:
        """Everything that follows from the config, at creation and before each start."""
        if config.get('ostype') == 'unmanaged':
            return
        self._hostname(config)
        self._network(config)
        self._resolver(config)
        self._timezone(config)

    def _hostname(self, config: Mapping[str, Any]) -> None:
        hostname = str(config.get('hostname') or 'localhost')
        short = hostname.split('.', maxsplit=1)[0]
        self.write('etc/hostname', short + '\n')
        domain = str(config.get('searchdomain') or _host_search() or '').split(' ')[0]
        full = hostname if '.' in hostname else (f'{short}.{domain}' if domain else short)
        address = '127.0.1.1'
        for key in sorted(k for k in config if re.fullmatch(r'net\d+', k)):
            found = re.match(r'(\d+\.\d+\.\d+\.\d+)/\d+$', split_props(config[key])[1].get('ip', ''))
            if found:
                address = found.group(1)
                break
        names = ' '.join(dict.fromkeys((full, short)))
        localhost = '127.0.0.1 localhost.localnet localhost\n'
        block = f'{BEGIN}\n{address} {names}\n{END}\n'
        self.write('etc/hosts', _with_block(self.read('etc/hosts') or localhost, block))

    def _resolver(self, config: Mapping[str, Any]) -> None:
        if (self.root / 'etc/.pve-ignore.resolv.conf').exists():
            return
        search = config.get('searchdomain') or _host_search()
        servers = str(config.get('nameserver') or '').split() or _host_nameservers()
        lines = (['search ' + str(search)] if search else []) + ['nameserver ' + server for server in servers]
        # The whole file: what a DHCP client wrote into it before is of an earlier start.
        self.write('etc/resolv.conf', '{}\n{}\n{}\n'.format(BEGIN, '\n'.join(lines), END))

    def _timezone(self, config: Mapping[str, Any]) -> None:
        zone = config.get('timezone')
        if not zone:
            return
        if zone == 'host':
            zone = Path('/etc/timezone').read_text().strip() if Path('/etc/timezone').exists() else 'UTC'
        if (self.root / 'usr/share/zoneinfo' / str(zone)).exists():
            link = self.root / 'etc/localtime'
            link.unlink(missing_ok=True)
            link.symlink_to(f'/usr/share/zoneinfo/{zone}')
            self._own(link)

    def _network(self, config: Mapping[str, Any]) -> None:
        text = 'auto lo\niface lo inet loopback\niface lo inet6 loopback\n'
        for key in sorted(k for k in config if re.fullmatch(r'net\d+', k)):
            text += '\n' + interface(split_props(config[key])[1])
        self.write(
            'etc/network/interfaces',
            text + '\nsource /etc/network/interfaces.d/*\n'
            if (self.root / 'etc/network/interfaces.d').is_dir()
            else text,
        )

    # ------------------------------------------------------------- at creation
    def personalise(self, options: Mapping[str, Any]) -> None:
        """A new guest's identity: no machine-id yet, the root password and keys of the create call."""
        self.forget_identity()
        password = options.get('password')
        if password:
            hashed = crypt.crypt(str(password), crypt.METHOD_SHA512)
            shadow = re.sub(r'(?m)^root:[^:]*:', lambda _match: f'root:{hashed}:', self.read('etc/shadow'))
            self.write('etc/shadow', shadow, 0o640)
        keys = options.get('ssh-public-keys')
        if keys:
            self.write('root/.ssh/authorized_keys', str(keys).rstrip('\n') + '\n', 0o600)
            (self.root / 'root/.ssh').chmod(0o700)

        self._host_keys()

    def _host_keys(self) -> None:
        """New host keys, where the guest has a folder for them (PVE makes them after a create, not after a clone)."""
        if not (self.root / 'etc/ssh').is_dir() or (self.root / 'etc/ssh').is_symlink():
            return
        for kind in ('rsa', 'ecdsa', 'ed25519'):
            with tempfile.TemporaryDirectory() as folder:
                made = Path(folder, 'key')
                words = ['ssh-keygen', '-q', '-t', kind, '-N', '', '-C', 'root@localhost', '-f', str(made)]
                subprocess.run(words, check=True, timeout=60)
                for end, mode in (('', 0o600), ('.pub', 0o644)):
                    self.write(f'etc/ssh/ssh_host_{kind}_key{end}', made.with_name(f'key{end}').read_text(), mode)

    def forget_identity(self) -> None:
        """An empty machine-id: systemd makes a new one at the next boot (PVE does so after create and clone)."""
        if (self.root / 'etc/machine-id').exists():
            self.write('etc/machine-id', '')
        (self.root / 'var/lib/dbus/machine-id').unlink(missing_ok=True)


def interface(net: Mapping[str, str]) -> str:
    """The interfaces(5) stanzas of a netN."""
    name = net.get('name', 'eth0')
    out = f'auto {name}\n'
    for family, address, gateway in (('inet', net.get('ip'), net.get('gw')), ('inet6', net.get('ip6'), net.get('gw6'))):
        if address in ('dhcp', 'auto'):
            out += f'iface {name} {family} {address}\n'
        elif address and address != 'manual':
            out += f'iface {name} {family} static\n\taddress {address}\n'
            if gateway:
                network = ipaddress.ip_interface(address).network
                at = ipaddress.ip_address(gateway)
                if at not in network and not at.is_link_local:
                    out += f'# --- BEGIN PVE ---\n\tpost-up ip route add {gateway} dev {name}\n'
                    out += f'\tpost-up ip route add default via {gateway} dev {name}\n# --- END PVE ---\n'
                else:
                    out += f'\tgateway {gateway}\n'
        elif family == 'inet':
            out += f'iface {name} inet manual\n'
    return out


def flag(value: Any) -> bool:
    """A PVE boolean in any spelling."""
    return str(parse_boolean(str(value if value is not None else 0))) == '1'


def _with_block(text: str, block: str) -> str:
    """text with PVE's marked block replaced, or added at the end."""
    pattern = re.compile(re.escape(BEGIN) + r'\n.*?' + re.escape(END) + r'\n?', re.DOTALL)
    if pattern.search(text):
        return pattern.sub(lambda _match: block, text, count=1)
    return (text.rstrip('\n') + '\n' if text.strip() else '') + block


def _host_resolver(word: str) -> list[str]:
    return [
        line.split(None, 1)[1].strip()
        for line in Path('/etc/resolv.conf').read_text().splitlines()
        if line.startswith(word + ' ')
    ]


def _host_nameservers() -> list[str]:
    return _host_resolver('nameserver')


def _host_search() -> str:
    return ' '.join(_host_resolver('search'))
