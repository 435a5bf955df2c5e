# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What waits for a restart is reverted where it is not wanted any more (PVE facts, 'Pending changes')."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import growth
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config.compare import Comparison
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.known import instance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner, recreate
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf

PUT = "PUT /nodes/pve/lxc/950/config"
BIND = {"host_path": "/srv/a", "container_path": "/a"}


def plan(live="", pending="", applied=None, running=True, known=None, **config):
    lines = "rootfs: local:950/vm-950-disk-0.raw\nlxc.environment: PHOENIX_INSTANCE=i1\n"
    conf = parse_conf(f"hostname: web\n{live}{lines}\n[pve:pending]\n{pending}")
    seen = Observation(950, exists=True, running=running, conf=conf, boot="b1" if running else None)
    own = {"id": "i1", **instance.evidence(conf)}
    record = Record(word="completed", ours=True, applied={"hostname": "web", **(applied or {})}, instance=own)
    record = replace(record, volumes=known or {})
    return planner.plan(Wanted(950, "pve", {"name": "web", **config}), seen, record)


def calls(made):
    return [dict(entry.params) for step in made.steps for entry in step.entries if entry.what == PUT]


def test_a_pending_value_and_a_pending_deletion_are_both_read():
    conf = parse_conf(
        "cores: 1\nmp0: local:950/a.raw,mp=/a\n[pve:pending]\ncores: 2\ndelete: cores,mp0,swap\nmp0: /b,mp=/b\n"
    )
    assert conf.pending == {"cores": "2", "mp0": "/b,mp=/b", "swap": None}
    assert conf.deletions == {"cores", "mp0", "swap"}
    assert conf.merged() == {"cores": "2", "mp0": "/b,mp=/b"}
    assert conf.reverted(["mp0", "cores"]).merged() == conf.head


@pytest.mark.parametrize("running", [True, False])
def test_an_option_that_only_waits_is_reverted_when_its_key_goes(running):
    made = plan(pending="features: nesting=1\n", applied={"features": {"nesting": "1"}}, running=running)
    assert calls(made) == [{"revert": "features"}]
    assert "features: nesting=1 waits for a restart and is reverted" in made.steps[0].reason


def test_a_bind_mount_that_only_waits_is_reverted_when_its_key_goes():
    applied = {"mp0": {"volume": "/srv/a", "mp": "/a"}}
    assert calls(plan(pending="mp0: /srv/a,mp=/a\n", applied=applied)) == [{"revert": "mp0"}]
    both = plan(pending="delete: mp0\nmp0: /srv/a,mp=/a\n", live="mp0: /srv/b,mp=/a\n", applied=applied)
    assert calls(both) == [{"revert": "mp0"}, {"delete": "mp0"}]


def test_the_volume_of_somebody_else_that_runs_below_our_waiting_mount_is_left_alone():
    """A mount point that waits says nothing about the volume that the container runs with in the same slot."""
    bind = {"mp": "/mnt/other", "volume": "/srv/other"}
    theirs, waiting = "mp3: tank:subvol-950-disk-3,mp=/theirs\n", "mp3: /srv/other,mp=/mnt/other\n"
    made = plan(live=theirs, pending=waiting, applied={"mp3": bind})
    assert calls(made) == [{"revert": "mp3"}]


def test_a_volume_that_is_mounted_twice_keeps_the_slot_on_record():
    volume = "local:950/vm-950-disk-1.raw"
    twice = f"mp0: {volume},mp=/hand,size=1G\nmp3: {volume},mp=/data,size=1G\n"
    data = {"name": "data", "size_gb": 1, "mount_point": "/data"}
    known = {"data": {"slot": "mp3", "mp": "/data", "volume": volume}}
    made = plan(live=twice, applied={"mp3": {"mp": "/data"}}, known=known, volumes=[data])
    assert calls(made) == []


@pytest.mark.parametrize("known", [True, False])
def test_our_volume_that_runs_is_deleted_although_its_new_path_waits(known):
    made = plan(
        live="mp3: local:950/vm-950-disk-1.raw,mp=/old\n",
        pending="mp3: local:950/vm-950-disk-1.raw,mp=/new\n",
        applied={"mp3": {"mp": "/new"}},
        known={"data": {"slot": "mp3", "mp": "/new", "volume": "local:950/vm-950-disk-1.raw"}} if known else {},
    )
    assert calls(made) == [{"revert": "mp3"}, {"delete": "mp3"}]


def test_what_differs_live_and_pending_is_reverted_then_deleted():
    made = plan("features: keyctl=1\n", "features: keyctl=1,nesting=1\n", {"features": {"keyctl": "1", "nesting": "1"}})
    assert calls(made) == [{"revert": "features"}, {"delete": "features"}]
    assert made.waiting == ("features",)


def test_what_runs_already_as_it_is_wanted_is_reverted_not_sent_again():
    applied = {"features": {"nesting": "1"}}
    made = plan("features: keyctl=1,nesting=1\n", "features: keyctl=1\n", applied, pct_options=["nesting=1"])
    assert calls(made) == [{"revert": "features"}]
    assert made.waiting == ()
    gone = plan("features: nesting=1\n", "delete: features\n", applied, pct_options=["nesting=1"])
    assert calls(gone) == [{"revert": "features"}]


def test_another_value_is_set_over_a_deletion_that_waits():
    made = plan(
        "nameserver: 1.1.1.1\n", "delete: nameserver\n", network_config={"nameservers": ["9.9.9.9"], "bridge": "vmbr0"}
    )
    assert [call["nameserver"] for call in calls(made)] == ["9.9.9.9"]
    keyctl = plan("features: keyctl=1\n", "delete: features\n", pct_options=["nesting=1"])
    assert calls(keyctl) == [{"features": "nesting=1"}]


def test_another_value_replaces_the_one_that_waits():
    made = plan(pending="features: nesting=1\n", applied={"features": {"nesting": "1"}}, pct_options=["fuse=1"])
    assert calls(made) == [{"features": "fuse=1"}]


def test_a_bind_mount_whose_deletion_waits_keeps_its_slot():
    made = plan("mp0: /srv/a/,mp=/a/\n", "delete: mp0\n", mount_points=[BIND])
    assert calls(made) == [{"revert": "mp0"}]


def test_a_deletion_that_waits_already_is_not_asked_for_again():
    assert calls(plan("features: nesting=1\n", "delete: features\n", {"features": {"nesting": "1"}})) == []


def test_our_value_that_runs_is_deleted_although_another_one_of_ours_waits():
    made = plan("nameserver: 9.9.9.9\n", "nameserver: 1.1.1.1\n", {"nameserver": "1.1.1.1"})
    assert calls(made) == [{"revert": "nameserver"}, {"delete": "nameserver"}]
    # Cut off between the two, the next run knows that the value is ours.
    records = [dict(entry.params) for step in made.steps for entry in step.entries if entry.what == "record"]
    assert records[0]["applied"]["nameserver"] == "9.9.9.9"
    assert calls(plan("nameserver: 9.9.9.9\n", applied=records[0]["applied"])) == [{"delete": "nameserver"}]


NET0 = {"network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}}


def restarts(net0, running=True, applied=None, dhcp=None, boot="b1", **config):
    """The plan for a container whose net0 is this one."""
    conf = parse_conf(f"hostname: web\nnet0: {net0}\n" if net0 else "hostname: web\n")
    seen = Observation(950, exists=True, running=running, conf=conf, boot=boot if running else None)
    record = Record(word="completed", ours=True, applied={"hostname": "web", **(applied or {})}, dhcp=dhcp or {})
    return planner.plan(Wanted(950, "pve", {"name": "web", **NET0, **config}), seen, record)


STATIC = "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=10.0.0.5/24,type=veth"
BY_DHCP = STATIC.replace("10.0.0.5/24", "dhcp")
OURS = {"net0": {"name": "eth0", "type": "veth", "bridge": "vmbr0", "ip": "dhcp"}}


@pytest.mark.parametrize("net0", ["", STATIC, BY_DHCP.replace("eth0", "eth9")])
def test_an_address_by_dhcp_on_a_running_container_waits_for_a_restart(net0):
    """PVE starts no client, and has nothing pending (PVE facts, 'Pending changes')."""
    made = restarts(net0)
    assert made.waiting == ("net0",)
    records = [dict(entry.params) for step in made.steps for entry in step.entries if entry.what == "record"]
    assert [params["dhcp"] for params in records if "dhcp" in params] == [{"net0": "b1"}]
    assert restarts(net0, running=False).waiting == ()
    kinds = [step.kind for step in restarts(net0, restart_policy="if_needed").steps]
    assert kinds.index("restart") == kinds.index("configure") + 1


def test_it_waits_until_the_container_has_been_started_again():
    assert restarts(BY_DHCP, applied=OURS, dhcp={"net0": "b1"}).waiting == ("net0",)
    assert restarts(BY_DHCP, applied=OURS, dhcp={"net0": "b0"}).waiting == ()
    assert restarts(BY_DHCP, running=False, applied=OURS, dhcp={"net0": "b1"}).waiting == ()
    static = {"network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "10.0.0.5/24"}}
    assert restarts(BY_DHCP, applied=OURS, dhcp={"net0": "b1"}, **static).waiting == ()


def test_another_bridge_leaves_the_client_alone():
    assert restarts(BY_DHCP.replace("vmbr0", "vmbr1")).waiting == ()
    assert restarts(BY_DHCP.replace("vmbr0", "vmbr1"), dhcp={"net0": "b1"}).waiting == ("net0",)


def test_a_sub_option_that_was_set_by_hand_beside_ours_is_kept_and_said():
    made = restarts(f"{BY_DHCP},mtu=1400,tag=4", applied=OURS)
    assert made.notes == ("net0: mtu=1400,tag=4 is not in the configuration and is kept",)
    assert [step.kind for step in made.steps if step.kind == "configure"] == []
    assert restarts(BY_DHCP, applied=OURS).notes == ()
    # One that the file sets is put back, not kept.
    assert "net0" in calls(restarts(BY_DHCP.replace("vmbr0", "vmbr7"), applied=OURS))[0]


@pytest.mark.parametrize("live", ["", "mp3: local:950/vm-950-disk-3.raw,mp=/theirs,size=3G\n"])
def test_a_disk_that_waits_for_a_restart_is_not_grown(live):
    """PVE grows what the container runs with: the volume is in no slot yet, or another one is."""
    made = plan(
        live=live,
        pending="mp3: local:950/vm-950-disk-1.raw,mp=/data,size=1G\n",
        applied={"mp3": {"mp": "/data"}},
        known={"data": {"slot": "mp3", "mp": "/data", "volume": "local:950/vm-950-disk-1.raw"}},
        volumes=[{"name": "data", "size_gb": 2, "mount_point": "/data"}],
    )
    assert made.steps == ()
    assert made.error is not None
    assert "mp3 of container 950" in made.error
    assert "waits for a restart" in made.error


def test_a_volume_that_is_allocated_with_the_next_start_is_asked_for_in_its_new_size():
    made = plan(
        pending="mp0: local:1,mp=/data\n",
        applied={"mp0": {"mp": "/data"}},
        known={"data": {"slot": "mp0", "mp": "/data"}},
        volumes=[{"name": "data", "size_gb": 2, "mount_point": "/data"}],
    )
    assert calls(made) == [{"mp0": "local:2,mp=/data"}]


def test_what_a_reverted_change_hid_is_in_the_way_from_the_first():
    made = plan(
        live="mp0: local:950/vm-950-disk-1.raw,mp=/data,size=1G\n",
        pending="mp0: /srv,mp=/mnt/srv\n",
        applied={"mp0": {"mp": "/mnt/srv", "volume": "/srv"}},
        running=False,
        volumes=[{"name": "data", "size_gb": 2, "mount_point": "/data"}],
    )
    assert made.steps == ()
    assert "/data of container 950 is occupied by mp0 (local:950/vm-950-disk-1.raw)" in str(made.error)


def test_two_mount_points_at_one_path_are_refused():
    made = plan(
        pending="mp0: local:1,mp=/data\nmp3: local:950/vm-950-disk-1.raw,mp=/data,size=1G\n",
        applied={"mp0": {"mp": "/data"}},
        known={"data": {"slot": "mp0", "mp": "/data"}},
        volumes=[{"name": "data", "size_gb": 1, "mount_point": "/data"}],
    )
    assert "/data of container 950 is occupied by mp3" in str(made.error)


def test_a_recreated_container_is_not_destroyed_again_for_what_a_restart_settles():
    volume = {"name": "data", "size_gb": 2, "mount_point": "/data"}
    wanted = Wanted(950, "pve", {"name": "web", "volumes": [volume]}, recreate=True, run="r1")
    conf = parse_conf("rootfs: local:950/a.raw\n\n[pve:pending]\nmp3: local:950/vm-950-disk-1.raw,mp=/data,size=1G\n")
    record = Record(ours=True, recreating={"stage": "creating", "run": "r1"}, applied={"mp3": {"mp": "/data"}})
    compared = Comparison(wanted, conf, record)
    assert growth.disk_growth(compared)[1] is not None
    assert not recreate.is_due(compared, Observation(950, exists=True, conf=conf))
