# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan and journal as data: what is gathered, its schema, its file, and the comparison of two of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import plan_document, plan_file
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan.gathered import Gathered

RUN = {"id": "r", "controller": "c", "user": "u", "started": "2026-01-01T00:00:00+00:00", "pid": 1}
CREATE = {"op": "pve", "what": "POST /nodes/pve/lxc", "params": {"net0": "hwaddr=BC:24:11:00:00:01"}, "kind": "create"}
BEGIN = {"op": "feature", "what": "begin x", "params": {}}
WORD = {"op": "node", "what": "state", "params": {"word": "completed"}}
ENTRIES = [CREATE, BEGIN, WORD]
PLAN = {"state": "defined", "final_state": "completed", "waiting": [], "notes": ["n"], "refusal": None}
OBSERVED = {
    "ansible_facts": {
        "phoenix_observed": {
            "950": {"name": "web", "plan": PLAN},
            "951": {"name": "kept", "plan": {**PLAN, "state": "completed"}},
        },
        "phoenix_faults": {"952": "Container 952 is not touched"},
    }
}


def dry() -> Gathered:
    """A dry run of two containers, of which one is settled."""
    found = Gathered(dry=True)
    found.take_observed("pve", OBSERVED)
    found.take_driven("950", "pve", {"plan": PLAN, "state": "completed", "journal": ENTRIES})
    found.take_recorded("950", {"journal": [BEGIN]})
    return found


def real(mac: str = "02", last: dict[str, Any] | None = None) -> Gathered:
    """The run that follows it."""
    found = Gathered()
    found.take_observed("pve", OBSERVED)
    created = {**CREATE, "params": {"net0": f"hwaddr=BC:24:11:00:00:{mac}"}}
    found.take_driven("950", "pve", {"plan": PLAN, "state": "running", "journal": [created]})
    found.take_recorded("950", {"journal": [BEGIN]})
    found.take_driven("950", "pve", {"plan": PLAN, "state": "completed", "journal": [last or WORD]})
    return found


def made(found: Gathered, failed: Any = ()) -> dict[str, Any]:
    """Its document, after the check by its schema."""
    document = plan_document.document(found, RUN, failed)
    jsonschema.Draft202012Validator(plan_file.schema()).validate(document)
    return document


def test_a_plan_has_each_container_and_each_entry_once():
    document = made(dry())
    assert document["kind"] == "plan"
    assert document["changes"] == 3
    assert list(document["containers"]) == ["950", "951", "952"]
    assert document["containers"]["950"]["entries"] == ENTRIES
    assert document["containers"]["951"] == {
        "node": "pve",
        "name": "kept",
        "previous_state": "completed",
        "state": "completed",
        "entries": [],
        "waiting": [],
        "notes": ["n"],
        "refusal": None,
        "failures": [],
    }
    assert "pid" not in document["run"]


def test_a_journal_equals_its_plan_but_for_what_is_drawn():
    document = made(real())
    assert (document["kind"], document["containers"]["950"]["state"]) == ("journal", "completed")
    assert plan_document.differences(made(dry()), document) == []


def test_each_difference_is_a_line():
    plan = made(dry())
    (line,) = plan_document.differences(plan, made(real(last={**WORD, "params": {"word": "running"}})))
    assert line.startswith("container 950: entry 3: planned node state")
    stopped = made(real())
    stopped["containers"]["950"]["state"] = "running"
    (line,) = plan_document.differences(plan, stopped)
    assert line == "container 950: state: planned completed, reached running"
    del stopped["containers"]["950"]
    (line,) = plan_document.differences(plan, stopped)
    assert line.startswith("container 950: entry 1: planned pve POST /nodes/pve/lxc")


def test_a_task_of_a_node_tells_values_and_a_hidden_one_nothing():
    found = Gathered(dry=True)
    found.take_task(
        "pve", "base : Install", "phoenix.hypervisor.phoenix_packages", {"missing": ["jq"], "msg": "s3cret"}
    )
    found.take_task("pve", "Copy", "ansible.builtin.copy", {"path": "s3cret", "results": [{"changed": True}, {}]})
    found.take_task("pve", "Hide", "phoenix.hypervisor.phoenix_files", {"censored": "x", "path": "s3cret"})
    document = made(found)
    params = [entry["params"] for entry in document["nodes"]["pve"]["entries"]]
    assert params == [{"missing": ["jq"]}, {"items": 1}, {}]
    assert "s3cret" not in json.dumps(document)


def test_a_failure_counts_for_a_host_that_ended_so():
    found = dry()
    found.take_failure("950", True, {"msg": "no\x1b[2J space"})
    found.take_failure("pve", False, {"msg": "s3cret", "censored": "x"})
    assert made(found, {"950"})["containers"]["950"]["failures"] == ["no\N{REPLACEMENT CHARACTER}[2J space"]
    assert made(found, {"950"})["nodes"]["pve"]["failures"] == []
    assert "s3cret" not in json.dumps(made(found, None))


def test_the_file_is_whole_and_has_its_mode(tmp_path: Path):
    path = tmp_path / "plan.json"
    path.write_text("old")
    path.chmod(0o644)
    plan_file.write(str(path), made(dry()), 0o600)
    assert plan_file.read(str(path)) == made(dry())
    assert os.stat(path).st_mode & 0o777 == 0o600
    path.write_text("old")
    with pytest.raises(TypeError):
        plan_file.write(str(path), {"a": object()}, 0o600)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["plan.json"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "Expecting"), ("[]", "is not of type 'object'"), ('{"version": 2}', "required"), (None, "No such file")],
)
def test_another_file_is_refused_by_name(tmp_path: Path, text: str | None, words: str):
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(plan_file.PlanFileError, match=words) as caught:
        plan_file.read(str(path))
    assert str(path) in str(caught.value)


def test_where_no_plan_can_be_written(tmp_path: Path):
    assert plan_file.problem(str(tmp_path / "plan.json")) == ""
    assert plan_file.problem(str(tmp_path)) == "it is not a plain file"
    assert plan_file.problem("/dev/null") == "it is not a plain file"
    assert plan_file.problem(str(tmp_path / "none" / "plan.json")) == "No such file or directory"
    assert os.listdir(tmp_path) == []
