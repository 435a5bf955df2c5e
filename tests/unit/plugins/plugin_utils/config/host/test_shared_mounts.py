# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`shared_volumes.*.mounts`: which containers mount a shared folder, what is wrong with it, what is planned."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import mounts
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.desired import understand
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import (
    Record,
    Wanted,
    on_container,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight import judgement
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.preflight.candidates import Candidate, Mutation
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.apicalls import Kind
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import ConfFile
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import (
    Outcome,
    Source,
    validate,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.report import line
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_checks import servers_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.manifests import Search

BASE = {
    "template": "local:vztmpl/debian.tar.zst",
    "storage_pool": "local",
    "storage_size_gb": 8,
    "network_config": {"bridge": "vmbr0", "ip": "dhcp"},
}
CERTS = {"host_path": "/srv/certs", "mounts": {"950": "/etc/ssl/shared"}}


def judge(volumes: Any, hidden: bool = False, host: dict[str, Any] | None = None, **containers: Any) -> Outcome:
    """The verdict on 950 and 951, changed as given, and these shared volumes."""
    configs: dict[str, Any] = {
        ctid: {"name": f"ct{ctid}", **BASE, **containers.pop(f"ct{ctid}", {})} for ctid in ("950", "951")
    }
    configs["951"] = {key: value for key, value in configs["951"].items() if value is not None}
    lxc = json.dumps({"lxc_configs": configs}, indent=1).encode()
    config = json.dumps({"shared_volumes": volumes, **(host or {})}, indent=1).encode()
    return validate(
        Source("lxc.json", parse(lxc), load_schema("phoenix_lxc_configs")),
        Source("host.json", parse(config), load_schema("hypervisor_config"), hidden),
        ("pve",),
        servers_of=lambda fleet: servers_of(fleet, Search()),
    )


def points(outcome: Outcome, ctid: str = "950") -> list[tuple[str, str]]:
    """(folder of the node, folder of the container) of its mount points."""
    found = outcome.fleet.containers[ctid].config.get("mount_points", [])
    return [(item["host_path"], item["container_path"]) for item in found]


def test_the_containers_that_are_named_mount_it() -> None:
    outcome = judge(
        {"certs": {**CERTS, "mounts": {"950": "/certs", "951": "/etc/certs"}}, "data": {"host_path": "/srv/data"}},
        ct950={"mount_points": [{"host_path": "/srv/own", "container_path": "/own"}]},
    )
    assert (outcome.findings, outcome.warnings) == ((), ())
    assert points(outcome) == [("/srv/own", "/own"), ("/srv/certs", "/certs")]
    assert points(outcome, "951") == [("/srv/certs", "/etc/certs")]


def test_the_plan_says_where_it_comes_from() -> None:
    config = judge({"certs": CERTS}).fleet.containers["950"].config
    wanted = mounts.find(Wanted(950, "pve", config), ConfFile(), Record()).desired()["mp0"]
    assert (wanted.source, wanted.parts) == ("shared_volumes", {"volume": "/srv/certs", "mp": "/etc/ssl/shared"})
    assert wanted.remembered() == wanted.parts  # so that it goes when its entry does


def test_the_same_mount_in_both_files_is_one() -> None:
    own = {"host_path": "/srv/certs/", "container_path": "/etc/ssl/shared", "read_only": True}
    outcome = judge({"certs": CERTS}, ct950={"mount_points": [own]})
    assert outcome.findings == ()
    assert outcome.fleet.containers["950"].config["mount_points"] == [own]


def test_a_container_that_is_to_go_mounts_nothing() -> None:
    outcome = judge({"certs": CERTS}, ct950={"target_state": "absent"})
    assert (outcome.findings, points(outcome)) == ((), [])


def test_one_that_the_file_has_not_is_told_and_stops_nothing() -> None:
    outcome = judge({"certs": {**CERTS, "mounts": {"1001": "/a", "959": "/b"}}})
    assert outcome.findings == ()
    other, near = outcome.warnings
    assert other == (
        "host.json:6  /shared_volumes/certs/mounts/1001: 1001 is not a container of lxc.json; nothing is mounted there "
        " remedy: Name one of its containers, or remove the entry."
    )
    assert "(did you mean 95" in near


def test_a_notice_brings_nothing_to_the_terminal() -> None:
    (told,) = judge({"a\x1b[2J": {**CERTS, "mounts": {"1001": "/a"}}}).warnings
    assert "\x1b" not in told


STORE = {"path": "/srv/models", "container_path": "/models", "models": ["acme/a"]}


@pytest.mark.parametrize(
    ("places", "changes", "words"),
    [
        ({"950": "certs"}, {}, "Write the whole path in the container"),
        ({"950": "/a/../b"}, {}, "an absolute path without .."),
        ({"0950": "/a"}, {}, 'Write "950"'),
        ({"950": "/"}, {}, "Name a folder"),
        ({"950": "/a"}, {"is_template": True}, "although it becomes a template"),
        ({"950": "/a"}, {"guard": "rollback"}, "before each of its changes"),
        ({"950": "/a"}, {"mount_points": [{"host_path": "/b", "container_path": "/a/"}]}, "mount_points/0 has it"),
        (
            {"950": "/a"},
            {"volumes": [{"name": "data", "pool": "local", "size_gb": 1, "mount_point": "/a"}]},
            "volumes/0 has it",
        ),
        ({"950": "/models"}, {"vllm_model": "acme/a"}, "model_store has it"),
    ],
)
def test_it_is_one_error_in_the_hosts_file(places: dict[str, str], changes: dict[str, Any], words: str) -> None:
    outcome = judge({"certs": {**CERTS, "mounts": places}}, ct950=changes, host={"model_store": STORE})
    (found,) = [line(finding) for finding in outcome.findings]
    assert found.startswith(f"host.json:6:{found.split(':')[2].split()[0]}  /shared_volumes/certs/mounts/")
    assert words in found
    assert "remedy: " in found


def test_a_clone_source_mounts_nothing() -> None:
    outcome = judge({"certs": CERTS}, ct951={"template": None, "clone_from_ctid": "950"})
    (found,) = [line(finding) for finding in outcome.findings]
    assert "951 is cloned from it" in found


def test_two_volumes_at_one_place() -> None:
    outcome = judge({"certs": CERTS, "other": {"host_path": "/srv/b", "mounts": {"950": "/etc//ssl/shared/"}}})
    (found,) = outcome.findings
    assert found.pointer == "/shared_volumes/other/mounts/950"
    assert "shared_volumes/certs has it" in found.expected


def test_an_encrypted_file_shows_no_folder() -> None:
    outcome = judge({"certs": CERTS, "b": {**CERTS, "host_path": "/canary"}}, hidden=True)
    assert outcome.findings
    assert not any("canary" in line(one) or "/etc/ssl" in line(one) for one in outcome.findings)


@pytest.mark.parametrize(
    "volumes", [[], "x", {"a": []}, {"a": {"host_path": 5}}, {"a": {**CERTS, "mounts": ["950"]}}, None]
)
def test_what_has_another_shape_is_only_an_error_of_the_schema(volumes: Any) -> None:
    assert points(judge(volumes)) == []


def test_a_folder_that_is_missing_is_made_by_the_hosts_playbook() -> None:
    config = judge({"certs": CERTS}).fleet.containers["950"].config
    call = on_container(Kind.CONFIG, "pve", 950, {"mp0": "/srv/certs,mp=/etc/ssl/shared"}).as_dict()
    item = Candidate(950, understand(config), (Mutation.from_json(call, "call"),))
    facts = judgement.Facts("pve", coming=frozenset({"/srv/certs"}), heads={950: {}})
    (found,) = judgement.judge([item], facts).findings
    assert (found.pointer, found.got) == ("/lxc_configs/950", 'got "/srv/certs", which is not on node pve')
    assert "run the playbook hypervisor first" in found.remedy
    (told,) = judgement.judge([item], facts, check=True).warnings
    assert "/srv/certs" in told
