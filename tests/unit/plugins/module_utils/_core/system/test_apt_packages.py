# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages: what dpkg says is compared, what apt is asked, and what apt could install."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_packages

DPKG = """\
ii |curl|8.14.1-2|amd64|
hi |driver-cuda|570.124.06-1|amd64|driver-smi (= 570.124.06), libcuda1
rc |sudo|1.9.16p2-3|amd64|
ii |postfix|3.10.4-1|amd64|mail-transport-agent, default-mta
ii |tzdata|2025b-4|all|tzdata-trixie
un |jq||amd64|
half a line
"""
POLICY = """\
docker-cli:
  Installed: (none)
  Candidate: 26.1.5+dfsg1-9
  Version table:
     26.1.5+dfsg1-9 500
docker-compose:
  Installed: (none)
  Candidate: 1:1.29.2-3
docker-compose-v2:
  Installed: (none)
  Candidate: (none)
"""


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        (["curl", "tzdata"], []),
        (["curl", "jq", "sudo", "jq"], ["jq", "sudo"]),  # sudo has only its configuration left
        (["driver-cuda=570.124.06-*", "driver-cuda=570.124.06-1"], []),  # held, and installed anyway
        (["driver-cuda=575.*", "curl=8.14.1"], ["driver-cuda=575.*", "curl=8.14.1"]),
        (["mail-transport-agent", "libcuda1"], []),
        (["libcuda1=570.124.06-1"], ["libcuda1=570.124.06-1"]),  # a version is of the package of that name
        (["curl:amd64", "curl:arm64", "curl:any"], ["curl:arm64"]),
        (["cur*", "curl>=8"], ["cur*", "curl>=8"]),  # apt decides
        ([], []),
    ],
)
def test_what_is_not_installed_is_missing(wanted: list[str], missing: list[str]) -> None:
    assert apt_packages.missing(wanted, apt_packages.installed(DPKG)) == missing


OPTIONS: dict[str, Any] = {
    "fetch_lists": False,
    "refresh": False,
    "cache_valid_time": 3600,
    "lock_timeout": 300,
    "install_recommends": None,
    "allow_downgrade": False,
}


def test_apt_is_asked_for_the_missing_alone() -> None:
    assert apt_packages.apt_options(OPTIONS, [], True) == {}
    assert apt_packages.apt_options(OPTIONS, ["jq"], True) == {
        "name": ["jq"],
        "state": "present",
        "update_cache": True,
        "cache_valid_time": 3600,
        "lock_timeout": 300,
        "allow_downgrade": False,
    }


@pytest.mark.parametrize(("more", "has_lists", "age"), [({}, True, 3600), ({}, False, 0), ({"refresh": True}, True, 0)])
def test_lists_are_fetched_where_they_are_old_or_missing(more: dict[str, Any], has_lists: bool, age: int) -> None:
    asked = apt_packages.apt_options({**OPTIONS, "fetch_lists": True, **more}, [], has_lists)
    assert asked == {"update_cache": True, "cache_valid_time": age, "lock_timeout": 300}


def test_candidates_are_those_that_apt_could_install() -> None:
    assert apt_packages.candidates(POLICY) == {"docker-cli": "26.1.5+dfsg1-9", "docker-compose": "1.29.2-3"}


def test_the_least_version_counts_and_the_order_is_kept() -> None:
    names = ["docker-compose-v2", "docker-compose", "docker-cli"]
    assert apt_packages.available(POLICY, names) == ["docker-compose", "docker-cli"]
    assert apt_packages.available(POLICY, names, "2") == ["docker-cli"]


def test_packages_of_a_version_are_found_by_name_and_version() -> None:
    text = "libcuda1 570.124.06-1\nnvidia-smi 570.124.06-1\nlibc6 570.124.06-1\nnvidia-old 5701124.06-1\nhalf\n"
    assert apt_packages.of_versions(text, r"lib(cuda|nv)|nvidia", ["570.124.06"]) == ["libcuda1", "nvidia-smi"]
