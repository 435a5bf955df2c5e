# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which roles a node's file needs, by what each role declares."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.declared_roles import (
    HostRole,
    HostRoleError,
    due,
    of_sections,
    parse,
)

ROLES = (
    HostRole("base", ("packages", "ntp"), ("ntp",)),
    HostRole("driver", ("gpu",), (), (("gpu", "install"),)),
    HostRole("shares", ("nfs", "samba"), ("nfs", "samba")),
)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, []),
        ({"version": "1"}, []),
        ({"packages": []}, ["base"]),
        ({"samba": {}, "ntp": {}}, ["base", "shares"]),
        ({"gpu": {"version": "1"}}, ["driver"]),
        ({"gpu": {"install": True}}, ["driver"]),
        ({"gpu": {"install": False}, "nfs": {}}, ["shares"]),
    ],
)
def test_a_role_is_due_where_the_file_has_one_of_its_keys(config: dict[str, Any], expected: list[str]) -> None:
    assert due(ROLES, config) == expected


def test_each_section_that_is_undone_has_its_role() -> None:
    assert of_sections(ROLES) == {"ntp": "base", "nfs": "shares", "samba": "shares"}


def test_a_declaration_is_read() -> None:
    declared = {"keys": ["gpu", "ntp"], "undone": ["ntp"], "switches": {"gpu": "install"}}
    assert parse("x", declared) == HostRole("x", ("gpu", "ntp"), ("ntp",), (("gpu", "install"),))


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (None, "at least one key"),
        ({"keys": "ntp"}, "expected a list of names"),
        ({"keys": [1]}, "expected a list of names"),
        ({"keys": ["ntp"], "undone": ["nfs"]}, "nfs"),
        ({"keys": ["ntp"], "switches": {"gpu": "install"}}, "gpu"),
        ({"keys": ["ntp"], "switches": ["gpu"]}, "expected a mapping"),
        ({"keys": ["ntp"], "trace": []}, '"trace"'),
    ],
)
def test_a_faulty_declaration_names_role_and_key(declared: Any, text: str) -> None:
    with pytest.raises(HostRoleError, match="role x: ") as caught:
        parse("x", declared)
    assert text in str(caught.value)
