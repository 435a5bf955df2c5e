# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A volume is tied to its name: it is moved, renamed and attached again, and never replaced by an empty one."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.known import instance
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Observation,
    Record,
    Wanted,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import planner
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf

DISK = "local:950/vm-950-disk-1.raw"
OTHER = "local:950/vm-950-disk-2.raw"
DATA = {"name": "data", "pool": "local", "size_gb": 2, "mount_point": "/data"}
KNOWN = {"data": {"slot": "mp0", "mp": "/data", "volume": DISK, "size": "2G"}}
PUT = "PUT /nodes/pve/lxc/950/config"


def plan(text, *, volumes=(), mounts=(), applied=None, known=None, running=True, adopt="no"):
    """The plan for a container whose config file has these lines beside its hostname."""
    config = {"name": "web", "volumes": list(volumes), "mount_points": list(mounts)}
    conf = parse_conf(f"hostname: web\nrootfs: local:950/vm-950-disk-0.raw,size=4G\n{MARKER}{text}")
    seen = Observation(950, exists=True, running=running, conf=conf, boot="b1" if running else None)
    applied = {"hostname": "web", **(applied or {})}
    own = {"id": "i1", **instance.evidence(conf)}
    volumes = KNOWN if known is None else known
    record = Record(word="completed", ours=True, applied=applied, volumes=volumes, instance=own)
    return planner.plan(Wanted(950, "pve", config, adopt=adopt), seen, record)


def calls(made):
    return [(entry.what, dict(entry.params)) for step in made.steps for entry in step.entries if entry.op == "pve"]


def records(made):
    found = [entry.params for step in made.steps for entry in step.entries if entry.what == "record"]
    return [dict(params["volumes"]) for params in found if "volumes" in params]


MARKER = "lxc.environment: PHOENIX_INSTANCE=i1\n"
MOUNTED = f"mp0: {DISK},mp=/data,size=2G\n"
OURS = {"mp0": {"mp": "/data"}}


def test_another_path_moves_the_mount_and_allocates_nothing():
    made = plan(MOUNTED, volumes=[{**DATA, "mount_point": "/srv/data"}], applied=OURS)
    assert calls(made) == [(PUT, {"mp0": f"{DISK},mp=/srv/data,size=2G"})]
    assert made.waiting == ("mp0",)
    assert records(made) == [{"data": {"slot": "mp0", "mp": "/srv/data"}}]


@pytest.mark.parametrize("path", ["/data/", "//data", "/./data"])
def test_another_spelling_of_the_path_is_the_same_path(path):
    made = plan(MOUNTED, volumes=[{**DATA, "mount_point": path}], applied=OURS)
    assert made.steps == ()
    there = f"mp0: {DISK},mp={path},size=2G\n"
    assert plan(there, volumes=[DATA], applied=OURS).steps == ()


def test_another_name_at_the_same_path_renames_it():
    made = plan(MOUNTED, volumes=[{**DATA, "name": "models"}], applied=OURS)
    assert calls(made) == []
    assert records(made) == [{"models": {"slot": "mp0", "mp": "/data"}}]


def test_two_volumes_that_swap_their_paths_are_swapped():
    more = {"name": "more", "pool": "local", "size_gb": 1, "mount_point": "/more"}
    known = {**KNOWN, "more": {"slot": "mp1", "mp": "/more", "volume": OTHER}}
    there = f"{MOUNTED}mp1: {OTHER},mp=/more,size=1G\n"
    swapped = [{**DATA, "mount_point": "/more"}, {**more, "mount_point": "/data"}]
    made = plan(there, volumes=swapped, applied={**OURS, "mp1": {"mp": "/more"}}, known=known)
    assert calls(made) == [(PUT, {"mp0": f"{DISK},mp=/more,size=2G", "mp1": f"{OTHER},mp=/data,size=1G"})]


def test_a_detached_volume_is_attached_again():
    made = plan(f"unused0: {DISK}\n", volumes=[{**DATA, "mount_point": "/new"}])
    assert calls(made) == [(PUT, {"mp0": f"{DISK},mp=/new,size=2G"})]


def test_a_volume_that_is_removed_is_detached_and_stays_known():
    made = plan(MOUNTED, applied=OURS)
    assert calls(made) == [(PUT, {"delete": "mp0"})]
    assert records(made) == [KNOWN]


def test_a_volume_whose_deletion_waits_comes_back_with_its_data():
    made = plan(f"{MOUNTED}\n[pve:pending]\ndelete: mp0\n", volumes=[DATA])
    assert calls(made) == [(PUT, {"revert": "mp0"})]
    assert made.waiting == ()


def test_a_disk_that_waits_to_replace_a_volume_is_reverted():
    made = plan(f"{MOUNTED}\n[pve:pending]\nmp0: local:1,mp=/data\n", volumes=[DATA], applied=OURS)
    assert calls(made) == [(PUT, {"revert": "mp0"})]


def test_a_volume_that_waits_to_move_elsewhere_is_moved_where_the_file_says():
    text = f"{MOUNTED}\n[pve:pending]\nmp0: {DISK},mp=/hand,size=2G\n"
    assert calls(plan(text, volumes=[DATA], applied=OURS)) == [(PUT, {"revert": "mp0"})]
    third = [{**DATA, "mount_point": "/third"}]
    assert calls(plan(text, volumes=third, applied=OURS)) == [(PUT, {"mp0": f"{DISK},mp=/third,size=2G"})]


def test_a_new_volume_at_the_place_of_one_that_waits_to_go_is_refused():
    made = plan(f"{MOUNTED}\n[pve:pending]\ndelete: mp0\n", volumes=[{**DATA, "name": "other"}])
    assert made.steps == ()
    assert (
        f"volumes/0 (other): /data of container 950 is in use by mp0 ({DISK}) until the container restarts"
        in made.error
    )
    assert made.error.endswith("To keep the data there, name the volume 'data'")


@pytest.mark.parametrize("running", [True, False])
def test_a_hand_made_mount_point_is_not_covered_nor_taken(running):
    theirs = f"mp7: {OTHER},mp=/data/,size=1G\n"
    made = plan(theirs, volumes=[DATA], known={}, running=running)
    assert made.steps == ()
    assert f"volumes/0 (data): /data of container 950 is occupied by mp7 ({OTHER})" in made.error
    assert "phoenix_adopt" in made.error
    bind = [{"host_path": "/srv/a", "container_path": "/data"}]
    assert "mount_points/0: /data of container 950 is occupied by mp7" in plan(theirs, mounts=bind, known={}).error
    assert "occupied by mp7" in plan("mp7: /srv/b,mp=/data\n", mounts=bind, known={}).error


def test_a_hand_made_volume_is_taken_over_by_consent():
    made = plan(f"mp7: {OTHER},mp=/data,size=2G\n", volumes=[DATA], known={}, adopt="record")
    assert (made.error, calls(made)) == (None, [])
    assert records(made) == [{"data": {"slot": "mp7", "mp": "/data"}}]


def test_a_new_volume_beside_one_that_leaves_its_place_waits_for_the_restart():
    wish = [{**DATA, "mount_point": "/old"}, {**DATA, "name": "new"}]
    assert "in use by mp0" in plan(MOUNTED, volumes=wish, applied=OURS).error
    stopped = plan(MOUNTED, volumes=wish, applied=OURS, running=False)
    assert calls(stopped)[0] == (PUT, {"mp0": f"{DISK},mp=/old,size=2G", "mp1": "local:2,mp=/data"})


def test_an_earlier_record_without_names_is_completed_and_never_guessed_from():
    made = plan(MOUNTED, volumes=[DATA], applied=OURS, known={})
    assert (calls(made), records(made)) == ([], [{"data": {"slot": "mp0", "mp": "/data"}}])
    moved = plan(MOUNTED, volumes=[{**DATA, "mount_point": "/new"}], applied=OURS, known={})
    assert moved.steps == ()
    assert "Run once with mount_point /data, then change it" in moved.error


def test_a_volume_that_pve_has_renamed_is_known_by_its_place():
    base = "mp0: local:950/base-950-disk-1.raw,mp=/data,size=2G\n"
    made = plan(base, volumes=[{**DATA, "mount_point": "/new"}], applied=OURS)
    assert calls(made) == [(PUT, {"mp0": "local:950/base-950-disk-1.raw,mp=/new,size=2G"})]


def test_a_mount_point_that_may_be_written_to_says_so():
    bind = {"host_path": "/srv/a", "container_path": "/a"}
    there, applied = "mp0: /srv/a,mp=/a,ro=1\n", {"mp0": {"volume": "/srv/a", "mp": "/a"}}
    assert plan(there, mounts=[bind], applied=applied, known={}).steps == ()
    made = plan(there, mounts=[{**bind, "read_only": False}], applied=applied, known={})
    assert calls(made) == [(PUT, {"mp0": "/srv/a,mp=/a"})]


def test_one_disk_that_is_larger_than_the_file_says_is_a_refusal_with_a_remedy():
    made = plan(f"mp0: {DISK},mp=/data,size=9G\n", volumes=[DATA], applied=OURS)
    assert made.steps == ()
    assert "volumes/0/size_gb: 2 is less than the 9G that mp0 has" in made.error
    assert "set it to 9, or name 950 in phoenix_recreate_ctids" in made.error
