# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vendor that nobody has heard of is one row of the table: its files, devices, digests, memory and checks follow."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import digest
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import hostneeds
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import memory_budget, vendors
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.vendor import (
    Files,
    Gpu,
    Keys,
    Memory,
    MemoryTool,
    SharedNode,
    Vendor,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.gpu import driver_files, gpuload
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks import gpu_checks
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import load_fleet
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import manifests


def _fields(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split() if "=" in part)


def _card(name: str, text: str) -> Gpu | None:
    values = _fields(text)
    return Gpu(values["slot"], int(name[len("render") :]), values["id"], "Acme One") if "slot" in values else None


def _memory(text: str) -> dict[str, Memory]:
    rows = [_fields(line) for line in text.splitlines()]
    return {row["id"]: Memory(int(row["total"]), int(row["used"])) for row in rows}


def _processes(text: str) -> list[tuple[str, int, int]]:
    rows = [_fields(line) for line in text.splitlines()]
    return [(row["id"], int(row["pid"]), int(row["used"])) for row in rows]


ACME = Vendor(
    name="Acme",
    device_class="acme-gpu",
    driver_fact="acme-driver",
    files=Files("sys/module/acme/version", "sys/class/acme/*/card", ("dev/acme/*",)),
    read_version=str.strip,
    read_card=_card,
    card_node="/dev/acme/render{minor}",
    own_paths="/dev/acme/",
    mode="0660",
    shared=(SharedNode("/dev/acme/control", "acme-control", computes=True),),
    uuid="ACME-[0-9a-f]{4}",
    maker=lambda path: f"acme-setup {path}",
    lister="acme-top",
    log_word="acme:",
    major=226,
    memory=MemoryTool(("acme-top", "--memory"), _memory, ("acme-top", "--processes"), _processes),
    keys=Keys(section="acme", version="version", guest_version="acme_version"),
)
FILES = {
    "sys/module/acme/version": "7.1\n",
    "sys/class/acme/render128/card": "slot=0000:05:00.0 id=ACME-00aa",
    "sys/class/acme/render129/card": "slot=0000:06:00.0 id=ACME-00bb",
    "proc/devices": "Character devices:\n226 acme\n230 acme-control\n\nBlock devices:\n",
}
NUMBERS = {"render128": (226, 128), "render129": (226, 129), "control": (230, 0)}
TOOL = """#!/bin/sh
case $1 in
--memory) echo 'id=ACME-00aa total=1000 used=500'; echo 'id=ACME-00bb total=1000 used=0' ;;
--processes) echo "id=ACME-00aa pid=4711 used=500" ;;
esac
"""


@pytest.fixture(name="root", autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node with two cards of the new vendor and nothing of any other, and the vendor's row in the table."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "dev/acme").mkdir(parents=True)
    for name in NUMBERS:
        (tmp_path / "dev/acme" / name).touch()
    lstat = os.lstat

    def device(path: str) -> object:
        # A device node can be made by root only: what one shows is put in its place.
        number = NUMBERS.get(os.path.basename(path)) if "/dev/acme/" in str(path) else None
        return SimpleNamespace(st_mode=stat.S_IFCHR, st_rdev=os.makedev(*number)) if number else lstat(path)

    monkeypatch.setattr(driver_files.os, "lstat", device)
    monkeypatch.setattr(vendors, "VENDORS", (*vendors.VENDORS, ACME))
    manifests.forget()
    return tmp_path


def wanted(assignment: str | None = "0", **config: Any) -> Wanted:
    """A container whose feature needs the new vendor's GPUs and the version of its driver."""
    needs = {"devices": [ACME.device_class], "facts": {"acme_running": ACME.driver_fact}}
    parts = digest.components("f" * 64, {})
    feature = Feature("acme", digest.digest(parts), parts, needs)
    return Wanted(950, "pve", config, (feature,), assignment=assignment)


def test_its_devices_are_those_of_the_assignment(root: Path) -> None:
    completed = driver_files.complete(wanted("ACME-00bb"), str(root))
    assert completed.device_error is None
    options = hostneeds.desired_devices(completed, ConfFile())
    assert [option.parts for option in options.values()] == [
        {"path": "/dev/acme/render129", "mode": "0660"},
        {"path": "/dev/acme/control", "mode": "0660"},
    ]
    there = {"dev0": "/dev/acme/render128", "dev1": "/dev/nvidia0", "dev2": "/dev/fuse"}
    assert hostneeds.not_assigned(completed, there, {}) == ["dev0"]


def any_vendor(assignment: str | None, *classes: str) -> Wanted:
    """A container with a feature that takes GPUs of any vendor."""
    return Wanted(950, "pve", {}, classes=(vendors.ANY, *classes), assignment=assignment)


def test_the_class_of_any_vendor_takes_what_the_node_has(root: Path) -> None:
    completed = driver_files.complete(any_vendor("0"), str(root))
    assert completed.device_error is None
    assert [device.path for device in completed.devices or ()] == ["/dev/acme/render128", "/dev/acme/control"]
    assert [device.path for device in driver_files.complete(any_vendor("none"), str(root)).devices or ()] == []
    there = {"dev0": "/dev/acme/render129", "dev1": "/dev/nvidia0", "dev2": "/dev/fuse"}
    assert hostneeds.not_assigned(completed, there, {}) == ["dev0", "dev1"]


def test_the_class_of_any_vendor_names_what_the_node_lacks(root: Path) -> None:
    text = str(driver_files.complete(any_vendor("7"), str(root)).device_error)
    assert "GPU 7 is assigned, but the node has GPUs 0 to 1 only" in text
    text = str(driver_files.complete(any_vendor("0", "nvidia-gpu"), str(root)).device_error)
    assert "no NVIDIA driver loaded" in text  # another feature needs this very vendor
    driver_files.read_gpus.cache_clear()
    (root / "sys/module/acme/version").unlink()
    text = str(driver_files.complete(any_vendor("0"), str(root)).device_error)
    assert "no driver of a GPU loaded, looked for: NVIDIA, AMD, Intel, Acme" in text


def test_its_devices_as_raw_lines(root: Path) -> None:
    completed = driver_files.complete(wanted("0", gpu_passthrough="raw"), str(root))
    lines = hostneeds.wanted_lines(completed)
    assert ("lxc.cgroup2.devices.allow", "c 226:128 rw") in lines
    other = [("lxc.cgroup2.devices.allow", "c 226:129 rw"), ("lxc.cgroup2.devices.allow", "c 195:1 rw")]
    assert hostneeds.lines_not_assigned(completed, [*lines, *other]) == other[:1]
    assert hostneeds.source_of(completed, lines) == "gpu_passthrough"


def test_its_driver_counts_in_the_digest(root: Path) -> None:
    first = driver_files.complete(wanted(), str(root)).features[0]
    assert first.variables == {"acme_running": "7.1"}
    (newer,) = [replace(gpus, version="7.2") for gpus in driver_files.read_all(str(root)) if gpus.vendor is ACME]
    assert hostneeds.complete(wanted(), newer).features[0].digest != first.digest


@pytest.mark.parametrize(
    ("missing", "assignment", "words"),
    [
        (
            "sys/module/acme/version",
            "0",
            "no Acme driver loaded: /sys/module/acme/version is missing; set acme in hypervisor_config.json and run",
        ),
        ("dev/acme/render128", "0", "device /dev/acme/render128 is missing; run acme-setup /dev/acme/render128"),
        ("proc/devices", "0", "kernel module acme-control is not loaded; run acme-setup /dev/acme/control"),
        ("", "7", "the node has GPUs 0 to 1 only; assign what acme-top lists there"),
    ],
)
def test_what_lacks_is_said_in_its_own_words(root: Path, missing: str, assignment: str, words: str) -> None:
    if missing:
        (root / missing).unlink()
    assert words in str(driver_files.complete(wanted(assignment), str(root)).device_error)


def test_its_memory_is_added_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "bin").mkdir()
    (root / "bin/acme-top").write_text(TOOL)
    (root / "bin/acme-top").chmod(0o755)
    monkeypatch.setenv("PATH", f"{root / 'bin'}:{os.environ['PATH']}")
    (root / "proc/4711").mkdir()
    (root / "proc/4711/cgroup").write_text("0::/lxc/777/ns\n")
    found = driver_files.read_all(str(root))
    monkeypatch.setattr(driver_files, "read_all", lambda: found)
    monkeypatch.setattr(gpuload.observe, "running_ctids", lambda: {777})
    monkeypatch.setattr(gpuload.observe, "existing_ctids", lambda *_more: {777})
    conf = ConfFile(head={"dev0": "/dev/acme/render128"})
    monkeypatch.setattr(gpuload.observe, "read_conf", lambda *_more: (conf, ""))
    loads = gpuload.read("pve", proc=str(root / "proc"))
    server = Server("Serve", memory_share="serve_share")
    claims = memory_budget.claims(950, {"serve_share": 0.6}, "0", "completed", [server], [ACME.device_class])
    faults = [fault for load in loads for fault in memory_budget.judge(claims, {}, load)[0]]
    assert [(fault[0], fault[1]) for fault in faults] == [
        (
            ("lxc_configs", "950", "serve_share"),
            "got 0.6, which makes 1.10 of GPU 0 together with 777, which runs and takes 500 MiB now (0.50)",
        )
    ]


def test_what_computes_on_it() -> None:
    paths = ("/dev/acme/render128", "/dev/acme/control", "/dev/acme/renderx", "/dev/nvidia0")
    assert [ACME.computes(path) for path in paths] == [True, True, False, False]


def test_the_checks_of_the_files_know_its_words() -> None:
    document = {"acme_version": "7.1", "lxc_configs": {"950": {"gpu_assignment": "ACME-00aa,1"}}}
    fleet = load_fleet(document)
    assert gpu_checks.gpus(fleet, "950") == ("ACME-00aa", "1")
    (finding,) = gpu_checks.one_driver_version(Subject(fleet, {"acme": {"version": "7.2"}}, None, "lxc", "host"))
    assert "7.2 in version of host" in finding.expected
    assert list(gpu_checks.known_form_of_each_gpu(Subject(fleet, {}, None, "lxc", "host"))) == []


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ("{devices: [acme-gpu], facts: {acme_running: acme-driver}}", ""),
        (
            "{devices: [other-gpu]}",
            "'other-gpu' is not known, known are acme-gpu, amd-gpu, gpu, intel-gpu, nvidia-gpu",
        ),
        (
            "{facts: {running: other}}",
            "'other' is not known, known are acme-driver, amd-driver, intel-driver, nvidia-driver",
        ),
    ],
)
def test_manifests_can_name_it(root: Path, container: str, words: str) -> None:
    meta = root / "roles" / "computing" / "meta"
    meta.mkdir(parents=True)
    (meta / "phoenix_feature.yml").write_text(f"---\ncontainer: {container}\n")
    found = manifests.check_features(["computing"], manifests.Search(roles_paths=(str(root / "roles"),)))
    assert bool(found) == bool(words)
    assert words in "".join(found)
