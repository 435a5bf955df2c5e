# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration asks for: the defaults, both spellings of a CTID, and that it is read in one place only."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import desired
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted

UTILS = Path(desired.__file__).resolve().parents[2]
# Where what is read is a container as the planner knows it, never the configuration that the controller checks.
OTHERS = ("world", "paths", "read")  # PVE's options as the steps of a plan change them, a file, an import
READERS = ("_core/container", "_core/preflight", "_node")


def test_the_defaults_of_an_empty_configuration():
    found = Wanted(950, "pve", {}).desired
    assert (found.called(950), found.rootfs_gb, found.is_unprivileged, found.guard) == ("CT950", 4, True, "none")
    assert (found.unprivileged, found.protected, found.clone_from, found.snapshot) == (None, None, None, None)
    assert not found.is_template
    assert not found.restarts
    assert found == desired.Desired()


@pytest.mark.parametrize("ctid", ["900", 900])
def test_the_clone_source_is_a_number(ctid: object):
    assert Wanted(950, "pve", {"clone_from_ctid": ctid}).desired.clone_from == 900


def test_another_configuration_is_read_again():
    wanted = Wanted(950, "pve", {"guard": "report", "unprivileged": False})
    assert wanted.desired.guard == "report"
    assert not wanted.desired.is_unprivileged
    changed = dataclasses.replace(wanted, config={"guard": "none"})
    assert changed.desired.guard == "none"
    assert changed.desired.is_unprivileged


def test_raw_lines_keep_their_index_in_the_file():
    lines = ["lxc.a: 1", "no line", "lxc.a = 1", "lxc.b: 2"]
    found = desired.understand({"lxc_options": lines})
    assert found.written == (("lxc.a", "1"), None, ("lxc.a", "1"), ("lxc.b", "2"))
    assert found.lines == [("lxc.a", "1"), ("lxc.b", "2")]
    assert found.unfit is not None


def test_a_firewall_is_managed_as_far_as_it_is_given():
    assert desired.understand({}).firewall.remembered() == {}
    assert desired.understand({"firewall": {"enabled": False}}).firewall.remembered() == {"enable": "0"}
    section = {"rules": ["IN DROP", "IN DROP", "no rule"]}
    assert desired.wanted_firewall(section).remembered() == {"rules": ["IN DROP"]}


def reads(source: str) -> Iterator[int]:
    """The lines that read the attribute ``config`` of what is wanted, whatever name that has there."""
    for node in ast.walk(ast.parse(source)):
        read = isinstance(node, ast.Attribute) and node.attr == "config" and isinstance(node.value, ast.Name)
        if read and node.value.id not in OTHERS:
            yield node.lineno


def test_the_configuration_is_read_at_the_entrance_only():
    found = [
        f"{path.relative_to(UTILS)}:{line}"
        for folder in READERS
        for path in sorted((UTILS / folder).rglob("*.py"))
        for line in reads(path.read_text(encoding="utf-8"))
    ]
    assert {place.rpartition(":")[0] for place in found} == {"_core/container/model.py"}


def test_a_second_reader_is_found():
    assert list(reads("def f(one):\n    return one.config.get('name')\n")) == [2]
