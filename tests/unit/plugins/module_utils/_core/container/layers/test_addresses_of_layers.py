# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of a layer: equal containers have the same, and whatever makes other files changes it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.layers import address
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted

BASE = {"name": "web", "template": "local:vztmpl/debian.tar.zst", "memory_mb": 512}


def feature(name: str, digest: str = "d", layer: Any = True, **needs: Any) -> Feature:
    """A feature as the controller passes it."""
    return Feature.from_json({"name": name, "digest": digest, "layer": layer, "container": needs})


def wanted(*features: Feature, ctid: int = 950, layers: Any = None, **config: Any) -> Wanted:
    """A container; a key that is None is not there."""
    values = {key: value for key, value in {**BASE, **config}.items() if value is not None}
    return Wanted(ctid, "pve", values, features or (feature("one"), feature("two")), layers=layers or {"storage": "x"})


def addresses(want: Wanted) -> list[str]:
    """Those of its boundaries."""
    return [place.address for place in address.boundaries(want)]


@pytest.mark.parametrize(
    "same",
    [
        {"ctid": 951},
        {"name": "other"},
        {"memory_mb": 4096, "cores": 4},
        {"storage_pool": "tank", "storage_size_gb": 32},
        {"layers": {"storage": "y", "max_age_days": 1}},
        {"unprivileged": True},
    ],
)
def test_what_makes_no_other_files_keeps_the_address(same: dict[str, Any]) -> None:
    assert addresses(wanted(**same)) == addresses(wanted())


@pytest.mark.parametrize(
    "other",
    [
        {"template": "local:vztmpl/debian-13.tar.zst"},
        {"unprivileged": False},
        {"ostype": "ubuntu"},
        {"arch": "arm64"},
        {"pct_options": ["nesting=1"]},
        {"lxc_options": ["lxc.apparmor.profile: unconfined"]},
        {"network_config": {"name": "eth0", "bridge": "vmbr1", "ip": "dhcp"}},
        {"timezone": "Europe/Berlin"},
        {"tty": 6},
    ],
)
def test_what_makes_other_files_changes_it(other: dict[str, Any]) -> None:
    assert not set(addresses(wanted(**other))) & set(addresses(wanted()))


def test_interfaces_count_by_their_names_alone() -> None:
    """PVE writes their addresses at each start, and keeps an interface that another container does not have."""
    one = {"name": "eth0", "bridge": "vmbr1", "ip": "10.0.0.9/24", "gw": "10.0.0.1"}
    two = [{"name": "eth1", "bridge": "vmbr1", "ip": "dhcp"}]
    same = addresses(wanted(network_config={"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}))
    assert addresses(wanted(network_config=one)) == same
    assert not set(addresses(wanted(network_config=one, networks=two))) & set(same)
    assert not set(addresses(wanted(network_config={**one, "name": "lan"}))) & set(same)


def test_each_feature_has_a_boundary_up_to_the_first_that_is_in_no_layer() -> None:
    want = wanted(feature("one"), feature("two"), feature("three", layer=False), feature("four"))
    places = address.boundaries(want)
    assert [place.last for place in places] == ["one", "two"]
    assert addresses(wanted(feature("one")))[0] == places[0].address
    assert [sorted(place.ledger["features"]) for place in places] == [["one"], ["one", "two"]]
    changed = addresses(wanted(feature("one"), feature("two", "e")))
    assert (changed[0] == places[0].address, changed[1] == places[1].address) == (True, False)
    swapped = wanted(feature("two"), feature("one"))
    assert not set(addresses(swapped)) & {place.address for place in places}


@pytest.mark.parametrize(
    "one",
    [
        feature("x", layer=False),
        feature("x", layer=None),
        feature("x", layer="yes"),
        feature("x", devices=["/dev/fuse"]),
        feature("x", facts={"x_version": "nvidia-driver"}),
        Feature("x", "d"),
    ],
)
def test_secrets_and_hardware_are_in_no_layer(one: Feature) -> None:
    assert address.boundaries(wanted(one)) == ()


@pytest.mark.parametrize(
    ("config", "takes", "leaves"),
    [
        ({}, True, True),
        ({"root_password": "x"}, True, False),
        ({"ssh_public_keys": ["ssh-ed25519 AAAA"]}, True, False),
        ({"hold": True}, True, False),
        ({"template": None, "clone_from_ctid": 900}, False, False),
        ({"template": None, "restore_from": "local:backup/vzdump-lxc-900-2026_01_01-00_00_00.tar.zst"}, False, False),
        ({"template": "existing"}, False, False),
        ({"volumes": [{"name": "d", "size_gb": 1, "mount_point": "/d"}]}, False, False),
        ({"mount_points": [{"host_path": "/srv", "container_path": "/srv"}]}, False, False),
        ({"lxc_options": ["lxc.mount.entry: /srv srv none bind 0 0"]}, False, False),
    ],
)
def test_who_takes_part(config: dict[str, Any], takes: bool, leaves: bool) -> None:
    want = wanted(**config)
    assert (address.takes_part(want), address.leaves(want)) == (takes, leaves)
    assert not address.takes_part(dataclasses.replace(want, layers=None))


def test_the_name_of_an_archive_leads_back_to_its_address() -> None:
    found = addresses(wanted())[0]
    assert address.address_of(f"local:vztmpl/{address.file_name(found)}") == found
    assert address.address_of(address.file_name(found)) == found
    for other in ("", "local:vztmpl/debian.tar.zst", f"phoenix-layer-{found}.tar.gz", "phoenix-layer-../x.tar.zst"):
        assert address.address_of(other) == ""
