# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of a driver by names of files, and the units that use it."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import driver_versions


@pytest.mark.parametrize(
    ("url", "version"),
    [
        ("https://example.org/575.1/NVIDIA-Linux-x86_64-570.124.06.run", "570.124.06"),
        ("file:///srv/NVIDIA-Linux-x86_64-570.124.06-grid.run", "570.124.06"),
        ("https://example.org/driver-570.1/latest.run", ""),
        ("https://example.org/driver-570.1.deb", ""),
        ("", ""),
    ],
)
def test_version_of_a_run_file(url: str, version: str) -> None:
    assert driver_versions.runfile_version(url) == version


def test_versions_of_a_library() -> None:
    paths = [
        "/usr/lib/x86_64-linux-gnu/libcuda.so",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.575.51.03",
        "/usr/lib64/libcuda.so.570.124.06",
        "/usr/lib/libcuda.so.570.124.06",
        "/usr/lib/libcuda.so.570.124.06.old",
        "/usr/lib/libcudadebugger.so.570.124.06",
    ]
    assert driver_versions.versions_of_library(paths, "libcuda.so") == ["570.124.06", "575.51.03"]


STATE = {
    "library": "libx.so",
    "version": "570.1.2",
    "tool": "/usr/bin/x-smi",
    "traces": {"runfile": "/usr/bin/x-uninstall", "packages": "/etc/apt/preferences.d/x"},
}
LIBRARY, TOOL, RUNFILE, PACKAGES = "/usr/lib/libx.so.570.1.2", "/usr/bin/x-smi", *STATE["traces"].values()


@pytest.mark.parametrize(
    ("paths", "current", "ways"),
    [
        ([LIBRARY, TOOL, RUNFILE], True, ["runfile"]),
        ([LIBRARY, TOOL], True, []),  # made by hand
        ([LIBRARY, RUNFILE], False, ["runfile"]),  # cut off before the tool
        ([TOOL, RUNFILE], False, ["runfile"]),
        ([LIBRARY, "/usr/lib64/libx.so.560.9", TOOL, RUNFILE], False, ["runfile"]),
        ([LIBRARY, TOOL, PACKAGES], False, ["packages"]),  # the other way
        ([LIBRARY, TOOL, RUNFILE, PACKAGES], False, ["runfile", "packages"]),
        ([], False, []),
    ],
)
def test_a_driver_is_current_by_its_files(paths: list[str], current: bool, ways: list[str]) -> None:
    found = driver_versions.state(paths, way="runfile", **STATE)
    assert (found["current"], found["ways"]) == (current, ways)


def test_units_that_run_or_are_about_to() -> None:
    units = ["a.service", "b.service", "c.service", "d.service"]
    assert driver_versions.running_units(units, ["active", "inactive", "activating", "failed"]) == [
        "a.service",
        "c.service",
    ]
    assert driver_versions.running_units(units, []) == []
