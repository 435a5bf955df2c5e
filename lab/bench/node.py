# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node that the bench measures on, with what the parts need of it: templates, storages, and counts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support import warm
from support.site import CHECKOUT, CONTAINERS, TANK, TEMPLATE, WITH_PYTHON, Lab, Project, Run

from bench.costs import Act

# What each start of pct or pvesh costs on a real node (PVE facts, 'Cost of a call'); the lab's own take 0.04 s.
PERL_START = 0.41
# What PVE::Ticket loads and does there: a key of 2048 bits and Debian's libcrypt-openssl-rsa-perl, libnet-ssleay-perl,
# liburi-perl, libhttp-message-perl and Perl's own took 0.022 s (Debian 12, Perl 5.36, this machine). The lab's module
# loads Perl's own, too.
PERL_TICKET = 0.03
# The host names of all containers of the bench begin with it.
MARK = 'phoenix-bench-'
# A name that nobody else uses: the file is removed at the end.
TINY = 'phoenix-bench-1_amd64.tar.gz'
# A minimal root file system, because the bench runs many containers on one machine. It installs no package on the node:
# busybox comes from its package, by the node's lists of packages or by lists that are thrown away.
MAKE_TINY = """set -e
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"; mkdir -p own/lists/partial own/cache/archives/partial tiny
own="-o Dir::Cache=$work/own/cache"
apt-get -q $own download busybox-static >/dev/null 2>&1 || {{
  own="$own -o Dir::State::Lists=$work/own/lists"
  apt-get -q $own update >/dev/null 2>&1 || true  # a source without a subscription fails
  apt-get -q $own download busybox-static >/dev/null 2>&1 ||
    {{ echo 'busybox-static can not be downloaded by apt-get' >&2; exit 1; }}
}}
dpkg-deb -x busybox-static_*.deb package
cd tiny
mkdir -p bin sbin etc dev proc sys run tmp root var/lib usr/bin usr/sbin
cp "$(ls ../package/bin/busybox ../package/usr/bin/busybox 2>/dev/null)" bin/busybox
for name in sh cat ls ip mkdir mv rm cp chmod sync test true hostname env stat sleep; do ln -sf busybox bin/$name; done
ln -sf ../bin/busybox sbin/init
printf '::sysinit:/bin/true\\n::respawn:/bin/sleep 100000\\n::shutdown:/bin/true\\n' > etc/inittab
printf 'root:x:0:0:root:/root:/bin/sh\\n' > etc/passwd
printf 'root:x:0:\\n' > etc/group
printf 'ID=debian\\nVERSION_ID="12"\\n' > etc/os-release
echo 12.7 > etc/debian_version
tar -czf {path} --owner=0 --group=0 .
"""


class LeftOut(Exception):  # noqa: N818 - not an error: a part says why this node cannot show it
    """A part, or a figure, that this node cannot show; the text says why."""


class BenchNode(Lab):
    """The lab's node. A real one differs in what it overrides."""

    is_lab = True
    debian = TEMPLATE
    storage = 'local'
    bridge = 'vmbr0'
    templates = '/var/lib/vz/template/cache'

    def prepare(self) -> None:
        """Bring the node into the state that a part begins with."""
        self.up()
        self.sh(
            f'mkdir -p /etc/phoenix-lab && cd /etc/phoenix-lab && '
            f'echo {PERL_START} >perl-start-seconds && echo {PERL_TICKET} >perl-ticket-seconds'
        )

    def clean(self) -> None:
        """Remove what the bench created."""
        self.run('down')

    def forget_warmth(self) -> None:
        """Let the node's Python keep nothing between the runs but what a user's node keeps."""
        self.sh(f'rm -f {warm.SITE}/{warm.ON_NODE}.*')

    def tiny(self) -> str:
        """Create a template with a minimal root file system. Return its volume."""
        self.sh(MAKE_TINY.format(path=f'{self.templates}/{TINY}'))
        return f'local:vztmpl/{TINY}'

    def linking(self) -> str:
        """A storage that links the volumes of clones to those of their template."""
        self.sh(TANK)
        return 'tank'

    def create(self, ctid: int, words: str = '') -> str:
        """The command by which a person creates a container that this class may remove."""
        return (
            f'pct create {ctid} {self.debian} --hostname {MARK}{ctid} --rootfs {self.storage}:2 --unprivileged 1 '
            f'--net0 name=eth0,bridge={self.bridge},ip=dhcp {words}'
        )

    def create_with_python(self, ctid: int) -> None:
        """Create and start a container that has Python."""
        self.add_python_template()
        own = self.create(ctid, '--memory 256').replace(self.debian, WITH_PYTHON)
        self.sh(f'set -e; {own}; pct start {ctid}; {self.until_up(ctid)}')

    @staticmethod
    def until_up(ctid: int, what: str = 'test -d /run/systemd/system') -> str:
        """Wait in a script until a command succeeds in a container, one minute at most."""
        return f'n=600; until pct exec {ctid} -- {what}; do n=$((n-1)); [ $n -gt 0 ] || exit 1; sleep 0.1; done'

    def has_address(self, ctid: int) -> str:
        """Wait in a script until a container has an IPv4 address."""
        return self.until_up(ctid, "sh -c 'ip -4 addr show eth0 | grep -q inet'")

    def other_login(self) -> dict[str, Any]:
        """The variables with which another connection plugin than OpenSSH's reaches the node."""
        login = self.login
        return {
            'ansible_host': login['ansible_host'],
            'ansible_private_key_file': login['ansible_ssh_private_key_file'],
        }

    def calls(self, act: Act) -> int:
        """The calls to Proxmox VE while something is done."""
        self.forget_requests()
        act()
        return len(self.requests())

    def layers(self) -> dict[str, Any]:
        """The value of `layers` in the inventory source."""
        return {}


class BenchProject(Project):
    """A project whose containers carry the bench's mark, and whose runs end with the bench."""

    def __init__(self, node: BenchNode, folder: Path) -> None:
        super().__init__(node, folder)
        self.node = node
        # As new as a user's: where an earlier run, such as that of a bench, has judged a file, no work is expected.
        self._author = str(uuid.uuid4())

    def containers(self, **by_ctid: Mapping[str, Any]) -> None:
        """Write the containers, from the node's own Debian template on its own storage unless they say otherwise."""
        common = {
            'template': self.node.debian,
            'storage_pool': self.node.storage,
            'network_config': {'name': 'eth0', 'bridge': self.node.bridge, 'ip': 'dhcp'},
        }
        super().containers(
            **{key: {**common, 'name': MARK + key.lstrip('_'), **values} for key, values in by_ctid.items()}
        )
        file = self.folder / 'phoenix_lxc_configs.json'
        self.write(file.name, json.dumps({'author': self._author, **json.loads(file.read_text(encoding='utf-8'))}))

    def play(
        self,
        *words: str,
        playbook: str = CONTAINERS,
        cwd: Path = CHECKOUT,
        env: Mapping[str, str] | None = None,
        timeout: float = 7200,
        alone: bool = True,
    ) -> Run:
        """Run a playbook as a user does. When the bench is interrupted, none of its processes stays."""
        mark = f'PHOENIX_BENCH_RUN={uuid.uuid4()}'
        variables = {**self.environment(**(env or {})), **dict([mark.split('=')])}
        log = self.results.with_suffix('.log')
        with open(log, 'w', encoding='utf-8') as out:
            process = subprocess.Popen(
                self.command(*words, playbook=playbook),
                cwd=cwd,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                process.wait(timeout)
            except BaseException:
                end(process, mark)
                raise
        return Run(process.returncode, log.read_text(encoding='utf-8'), self.results)


def end(process: subprocess.Popen[bytes], mark: str) -> None:
    """End a run of Ansible with its workers, each of which has a session of its own and the mark in its environment."""
    process.kill()
    for folder in Path('/proc').glob('[0-9]*'):
        # The processes of others can't be read, and each may end at any time.
        with contextlib.suppress(OSError):
            mine = mark.encode() in (folder / 'environ').read_bytes().split(b'\0')
            if mine and b'ansible-playbook' in (folder / 'cmdline').read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
    process.wait()
