# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files shaped like those in the field are right as they are, and read in one form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import (
    Outcome,
    Source,
    validate,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.lenient import settled
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.report import report
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_checks import servers_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.manifests import Search

FILES = sorted((Path(__file__).parent / "field").glob("*.json"))
SCHEMA = load_schema("phoenix_lxc_configs")


def judge(data: bytes) -> Outcome:
    """Validate one containers' file."""
    lxc = Source("lxc.json", parse(data), SCHEMA)
    return validate(lxc, None, ("pve",), servers_of=lambda fleet: servers_of(fleet, Search()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_is_right(file: Path):
    assert report(judge(file.read_bytes()).findings) == ""


def test_there_are_files():
    assert len(FILES) >= 3


def test_what_is_empty_is_not_set():
    containers = judge((Path(__file__).parent / "field" / "generated.json").read_bytes()).fleet.containers
    for key in ("clone_from_ctid", "application_script", "vllm_model", "health_check"):
        assert key not in containers["900"].config
    assert containers["900"].config["ports"] == []
    assert "static_ip" not in containers["902"].config


def test_an_empty_key_takes_the_default():
    containers = judge((Path(__file__).parent / "field" / "written_by_hand.json").read_bytes()).fleet.containers
    assert containers["103"].config["network_config"] == {"bridge": "vmbr1", "ip": "dhcp"}
    assert "target_state" not in containers["103"].config


def test_numbers_and_truth_have_one_form():
    config = (
        judge((Path(__file__).parent / "field" / "written_by_hand.json").read_bytes()).fleet.containers["101"].config
    )
    assert config["unprivileged"] is True
    assert config["start_at_boot"] is True
    assert config["is_template"] is False
    assert repr(config["memory_mb"]) == "1024"
    assert repr(config["volumes"][0]["size_gb"]) == "200"
    assert config["firewall"]["rules"][1] == {"type": "IN", "action": "DROP", "enable": False}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), ""),
        (("memory_mb",), ""),
        (("features",), "base_setup"),
        (("health_check",), {"command": ""}),
        (("unprivileged",), "1"),
        (("unprivileged",), 1.0),
        (("memory_mb",), 2048.5),
        (("cores",), True),
        (("memory_mb",), None),
    ],
)
def test_what_is_not_clear_is_refused(path: tuple[str, ...], value: Any):
    document = json.loads((Path(__file__).parent / "field" / "smallest.json").read_bytes())
    document["lxc_configs"]["950"].update({path[0]: value})
    findings = judge(json.dumps(document).encode()).findings
    assert {finding.pointer[: len("/lxc_configs/950/" + path[0])] for finding in findings} == {
        "/lxc_configs/950/" + path[0]
    }


def test_the_document_is_not_changed():
    document = {"lxc_configs": {"950": {"unprivileged": 1, "static_ip": ""}}, "lxc_defaults": {"gpu_assignment": ""}}
    before = json.dumps(document)
    assert settled(document, SCHEMA) == {"lxc_configs": {"950": {"unprivileged": True}}, "lxc_defaults": {}}
    assert json.dumps(document) == before
