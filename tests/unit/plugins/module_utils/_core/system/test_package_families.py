# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages by family: which machine is of which, what its tool answers, and what its module is asked."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import apt_packages, package_families
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system.package_families import FAMILIES

# In the form that the tools print, of a small guest each.
APK = """\
musl-1.2.5-r9
busybox-1.37.0-r12
ca-certificates-bundle-20241121-r1
libcrypto3-3.3.3-r0
py3-setuptools-70.3.0-r0
tzdata-2025b-r0
docker-cli-compose-2.31.0-r4
WARNING: opening from cache
"""
ROCKY = """\
curl-minimal|7.76.1-31.el9|x86_64|curl,curl-full,curl-minimal,curl-minimal(x86-64),
tzdata|2025b-1.el9|noarch|tzdata,
glibc-langpack-en|2.34-168.el9|x86_64|glibc-langpack,glibc-langpack-en,
gpg-pubkey|350d275d-6279464b|(none)|gpg(Rocky),
"""
LEAP = """\
timezone|2025b-150600.91|x86_64|timezone,tzdata,
docker|28.2.2_ce-150000.227|x86_64|config(docker),docker,docker(x86-64),
half a line
"""


@pytest.mark.parametrize(
    ("tools", "family"),
    [
        (["dpkg-query", "apt-get", "rpm", "dnf"], "Debian"),  # alien tools
        (["apk"], "Alpine"),
        (["rpm", "zypper"], "Suse"),
        (["rpm", "zypper", "dnf"], "Suse"),  # openSUSE has dnf too
        (["rpm", "dnf"], "RedHat"),
        (["rpm"], ""),
        (["pacman"], ""),
    ],
)
def test_a_family_is_known_by_its_tools(tools: list[str], family: str) -> None:
    assert package_families.found(tools.__contains__) == family


@pytest.mark.parametrize(
    ("family", "text", "wanted", "missing"),
    [
        ("Alpine", APK, ["tzdata", "ca-certificates", "docker-cli-compose", "py3-setuptools"], ["ca-certificates"]),
        ("Alpine", APK, ["musl=1.2.5-r9", "busybox=1.36*"], ["busybox=1.36*"]),
        ("RedHat", ROCKY, ["curl", "tzdata", "less"], ["less"]),  # curl-minimal provides curl and conflicts with it
        ("RedHat", ROCKY, ["tzdata=2025b-*"], []),
        ("Suse", LEAP, ["docker", "tzdata", "curl"], ["curl"]),
        ("Suse", "", ["docker"], ["docker"]),
    ],
)
def test_what_is_missing_by_recorded_answers(family: str, text: str, wanted: list[str], missing: list[str]) -> None:
    assert apt_packages.missing(wanted, FAMILIES[family].installed(text)) == missing


OPTIONS: dict[str, Any] = {
    "fetch_lists": False,
    "refresh": False,
    "cache_valid_time": 3600,
    "lock_timeout": 300,
    "install_recommends": False,
    "allow_downgrade": False,
}


def test_each_module_is_asked_in_its_own_words() -> None:
    asked = {name: family.options(OPTIONS, ["jq=1.7*"], True) for name, family in FAMILIES.items()}
    assert asked["Alpine"] == {"update_cache": True, "name": ["jq=1.7*"], "state": "present"}
    assert asked["Suse"] == {
        "name": ["jq=1.7*"],
        "state": "present",
        "update_cache": False,
        "disable_recommends": True,
    }
    assert asked["RedHat"] == {
        "name": ["jq-1.7*"],
        "state": "present",
        "update_cache": False,
        "lock_timeout": 300,
        "install_weak_deps": False,
        "allow_downgrade": False,
    }
    assert asked["Debian"] == apt_packages.apt_options(OPTIONS, ["jq=1.7*"], True)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_asked_where_nothing_is_missing(family: str) -> None:
    assert FAMILIES[family].options(OPTIONS, [], True) == {}


def test_another_family_is_refused_by_name() -> None:
    assert package_families.refusal("Debian", ["Debian"]) == ""
    text = package_families.refusal("RedHat", ["Debian", "Alpine"])
    assert "got Rocky and its relatives, expected Debian or Ubuntu or Alpine. Nothing has been changed." in text
    assert "got none of dpkg-query, apt-get, apk" in package_families.refusal("", ["Debian"])


def test_names_of_packages_are_translated() -> None:
    others = {"locales": ["glibc-locale"], "ca-certificates": ["ca-certificates", "ca-certificates-mozilla"], "x": []}
    assert package_families.translated(["curl", "locales", "ca-certificates", "x", "curl"], others) == [
        "curl",
        "glibc-locale",
        "ca-certificates",
        "ca-certificates-mozilla",
    ]


def test_packages_of_languages() -> None:
    locales = ["en_US.UTF-8", "de_AT.UTF-8", "de_DE@euro", "C.UTF-8", "POSIX", "eo.UTF-8", "nds_DE"]
    packs = package_families.language_packages(locales, "lang-")
    assert packs == ["lang-en", "lang-de", "lang-eo", "lang-nds"]
