# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every faulty configuration of the table yields its finding, at its place, with its remedy."""

from __future__ import annotations

import time

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import (
    Outcome,
    Source,
    validate,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import Finding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.report import LIMIT, line, lines, report
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema import schemajudge
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_checks import servers_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.manifests import Search
from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.documents.faults import (
    FAULTS,
    GOOD,
    GOOD_HOST,
    Fault,
    dump,
    set_path,
)
from ansible_collections.phoenix.hypervisor.tests.unit.plugins.plugin_utils.config.documents.fleet_faults import (
    CROSS_FAULTS,
    FINE,
)

# Findings of checks in the host's file.
HOST = ("/nvidia/", "/model_store/", "/network/", "/firewall/")
ALL_FAULTS = [*FAULTS, *CROSS_FAULTS]


def judge(lxc: bytes, host: bytes | None = None, nodes: tuple[str, ...] = ("pve",), hidden: bool = False) -> Outcome:
    """Validate two files as the inventory plugin does."""
    containers = Source("lxc.json", parse(lxc), load_schema("phoenix_lxc_configs"), hidden)
    hypervisor = None if host is None else Source("host.json", parse(host), load_schema("hypervisor_config"), hidden)
    return validate(containers, hypervisor, nodes, servers_of=lambda fleet: servers_of(fleet, Search()))


def test_the_table_is_large_and_names_are_unique():
    assert len(ALL_FAULTS) >= 180
    assert len({fault.name for fault in ALL_FAULTS}) == len(ALL_FAULTS)


def test_the_good_configuration_is_good():
    outcome = judge(dump(GOOD), dump(GOOD_HOST))
    assert outcome.findings == ()
    assert outcome.warnings == ()
    assert list(outcome.fleet.containers) == ["900", "950"]


@pytest.mark.parametrize("fault", ALL_FAULTS, ids=lambda fault: fault.name)
def test_fault(fault: Fault):
    outcome = judge(
        fault.lxc if fault.lxc is not None else dump(GOOD), fault.host if fault.host is not None else dump(GOOD_HOST)
    )
    file = "host.json" if fault.lxc is None or fault.at.startswith(HOST) else "lxc.json"
    meant = [
        finding
        for finding in outcome.findings
        if finding.pointer == fault.at and fault.remedy in finding.remedy and fault.expected in finding.expected
    ]
    assert len(meant) == 1, report(outcome.findings)
    finding = meant[0]
    assert finding.file == file
    assert sorted(other.pointer for other in outcome.findings if other is not finding) == sorted(fault.also)
    assert finding.line > 0
    assert finding.column > 0
    if fault.line:
        assert finding.line == fault.line
    if fault.nearest:
        assert finding.nearest == fault.nearest
    text = line(finding)
    assert text.startswith(f"{file}:{finding.line}:{finding.column}  ")
    assert "\n" not in text


@pytest.mark.parametrize("name", FINE)
def test_no_fault(name: str):
    document = GOOD
    for path, value in FINE[name].items():
        document = set_path(document, path[1:] if path[0] == "/" else "lxc_configs " + path, value)
    assert report(judge(dump(document)).findings) == ""


def test_all_errors_of_both_files_at_once_by_file_and_line():
    lxc = dump(GOOD).replace(b'"cores": 2', b'"cores": "2"').replace(b'"memory_mb": 40960', b'"memory_mb": "40G"')
    host = dump(GOOD_HOST).replace(b'"timezone"', b'"time_zone"')
    found = [(finding.file, finding.pointer) for finding in judge(lxc, host).findings]
    assert found == [
        ("lxc.json", "/lxc_configs/900/cores"),
        ("lxc.json", "/lxc_configs/950/memory_mb"),
        ("host.json", "/time_zone"),
    ]


def test_the_place_is_the_value_or_the_unknown_key():
    data = b'{"lxc_configs": {\n  "950": {"name": "a", "template": "local:vztmpl/a", "cores" :\n    "x", "corse": 1}}}'
    first, second = judge(data).findings
    assert (first.pointer, first.line, first.column) == ("/lxc_configs/950/cores", 3, 5)
    assert (second.pointer, second.line, second.column) == ("/lxc_configs/950/corse", 3, 10)


def test_a_broken_file_does_not_hide_the_other():
    found = judge(b'{"lxc_configs": {', b'{"timezone": 1}').findings
    assert [finding.file for finding in found] == ["lxc.json", "host.json"]


def test_a_container_on_no_node_when_there_are_several():
    found = judge(dump(GOOD), nodes=("pve1", "pve2")).findings
    assert [finding.pointer for finding in found] == ["/lxc_configs/900", "/lxc_configs/950"]
    assert "pve1, pve2" in found[0].expected


SECRETS = (
    "hunter2",
    "hf_abcdefghijklmnop",
    "$6$salt$hash",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "--api-key=topsecret1",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_not_echoed(secret: str):
    key = b'"password": ' if secret == "hunter2" else b'"cores": '
    lxc = dump(GOOD).replace(b'"cores": ', key + dump(secret) + b', "boot_order": ', 1)
    host = dump({"users": [{"username": "alice", "password_hash": secret + " :"}]})
    outcome = judge(lxc, host)
    assert len(outcome.findings) >= 2
    assert secret not in report(outcome.findings)


def test_a_secret_number_is_not_repeated_by_a_remedy():
    outcome = judge(dump(GOOD), dump({"users": [{"username": "alice", "password_hash": 424242}]}))
    assert len(outcome.findings) == 1
    assert "424242" not in report(outcome.findings)


def test_nothing_of_an_encrypted_file_is_shown():
    lxc = dump(GOOD).replace(b'"cores": 2', b'"cores": "4711"').replace(b"192.0.2.50/24", b"4712")
    outcome = judge(lxc, hidden=True)
    assert len(outcome.findings) == 2
    assert "471" not in report(outcome.findings)


def test_old_spelling_is_read_with_a_warning_that_names_the_new_one():
    outcome = judge(dump(GOOD).replace(b'"clone_from_ctid"', b'"clone_from_template_ctid"'))
    assert outcome.findings == ()
    assert outcome.fleet.containers["950"].source == "900"
    (warning,) = outcome.warnings
    assert warning.startswith("lxc.json:")
    assert "/lxc_configs/950/clone_from_template_ctid" in warning
    assert "write clone_from_ctid" in warning


def test_a_finding_about_an_old_spelling_points_to_it():
    (finding,) = judge(dump(GOOD).replace(b'"clone_from_ctid": "900"', b'"clone_from_template_ctid": "950"')).findings
    assert finding.pointer == "/lxc_configs/950/clone_from_template_ctid"


def test_both_dialects_of_the_hypervisor_configuration():
    datasets = [
        {"name": "a", "pool": "fast", "properties": {"compression": "lz4", "recordsize": "16K"}},
        {"name": "b", "pool": "fast", "properties": "compression=lz4,recordsize=16K", "proxmox_storage_type": "dir"},
    ]
    zfs = {
        "pools": GOOD_HOST["zfs"]["pools"],
        "datasets": datasets,
        "dataset_storage_types": {"fast/a": "zfspool:images"},
    }
    assert judge(dump(GOOD), dump({"zfs": zfs, "users": {"username": "alice"}})).findings == ()


def test_without_jsonschema_one_clean_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(schemajudge, "_library", lambda: None)
    found = judge(dump(GOOD), dump(GOOD_HOST)).findings
    assert len(found) == 1
    assert "pip install jsonschema" in found[0].remedy


def test_the_report_is_bounded_and_counts_all():
    findings = [Finding("f", ("a", index), "x", "y", "z", line=index + 1, column=1) for index in range(LIMIT + 5)]
    text = report(findings)
    assert text.count("remedy: ") == LIMIT
    assert "... and 5 more" in text
    assert text.endswith(f"{LIMIT + 5} errors in 1 file")
    assert len(lines(findings)) == LIMIT + 1
    assert report([]) == ""


def fleet(size: int) -> dict[str, dict[str, object]]:
    """A fleet in which every container differs."""
    containers: dict[str, dict[str, object]] = {}
    for number in range(size):
        containers[str(1000 + number)] = {
            "name": f"ct{number}",
            "template": "local:vztmpl/debian.tar.zst",
            "memory_mb": 512 + number,
            "cores": 2,
            "features": ["base_setup"],
            "network_config": {
                "bridge": "vmbr0",
                "ip": f"10.{number // 250}.0.{number % 250 + 1}/8",
                "gw": "10.255.0.1",
            },
            "mac_address": f"BC:24:11:00:{number // 256:02X}:{number % 256:02X}",
            "vllm_args": ["--port", str(number)],
            "health_check": {"command": f"curl -f http://localhost:{number}/", "retries": 3},
        }
    return containers


def test_a_thousand_containers_in_less_than_two_seconds():
    data = dump({"lxc_configs": fleet(1000)})
    start = time.process_time()
    assert judge(data).findings == ()
    assert time.process_time() - start < 2


def test_many_faults_in_three_hundred_containers():
    containers = fleet(300)
    for number, container in enumerate(containers.values()):
        container["cores"] = str(number)
        container["nmae"] = container.pop("name")
    found = judge(dump({"lxc_configs": containers})).findings
    assert len(found) == 600
    assert [finding.line for finding in found] == sorted(finding.line for finding in found)


@pytest.mark.parametrize("tail", [b"", b'"', b"}" * 3], ids=["truncated", "open string", "extra"])
def test_five_megabytes_in_less_than_two_seconds(tail: bytes):
    data = dump({"lxc_configs": fleet(11000)})
    assert len(data) > 5_000_000
    data = data[:-4] + tail if tail != b"}" * 3 else data + tail
    start = time.process_time()
    text = parse(data)
    assert time.process_time() - start < 2
    assert len(text.errors) == 1
    assert text.errors[0].line > 100_000
