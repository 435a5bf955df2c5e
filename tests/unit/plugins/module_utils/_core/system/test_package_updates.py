# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of updates as four package managers print them; what a guest makes up is read as far as it has the form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import package_updates
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system.package_updates import Update, listed

APT = """apt
NOTE: This is only a simulation!
Reading package lists...
The following packages have been kept back:
  linux-image-amd64 libfoo
The following packages will be upgraded:
  libc6 openssl
2 upgraded, 1 newly installed, 0 to remove and 2 not upgraded.
Inst libc6 [2.36-9+deb12u9] (2.36-9+deb12u10 Debian:12.11/stable [amd64])
Inst libssl3t64 (3.5.1-1 Debian:13/stable [amd64])
Inst openssl [3.0.16-1~deb12u1] (3.0.17-1~deb12u2 Debian-Security:12/stable-security [amd64]) []
Conf libc6 (2.36-9+deb12u10 Debian:12.11/stable [amd64])
"""
APK = """apk
(1/2) Upgrading busybox (1.37.0-r12 -> 1.37.0-r14)
(2/2) Installing libnew (1.0-r0)
OK: 9 MiB in 17 packages
"""
DNF = """dnf
openssl-libs|3.2.2-6.el9
bash|5.1.8-9.el9

openssl-libs.x86_64          1:3.2.2-7.el9       baseos
kernel-core.x86_64           5.14.0-600.el9      baseos
"""
ZYPPER = """zypper
S  | Repository | Name    | Current Version | Available Version | Arch
---+------------+---------+-----------------+-------------------+-------
v  | Update     | openssl | 3.1.4-1.1       | 3.1.4-2.1         | x86_64
"""


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        (
            APT,
            [
                "libc6 2.36-9+deb12u9 -> 2.36-9+deb12u10",
                "libssl3t64 (new) -> 3.5.1-1",
                "openssl 3.0.16-1~deb12u1 -> 3.0.17-1~deb12u2",
            ],
        ),
        (APK, ["busybox 1.37.0-r12 -> 1.37.0-r14", "libnew (new) -> 1.0-r0"]),
        (DNF, ["kernel-core (new) -> 5.14.0-600.el9", "openssl-libs 3.2.2-6.el9 -> 1:3.2.2-7.el9"]),
        (ZYPPER, ["openssl 3.1.4-1.1 -> 3.1.4-2.1"]),
        ("apt\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n", []),
    ],
)
def test_each_package_has_its_versions(text, packages):
    assert [package.text for package in listed(text).packages or ()] == packages


def test_what_apt_keeps_back_is_named():
    assert listed(APT).kept == ("linux-image-amd64", "libfoo")


@pytest.mark.parametrize("text", ["", "unknown\n", "pacman\nInst x (1 y)\n"])
def test_another_system_is_not_known(text):
    assert listed(text).packages is None


def test_no_more_packages_are_read_than_a_person_reads():
    text = "apt\n" + "".join(f"Inst p{number} [1] (2 x)\n" for number in range(package_updates.MOST + 9))
    assert len(listed(text).packages or ()) == package_updates.MOST


@given(st.text(), st.sampled_from(["apt", "apk", "dnf", "zypper"]))
def test_any_answer_is_read(text, family):
    for package in listed(f"{family}\n{text}").packages or ():
        assert isinstance(package, Update)
        assert package.text.isprintable()
