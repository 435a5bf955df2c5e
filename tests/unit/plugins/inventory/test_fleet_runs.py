# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of the playbooks without a node that answers: each fault by name, none passed off as success."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ansible_collections.phoenix.hypervisor as collection

# Nothing listens there, so a connection ends at once.
SOURCE = """
plugin: phoenix.hypervisor.phoenix
lxc_config: lxc.json
nodes:
  pve: {ansible_host: 127.0.0.1, ansible_port: 1, ansible_user: root}
  pve2: {ansible_host: 127.0.0.1, ansible_port: 1, ansible_user: root}
"""
CONTAINER = {"template": "local:vztmpl/a.tar.zst", "network_config": {"bridge": "vmbr0", "ip": "dhcp"}}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with two containers on each of two nodes that do not answer."""
    containers = {
        str(ctid): {"name": f"ct{ctid}", "node": node, **CONTAINER}
        for ctid, node in {950: "pve", 951: "pve2", 952: "pve", 953: "pve2"}.items()
    }
    (tmp_path / "phoenix.yml").write_text(SOURCE)
    (tmp_path / "lxc.json").write_text(json.dumps({"lxc_configs": containers}))
    (tmp_path / "empty.cfg").touch()
    return tmp_path


def command(
    folder: Path, *words: str, paths: str | None = None, timeout: float = 120, **settings: str
) -> tuple[int, str]:
    """Exit code and output of an ansible command, as somebody without an ansible.cfg runs it."""
    root = Path(next(iter(collection.__path__))).parents[2]
    others = [path for path in os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(os.pathsep) if path]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "CI"))}
    environment.update(
        ANSIBLE_COLLECTIONS_PATH=paths or os.pathsep.join([str(root), *others]),
        ANSIBLE_CONFIG=str(folder / "empty.cfg"),
        ANSIBLE_HOME=str(folder / "home"),
        COLUMNS="400",
        **{f"ANSIBLE_INVENTORY_{name}": value for name, value in settings.items()},
    )
    done = subprocess.run(
        [sys.executable, "-m", "ansible", *words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def playbook(folder: Path, name: str, *words: str, source: str = "phoenix.yml") -> tuple[int, str]:
    """Run one of the collection's playbooks."""
    return command(folder, "playbook", "-i", source, f"phoenix.hypervisor.{name}", *words)


def sliced(folder: Path, *hosts: str) -> str:
    """The inventory as AWX hands a slice of it to a job: a script with the exported hosts and all groups."""
    rc, output = command(folder, "inventory", "-i", "phoenix.yml", "--list", "--export")
    assert rc == 0, output
    exported = json.loads(output)
    exported["_meta"]["hostvars"] = {
        name: values for name, values in exported["_meta"]["hostvars"].items() if name in hosts
    }
    for group in exported.values():
        if "hosts" in group:
            group["hosts"] = [name for name in group["hosts"] if name in hosts]
    path = folder / "slice.py"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(exported)}\nEND\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path.name


def test_a_slice_that_lacks_a_node(site: Path):
    """A container of that node fails by name, unless the run may reach the node."""
    source = sliced(site, "950", "951", "pve2")
    rc, output = playbook(site, "containers", source=source)
    assert rc == 2, output
    assert "Container 950 is not touched: its node 'pve' is not in the inventory of this run" in output
    assert "Container 951 is not touched: node pve2 is unreachable" in output
    rc, output = playbook(site, "status", source=source)
    assert rc == 2, output
    assert "The state of 2 containers is unknown" in output
    for words in ((), ("--limit", "950")):
        rc, output = playbook(site, "containers", "-e", "phoenix_missing_node=reach", *words, source=source)
        assert rc == 2, output
        assert "is not in the inventory of this run" not in output
        assert "Container 950 is not touched: node pve is unreachable" in output


def test_an_unreachable_node_is_a_fault_of_each_of_its_containers(site: Path):
    rc, output = playbook(site, "containers")
    assert rc == 2, output
    for ctid, node in ((950, "pve"), (951, "pve2"), (952, "pve"), (953, "pve2")):
        assert f"Container {ctid} is not touched: node {node} is unreachable" in output
    rc, output = playbook(site, "status", "--limit", "950,951")
    assert rc == 2, output
    assert "unknown" in output
    assert "node pve2 is unreachable" in output


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("containers", "none.yml", ()),
        ("containers", "missing.yml", ("--limit", "950")),
        ("hypervisor", "none.yml", ("--limit", "950")),
        ("destroy", "missing.yml", ("--limit", "950")),
    ],
)
def test_an_empty_inventory_is_no_success(site: Path, name: str, source: str, words: tuple[str, ...]):
    (site / "none.yml").write_text("all: {}\n")
    rc, output = playbook(site, name, *words, source=source)
    assert rc != 0, output
    assert "The inventory is empty" in output


def test_an_inventory_without_our_groups_is_no_success(site: Path):
    (site / "other.yml").write_text("all: {hosts: {web: }}\n")
    for words in ((), ("--limit", "web")):
        rc, output = playbook(site, "containers", *words, source="other.yml")
        assert rc == 2, output
        assert "neither nodes nor containers of phoenix.hypervisor" in output


def test_everything_that_is_wrong_before_a_node_is_asked_is_one_report(site: Path):
    document = json.loads((site / "lxc.json").read_text())
    document["lxc_configs"]["950"]["memory_mb"] = "8G"
    (site / "lxc.json").write_text(json.dumps(document))
    root = str(Path(next(iter(collection.__path__))).parents[2])
    (site / "galaxy" / "ansible_collections").mkdir(parents=True)
    words = ("-e", "phoenix_target_state=done", "-e", "phoenix_recreate_ctid=950", "--limit", "950")
    rc, output = command(
        site,
        *("playbook", "-i", "phoenix.yml", "phoenix.hypervisor.containers", *words),
        paths=os.pathsep.join([str(site / "galaxy"), root]),
    )
    assert rc == 2, output
    assert "Observe" not in output
    for text in (
        "Write 8192.",
        'got "done", expected one of defined, created, configured, running, customizing, completed',
        "did you mean phoenix_recreate_ctids?",
        "collection community.general (>=11.0.0) is not installed",
    ):
        assert text in output, output
    # Once as Ansible words the error, once as the result of the task; not by the inventory plugin too.
    assert output.count("Write 8192.") <= 2


def test_blank_answers_of_a_survey_mean_the_defaults(site: Path):
    names = ("phoenix_target_state", "phoenix_adopt", "phoenix_recreate_ctids", "phoenix_credential")
    answers = json.dumps(dict.fromkeys((*names, "phoenix_application_path", "phoenix_feature_collections"), " "))
    rc, output = playbook(site, "containers", "-e", answers, "--limit", "950")
    assert rc == 2, output
    assert "Container 950 is not touched: node pve is unreachable" in output
    assert "phoenix_" not in output.partition("PLAY RECAP")[0].partition("Container 950")[2].splitlines()[0]


def test_destroy_refuses_when_a_node_does_not_answer(site: Path):
    rc, output = playbook(site, "destroy", "-e", "phoenix_destroy=950", "-e", "phoenix_destroy_confirm=950")
    assert rc == 2, output
    assert "Nothing is destroyed" in output
    assert "node pve is unreachable" in output


@pytest.mark.parametrize("value", ["all", " "])
def test_destroy_wants_ctids(site: Path, value: str):
    started = time.monotonic()
    rc, output = playbook(site, "destroy", "-e", json.dumps({"phoenix_destroy": value}))
    assert rc == 2, output
    assert "phoenix_destroy" in output
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("name", ["phoenix_plan_file=plan.json", "phoenix_fail_on_changes=true"])
def test_a_plan_that_nobody_gathers_is_no_success(site: Path, name: str):
    rc, output = playbook(site, "containers", "--check", "-e", name)
    assert rc == 2, output
    assert "the callback phoenix.hypervisor.phoenix_plan" in output
    assert "callbacks_enabled" in output
    assert "Observe" not in output


def test_a_faulty_configuration_fails_a_synchronization(site: Path):
    """AWX keeps the inventory that it has then; without its setting the command shows the report and goes on."""
    (site / "lxc.json").write_text('{"lxc_configs": {"950": {"memory_mb": "8G"}}}')
    words = ("inventory", "-i", "phoenix.yml", "--list", "--export")
    rc, output = command(site, *words)
    assert rc == 0, output
    assert "phoenix_config_report" in output
    rc, output = command(site, *words, UNPARSED_FAILED="True")
    assert rc != 0
    assert "Write 8192." in output
    assert '"950"' not in output


def test_a_command_line_replaces_and_leaves_out_nothing_by_mistake(site: Path):
    given = {"phoenix_ctid": 951, "phoenix_config_report": "", "phoenix_stage": "x", "phoenix_plan": {}, "own_ctid": 1}
    for name, text in (("meta/phoenix_feature.yml", "{}"), ("tasks/main.yml", "[{meta: noop, tags: [slow, other]}]")):
        path = site / "roles" / "mark" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    lxc = json.loads((site / "lxc.json").read_text())
    lxc["lxc_configs"]["950"]["features"] = ["mark"]
    (site / "lxc.json").write_text(json.dumps(lxc))
    (site / "group_vars").mkdir()
    (site / "group_vars" / "containers.yml").write_text("phoenix_recreate_ctids: [950]\nphoenix_destroy: ''\n")
    rc, output = playbook(site, "containers", "-e", json.dumps(given), "--skip-tags", "slow,own,hypervisor_storge")
    assert rc == 2, output
    assert "--skip-tags  got hypervisor_storge (did you mean hypervisor_storage?)" in output
    assert "phoenix_recreate_ctids  got a value from the inventory, group_vars, host_vars or a play" in output
    assert "phoenix_destroy  got" not in output
    assert "--skip-tags  got slow, a tag in feature mark, expected no tag of a feature" in output
    assert "got own" not in output
    assert "Remove phoenix_ctid from the extra variables. Change the JSON files" in output
    assert "Remove phoenix_config_report from the extra variables. Change the JSON files" in output
    assert "Remove phoenix_stage from the extra variables." in output
    assert "Remove phoenix_plan " not in output
    assert "unreachable=1" not in output


def test_a_run_that_skips_the_check_does_nothing(site: Path):
    skip = ("--skip-tags", "always")
    rc, output = playbook(site, "containers", *skip)
    assert rc == 2, output
    assert "the first task of the playbook, which checks the configuration, did not run; nothing was done" in output
    (site / "lxc.json").write_text((site / "lxc.json").read_text().replace('"dhcp"', '"dhpc"'))
    for name in ("hypervisor", "containers"):
        rc, output = playbook(site, name, *skip)
        assert rc == 2, output
        assert 'got "dhpc", expected an IPv4 address' in output
        assert "unreachable=1" not in output


def test_variables_of_groups_do_not_lead_containers_to_another_connection(site: Path):
    (site / "group_vars").mkdir()
    for group in ("all", "containers"):
        (site / "group_vars" / f"{group}.yml").write_text("ansible_connection: ssh\nown: 1\n")
    rc, output = command(site, "inventory", "-i", "phoenix.yml", "--host", "950")
    assert rc == 0, output
    variables = json.loads(output)
    assert (variables["own"], variables["ansible_connection"]) == (1, "phoenix.hypervisor.pct")


def test_a_run_takes_one_source_of_the_plugin(site: Path):
    """The values for all hosts, such as the report of faults and the folder of the files, are those of one source."""
    other = site / "other"
    other.mkdir()
    (other / "phoenix.yml").write_text(SOURCE)
    (other / "lxc.json").write_text('{"lxc_configs": {}}')
    (site / "lxc.json").write_text((site / "lxc.json").read_text().replace('"dhcp"', '"dhpc"'))
    rc, output = playbook(site, "containers", "-i", "other/phoenix.yml", "--limit", "950")
    assert rc == 2, output
    assert "got a second inventory source of this plugin, after " in output
    assert "unreachable=1" not in output
    (site / "lxc.json").write_text((site / "lxc.json").read_text().replace('"dhpc"', '"dhcp"'))
    rc, output = command(site, "inventory", "-i", "phoenix.yml", "-i", "./phoenix.yml", "--host", "950")
    assert rc == 0, output
    assert json.loads(output)["phoenix_config_report"] == ""
