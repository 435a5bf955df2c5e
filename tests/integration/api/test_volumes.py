# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes and waiting changes against the control planes of PVE 8 and 9: the calls, and where the data are."""

from __future__ import annotations

import re

import pytest
from fake_node import wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf

CONFIG = "/nodes/pve/lxc/950/config"
DATA = {"name": "data", "pool": "local", "size_gb": 1, "mount_point": "/data"}


def changes(node):
    """The config writes since the record was emptied."""
    return [params for method, path, params in node.mutations() if (method, path) == ("PUT", CONFIG)]


def drive(node, **config):
    """One run, then one that changes nothing; the config writes of the first."""
    node.forget_requests()
    outcome = node.apply(wanted(**config))
    assert outcome.last.error is None
    made = changes(node)
    node.forget_requests()
    again = node.apply(wanted(**config))
    assert (again.first.steps, node.mutations()) == ((), [])
    return made


def mounts(node, merged=False):
    """Slot -> (volume, path)."""
    conf = parse_conf(node.conf(950))
    values = conf.merged() if merged else conf.head
    found = {key: re.match(r"([^,]*),mp=([^,]*)", values[key]) for key in values if re.fullmatch(r"mp\d+", key)}
    return {key: match.groups() for key, match in found.items()}


def restart(node):
    """Somebody restarts the container."""
    node.call("POST", "/nodes/pve/lxc/950/status/reboot")


def test_a_volume_is_moved_renamed_and_attached_again(node):
    drive(node, volumes=[DATA])
    ((slot, (volume, _path)),) = mounts(node).items()
    made = drive(node, volumes=[{**DATA, "mount_point": "/srv/data"}])
    assert [set(params) for params in made] == [{slot}]
    restart(node)
    assert mounts(node) == {slot: (volume, "/srv/data")}
    assert drive(node, volumes=[{**DATA, "mount_point": "/srv//data/", "name": "models"}]) == []
    drive(node)
    restart(node)
    assert (mounts(node), parse_conf(node.conf(950)).head["unused0"]) == ({}, volume)
    drive(node, volumes=[{**DATA, "mount_point": "/back", "name": "models"}])
    restart(node)
    assert list(mounts(node).values()) == [(volume, "/back")]
    assert "unused0" not in parse_conf(node.conf(950)).head
    assert len(node.backend.volumes) == 2


def test_a_volume_whose_deletion_waits_comes_back_by_a_revert(node):
    drive(node, volumes=[DATA])
    there = mounts(node)
    assert drive(node) == [{"delete": "mp0"}]
    assert drive(node, volumes=[DATA]) == [{"revert": "mp0"}]
    restart(node)
    assert mounts(node) == there


def test_what_only_waits_goes_when_its_key_goes(node):
    """Without the revert PVE kept the value, and it came with the next start (PVE facts, 'Pending changes')."""
    drive(node, features=())
    bind = {"host_path": "/srv/a", "container_path": "/a"}
    node.call("PUT", CONFIG, {"mp0": "/srv/b,mp=/a"})
    node.apply(wanted(features=(), pct_options=["nesting=1"], mount_points=[{**bind, "host_path": "/srv/b"}]))
    made = drive(node, features=(), pct_options=["nesting=1"], mount_points=[bind])
    assert made == [{"mp0": "/srv/a,mp=/a"}]
    made = drive(node, features=())
    assert made == [{"revert": "features,mp0"}, {"delete": "mp0"}]
    restart(node)
    assert (mounts(node), "features" in parse_conf(node.conf(950)).head) == ({}, False)


@pytest.mark.parametrize("value", ["/srv/theirs,mp=/data/", "local:1,mp=/data"])
def test_a_hand_made_mount_point_is_refused_by_name(node, value):
    drive(node)
    node.call("PUT", CONFIG, {"mp4": value})
    node.forget_requests()
    outcome = node.apply(wanted(volumes=[DATA]))
    assert "volumes/0 (data): /data of container 950 is occupied by mp4" in outcome.last.error
    assert node.mutations() == []


def test_the_lab_keeps_a_pending_value_beside_a_pending_deletion(node):
    """As recorded: the deletion of what waits keeps the value, and at the start the value wins."""
    drive(node, features=())
    node.call("PUT", CONFIG, {"nameserver": "1.1.1.1"})
    restart(node)
    node.call("PUT", CONFIG, {"nameserver": "9.9.9.9"})
    node.call("PUT", CONFIG, {"delete": "nameserver"})
    conf = parse_conf(node.conf(950))
    assert (conf.pending["nameserver"], conf.deletions) == ("9.9.9.9", {"nameserver"})
    restart(node)
    assert parse_conf(node.conf(950)).head["nameserver"] == "9.9.9.9"
