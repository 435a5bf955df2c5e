# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight's options are typed down to the last key: what the action plugin makes passes, all else is refused."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.modules.phoenix_preflight import argument_spec

CONTAINER = {"ctid": 950, "config": {"name": "web"}, "plan": {"steps": []}}
SERVERS = [Server("one", memory_share="share").to_json()]


def faults(**given: t.Any) -> list[str]:
    return ArgumentSpecValidator(argument_spec()).validate(given).error_messages


@pytest.mark.parametrize(
    "given",
    [
        {"containers": [CONTAINER]},
        {"containers": [{**CONTAINER, "assignment": None, "classes": ["nvidia-gpu"], "servers": SERVERS}]},
        {"containers": [{**CONTAINER, "outside": ["1000"]}], "neighbors": [{"ctid": 951, "share": 0.5}]},
        {"downloads": [{"storage": "local", "template": "a.tar.zst"}]},
        {"downloads": [{"storage": "local", "template": "a.tar.zst", "ctids": [950, 951]}]},
    ],
)
def test_what_the_action_plugin_makes_passes(given: dict[str, t.Any]) -> None:
    assert faults(**given) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"containers": [{**CONTAINER, "gpu": {}}]}, "gpu"),
        ({"containers": [{"config": {}, "plan": {}}]}, "ctid"),
        ({"containers": [{"ctid": 950}]}, "plan"),
        ({"containers": [{**CONTAINER, "servers": [{}]}]}, "name"),
        ({"containers": [{**CONTAINER, "servers": [{"name": "one", "share": "x"}]}]}, "share"),
        ({"downloads": [{"storage": "local"}]}, "template"),
        ({"neighbors": [{"ctid": 951, "share": "much"}]}, "share"),
    ],
)
def test_what_is_unknown_or_missing_is_refused_by_name(given: dict[str, t.Any], text: str) -> None:
    (message,) = faults(**given)
    assert text in message
