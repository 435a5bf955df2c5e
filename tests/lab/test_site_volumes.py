# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume and its data through every edit of the file: moved, renamed, removed and brought back."""

from __future__ import annotations

import re

from support.figures import FIGURES
from support.site import Lab, Project

DATA = {'name': 'data', 'pool': 'local', 'size_gb': 1, 'mount_point': '/data'}
FILL = 'head -c 300000 /dev/urandom > /data/file; sync'


def mounted(lab: Lab) -> dict[str, str]:
    """Path -> PVE's volume of the mount points of container 950."""
    values = (value for key, value in lab.config(950).items() if re.fullmatch(r'mp\d+', key))
    found = (re.match(r'([^,]*),mp=([^,]*)', value) for value in values)
    return {match.group(2): match.group(1) for match in found if match}


def test_a_volume_keeps_its_data_whatever_the_file_calls_it(lab: Lab, project: Project) -> None:
    project.containers(_950={'volumes': [DATA]})
    project.play().good()
    lab.guest(950, FILL)
    before = lab.guest(950, 'md5sum < /data/file').split()[0]
    volume = mounted(lab)['/data']

    def expect(path: str, **changes: str) -> None:
        project.containers(_950={'volumes': [{**DATA, **changes}], 'restart_policy': 'if_needed'})
        project.play().good()
        assert mounted(lab) == {path: volume}
        assert lab.guest(950, f'md5sum < {path}/file').split()[0] == before
        assert project.play().good().changed == 0

    expect('/srv/data', mount_point='/srv/data')  # moved
    expect('/srv/data', mount_point='/srv/data/')  # the same path
    expect('/srv/data', mount_point='/srv/data', name='models')  # renamed

    # Removed, and brought back before the restart that would detach it: nothing but a revert.
    project.containers(_950={'volumes': [], 'restart_policy': 'never'})
    run = project.play().good()
    assert 'mp0' in run.output
    lab.forget_requests()
    expect('/srv/data', mount_point='/srv/data', name='models')
    assert [r['params'].get('revert') for r in lab.mutations() if r['method'] == 'PUT'] == ['mp0']

    # Removed for good, and attached again from unused0.
    project.containers(_950={'volumes': [], 'restart_policy': 'if_needed'})
    project.play().good()
    assert (mounted(lab), lab.config(950)['unused0']) == ({}, volume)
    expect('/back', mount_point='/back', name='models')
    assert 'unused0' not in lab.config(950)
    FIGURES.append(f'a volume moved, renamed, removed and brought back: md5 {before} before and after, {volume}')
