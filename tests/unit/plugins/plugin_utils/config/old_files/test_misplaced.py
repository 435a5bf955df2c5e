# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host file's firewall that stands among the shared volumes, with its rules under their old name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import (
    Outcome,
    Source,
    validate,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.report import line

RULE = {"type": "in", "action": "ACCEPT", "source": "192.0.2.13", "proto": "tcp", "port": "9000", "comment": "console"}
OLD = {"enabled": 1, "default_input_policy": "DROP", "default_output_policy": "ACCEPT", "global_firewall_rules": [RULE]}
CERTS = {"certs": {"host_path": "/srv/certs"}}


def judge(config: Any) -> Outcome:
    """The verdict on this host's file beside one without containers."""
    lxc = Source("lxc.json", parse(b'{"lxc_configs": {}}'), load_schema("phoenix_lxc_configs"))
    host = Source("host.json", parse(json.dumps(config, indent=1).encode()), load_schema("hypervisor_config"))
    return validate(lxc, host, ("pve",))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {"shared_volumes": {**CERTS, "firewall": OLD}},
            ["/shared_volumes/firewall", "/shared_volumes/firewall/global_firewall_rules"],
        ),
        ({"shared_volumes": CERTS, "firewall": OLD}, ["/firewall/global_firewall_rules"]),
        ({"shared_volumes": CERTS, "firewall": {**OLD, "rules": []}}, ["/firewall/global_firewall_rules"]),
    ],
)
def test_it_is_read_with_a_warning(config: dict[str, Any], told: list[str]) -> None:
    outcome = judge(config)
    assert outcome.findings == ()
    assert [text.split("  ", 1)[1].split(":")[0] for text in outcome.warnings] == told
    assert all(text.startswith("host.json:") for text in outcome.warnings)
    assert list(outcome.hypervisor["shared_volumes"]) == ["certs"]
    firewall = host_config(outcome.hypervisor)["firewall"]
    assert firewall["options"]["datacenter"] == {"enable": True, "policy_in": "DROP", "policy_out": "ACCEPT"}
    assert firewall["rules"]["datacenter"] == [RULE]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"shared_volumes": {"firewall": {**OLD, "global_firewall_rules": [{**RULE, "port": "x y"}]}}},
         "/shared_volumes/firewall/global_firewall_rules/0/port"),
        ({"shared_volumes": {"firewall": {**OLD, "default_input_policy": "BLOCK"}}},
         "/shared_volumes/firewall/default_input_policy"),
        ({"firewall": {**OLD, "rules": [RULE]}}, "beside those that are there"),
    ],
)  # fmt: skip  # laid out to be read
def test_what_is_wrong_is_told_where_it_stands(config: dict[str, Any], words: str) -> None:
    (found,) = [line(finding) for finding in judge(config).findings]
    assert words in found
    assert not found.startswith("host.json:1:")


def test_two_firewalls_are_not_joined() -> None:
    found = [line(one) for one in judge({"shared_volumes": {"firewall": OLD}, "firewall": {"enabled": True}}).findings]
    assert found
    assert sum("Move it into firewall" in one for one in found) == len(OLD)


def test_a_volume_of_that_name_is_a_volume() -> None:
    outcome = judge({"shared_volumes": {"firewall": {"host_path": "/srv/fw"}}})
    assert (outcome.findings, outcome.warnings) == ((), ())
    assert "firewall" in outcome.hypervisor["shared_volumes"]
