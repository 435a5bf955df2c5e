# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A settled fleet: what the run costs that finds nothing to do."""

from __future__ import annotations

from pathlib import Path

from support.site import Lab, Project

from bench.figures import Figure, seconds

FIRST = 1000
TEMPLATE = 'local:vztmpl/bench-1_amd64.tar.gz'
# The smallest system that boots: so many containers are to run on one small machine.
MAKE_TEMPLATE = """set -e
apt-get -q update >/dev/null
apt-get -q -y install busybox-static >/dev/null
mkdir -p /tmp/tiny && cd /tmp/tiny
mkdir -p bin sbin etc dev proc sys run tmp root var/lib usr/bin usr/sbin
cp /usr/bin/busybox bin/busybox 2>/dev/null || cp /bin/busybox bin/busybox
for name in sh cat ls ip mkdir mv rm cp chmod sync test hostname env stat sleep; do ln -sf busybox bin/$name; done
ln -sf ../bin/busybox sbin/init
printf '::sysinit:/bin/true\\n::respawn:/bin/sleep 100000\\n::shutdown:/bin/true\\n' > etc/inittab
printf 'root:x:0:0:root:/root:/bin/sh\\n' > etc/passwd
printf 'root:x:0:\\n' > etc/group
printf 'ID=debian\\nVERSION_ID="12"\\n' > etc/os-release
echo 12.7 > etc/debian_version
tar -czf /var/lib/vz/template/cache/bench-1_amd64.tar.gz .
"""


def entries(count: int) -> dict[str, dict[str, object]]:
    """Containers that run and have no features."""
    common = {'template': TEMPLATE, 'storage_size_gb': 1, 'memory_mb': 64, 'network_config': None}
    return {f'_{FIRST + index}': {**common, 'name': f'fleet-{index}'} for index in range(count)}


def measure(lab: Lab, folder: Path, size: int) -> list[Figure]:
    """The run over one settled container, and over all of them."""
    lab.sh(MAKE_TEMPLATE)
    project = Project(lab, folder)
    play = 'playbooks/containers.yml'
    project.containers(**entries(size))
    project.play('--forks', '4', playbook=play).good()

    def settled() -> None:
        run = project.play(playbook=play).good()
        if run.changed:
            raise RuntimeError(f'not settled:\n{run.output}')

    lab.forget_requests()
    many = seconds(settled, 3)
    calls = len(lab.requests()) / 3 / size
    project.containers(**entries(1))
    one = seconds(settled, 3)
    what = f'settled containers.yml, {size} containers against 1'
    details = f'{many:.1f} s against {one:.1f} s'
    return [
        Figure(what, many / one, 3.0, ' times', details=details),
        Figure('PVE calls for a settled container', calls, 2.0),
    ]
