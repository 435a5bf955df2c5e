# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real container that somebody destroyed and made again under the same CTID is not taken for the one on record."""

from __future__ import annotations

import re

from support.site import CONTAINERS, SITE, TEMPLATE, WITH_PYTHON, Lab, Project

MARKER = re.compile(r'^lxc\.environment: PHOENIX_INSTANCE=(\S+)$', re.MULTILINE)
DESTROY = ('-e', 'phoenix_destroy=950', '-e', 'phoenix_destroy_confirm=950')
BY_HAND = f"""pct shutdown 950
pct destroy 950
pct create 950 {TEMPLATE} --rootfs local:1 --hostname theirs --unprivileged 1 --memory 128 \\
  --net0 name=eth0,bridge=vmbr0,ip=dhcp --start 1
pct exec 950 -- sh -c 'echo precious > /root/theirs'
"""


def markers(lab: Lab, ctid: int = 950) -> list[str]:
    """The instance ids in a container's config."""
    return MARKER.findall(lab.sh(f'cat /etc/pve/lxc/{ctid}.conf'))


def test_another_container_under_the_ctid_is_refused_and_can_be_adopted(lab: Lab, project: Project) -> None:
    values = {'features': [project.feature()], 'unprivileged': None, 'template': WITH_PYTHON}
    project.containers(_950={**values, 'storage_size_gb': None})
    project.play().good()
    first = markers(lab)
    assert len(first) == 1

    # What PVE and people do to ours changes nothing of that.
    lab.sh('pct set 950 --hostname renamed; pct reboot 950')
    run = project.play().good()
    assert run.state()['state'] == 'completed'
    assert markers(lab) == first
    lab.forget_requests()
    assert project.play().good().changed == 0
    assert lab.mutations() == []

    lab.sh(BY_HAND)
    before = lab.sh('cat /etc/pve/lxc/950.conf')
    lab.forget_requests()
    for words, playbook in (
        ((), SITE),
        (('--check',), CONTAINERS),
        (('-e', 'phoenix_recreate_ctids=950'), CONTAINERS),
        (DESTROY, 'playbooks/destroy.yml'),
    ):
        run = project.play(*words, playbook=playbook)
        said = ' '.join(run.output.split())
        assert run.rc != 0, (playbook, words)
        assert 'is not the container on record under that CTID, so it is left alone' in said, run.output
        assert 'theirs, running, 128 MiB' in said
        assert 'phoenix_adopt' in said
    assert lab.mutations() == []
    assert lab.sh('cat /etc/pve/lxc/950.conf') == before
    assert lab.guest(950, 'cat /root/theirs') == 'precious\n'

    # With consent it is ours, with an identity of its own.
    project.play('-e', 'phoenix_adopt=reapply').good()
    assert lab.word(950) == 'completed'
    assert lab.guest(950, 'cat /etc/marker') == 'marker'
    assert lab.guest(950, 'cat /root/theirs') == 'precious\n'
    own = markers(lab)
    assert len(own) == 1
    assert own != first
    assert project.play().good().changed == 0
    project.play(*DESTROY, playbook='playbooks/destroy.yml').good()
    assert lab.config(950) == {}
