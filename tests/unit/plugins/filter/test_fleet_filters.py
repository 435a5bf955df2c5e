# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of a fleet: the notes of containers that need no work, and the table of states."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.filter.option_names import option_names
from ansible_collections.phoenix.hypervisor.plugins.filter.work_inside import work_inside
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import status_rows
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.config import growth


def test_due_containers_of_all_nodes_come_once_and_a_node_without_facts_is_no_error():
    nodes = [{"phoenix_due": ["951", 950]}, {}, {"phoenix_due": ["951", "952"]}]
    assert status_rows.due(nodes, ["960", "950"]) == ["951", "950", "952", "960"]
    assert status_rows.due([], ()) == []


def test_containers_with_notes_are_due_where_they_are_asked_for():
    seen = {
        "950": {"plan": {"notes": ["held"]}},
        "951": {"plan": {"waiting": ["cores"]}},
        "952": {"plan": {}},
        "953": {},
    }
    nodes = [{"phoenix_due": ["951"], "phoenix_observed": seen}, {}]
    assert status_rows.due(nodes) == ["951"]
    assert status_rows.due(nodes, with_notes=True) == ["951", "950"]


def test_the_notes_of_a_plan_come_before_what_waits():
    assert status_rows.notes({"notes": ["held"], "waiting": ["memory", "cores"]}) == [
        "held",
        "waits for a restart: memory",
        "waits for a restart: cores",
    ]
    assert status_rows.notes({"notes": None}) == []


def test_the_notes_of_containers_without_work_are_lines():
    facts = {
        "phoenix_due": ["951"],
        "phoenix_observed": {
            "1000": {"hostname": "late", "plan": {"notes": ["held"], "waiting": []}},
            "950": {"hostname": "web", "plan": {"notes": [], "waiting": ["cores", "mp0"]}},
            "951": {"hostname": "busy", "plan": {"notes": ["printed by its own task"]}},
            "952": {"error": "not observed"},
        },
    }
    assert status_rows.settled_notes([facts, {}]) == ["950 (web): waits for a restart: cores, mp0", "1000 (late): held"]


def test_the_notes_of_a_settled_fleet_are_two_lines():
    """One that many have is one line; what is too many is counted. With -v all are shown."""
    stopped = {
        str(ctid): {"hostname": f"c{ctid}", "plan": {"notes": [f"stopped on purpose: start it with --limit {ctid}"]}}
        for ctid in range(900, 950)
    }
    (line,) = status_rows.settled_notes([{"phoenix_observed": stopped}])
    assert line == "900 (c900), 901 (c901), 902 (c902), 47 more: stopped on purpose: start it with --limit CTID"
    stopped["901"]["plan"]["notes"] += ["a", "b"]
    stopped["902"]["plan"]["notes"] += ["c"]
    first, second = status_rows.settled_notes([{"phoenix_observed": stopped}])
    assert first == line
    assert second == "3 further notes on 2 containers: playbooks/status.yml shows them"
    full = status_rows.settled_notes([{"phoenix_observed": stopped}], every=True)
    assert len(full) == 4
    assert "949 (c949)" in full[0]
    assert full[1] == "901 (c901): a"


def test_a_container_of_a_lost_node_is_a_row():
    """Beside those of a node that answered, and one whose node the inventory lacks."""
    nodes = [
        {"phoenix_observed": {"950": {"exists": True, "hostname": "web", "state": "completed"}}},
        {
            "phoenix_observed": {"951": {"error": "x"}},
            "phoenix_faults": {"951": "Container 951 is not touched: node pve is unreachable:\nrefused"},
        },
        {},
    ]
    head, known, lost, without = status_rows.table(nodes, ["1000"])
    assert head.startswith("CTID")
    assert known.split()[:3] == ["950", "web", "completed"]
    assert lost.split()[:3] == ["951", "-", "unknown"]
    assert lost.endswith("node pve is unreachable: refused")
    assert without.split()[:3] == ["1000", "-", "unknown"]
    assert without.endswith("(see phoenix_missing_node)")
    assert list(status_rows.unobserved(nodes, ["1000"])) == ["951", "1000"]


def test_volumes_that_no_backup_contains_are_a_warning():
    seen = {"state": "completed", "unsaved": ["/data", "/srv"], "plan": {"notes": ["held"]}}
    _head, row = status_rows.table([{"phoenix_observed": {"950": seen}}])
    assert row.endswith("held; no backup contains /data, /srv")
    config = {
        "rootfs": "tank:subvol-950-disk-0,size=8G",
        "mp0": "tank:subvol-950-disk-1,mp=/kept,backup=1,size=1G",
        "mp2": "/srv,mp=/bind",
        "mp10": "tank:subvol-950-disk-3,mp=/late,backup=0",
        "mp9": "tank:subvol-950-disk-2,mp=/data,size=1G",
        "unused0": "tank:subvol-950-disk-4",
    }
    assert growth.unsaved(config) == ["/data", "/late"]


def test_names_of_options():
    words = ["--max_model_len=10", "--port", "8000", "-v", "----host", "a=--b"]
    assert option_names(words) == ["max-model-len", "port", "host"]


FEATURES = [
    {"name": "base", "reason": "not applied", "services": ["a.service"], "variables": {}},
    {"name": "driver", "reason": "not applied", "services": ["b.service"], "variables": {"version": "1"}},
    {"name": "server", "reason": "not applied", "services": ["c.service"]},
]


STEP = {"due_features": [], "running": True, "has_python": True}


def files_of(check_mode: bool = False, **step: object) -> list[str]:
    """The files that a step takes inside."""
    return [part["file"] for part in work_inside({**STEP, **step}, check_mode)]


def test_only_the_files_of_what_is_due_are_included():
    assert files_of() == []
    assert files_of(notes=["held"]) == ["notes.yml"]
    assert files_of(application_due="changed") == ["application.yml"]
    assert files_of(health_due="booted") == ["health.yml"]
    assert files_of(has_python=False, application_due="changed") == ["python.yml", "application.yml"]
    assert files_of(interrupted=True, due_features=FEATURES[:1]) == ["dpkg.yml", "feature.yml"]
    assert files_of(due_features=FEATURES, application_due="changed") == [
        *("feature.yml", "node_facts.yml", "feature.yml", "feature.yml"),
        "application.yml",
    ]


def test_a_layer_is_left_after_the_feature_that_is_named():
    step = {"due_features": FEATURES, "leaves_layer_after": "base", "application_due": "changed"}
    files = ["feature.yml", "layer.yml", "node_facts.yml", "feature.yml", "feature.yml", "application.yml"]
    assert files_of(**step) == files
    assert "layer.yml" not in files_of(True, **step)
    assert "layer.yml" not in files_of(**{**step, "leaves_layer_after": ""})
    last = {"due_features": FEATURES[:1], "leaves_layer_after": "base"}
    assert files_of(**last) == ["feature.yml", "layer.yml", "end.yml"]


def test_nothing_has_begun_and_nothing_is_complete_when_a_layer_is_left():
    parts = work_inside({**STEP, "due_features": FEATURES, "leaves_layer_after": "base"})
    assert [(part["next"].get("name"), part.get("last")) for part in parts if part["file"] != "node_facts.yml"] == [
        (None, False),
        ("driver", None),  # the layer
        ("server", False),
        (None, True),
    ]


def test_the_record_of_a_feature_begins_the_next_one_or_is_the_end():
    def turns(**step: object) -> list[tuple[str, bool]]:
        parts = work_inside({**STEP, "due_features": FEATURES, **step})
        return [(part["next"].get("name"), part["last"]) for part in parts if part["file"] == "feature.yml"]

    assert turns() == [("driver", False), ("server", False), (None, True)]
    assert turns(health_due="booted") == [("driver", False), ("server", False), (None, False)]


def test_the_first_feature_installs_python_and_each_knows_the_services_above():
    step = {**STEP, "due_features": FEATURES, "has_python": False, "interrupted": True}
    parts = work_inside(step)
    assert [part["file"] for part in parts[:3]] == ["dpkg.yml", "feature_python.yml", "feature.yml"]
    assert parts[1]["feature"] == parts[2]["feature"]  # it has failed when there is no Python
    features = [part for part in parts if part["file"] == "feature.yml"]
    assert [part["services_above"] for part in features] == [["b.service", "c.service"], ["c.service"], []]
    assert [part["file"] for part in parts].count("feature_python.yml") == 1
    parts = work_inside({**step, "has_python": True})
    assert not any(part["file"] == "feature_python.yml" for part in parts)


def test_the_packages_of_all_features_come_with_python():
    features = [{**feature, "packages": ["curl", feature["name"], "x; reboot"]} for feature in FEATURES]
    parts = work_inside({**STEP, "due_features": features, "has_python": False})
    assert [part.get("packages") for part in parts] == [["curl", "base", "driver", "server"], None, None, None, None]
    assert work_inside({**STEP, "application_due": "changed", "has_python": False})[0]["packages"] == []


def test_a_dry_run_without_python_predicts_no_feature():
    assert files_of(True, has_python=False, interrupted=True, due_features=FEATURES) == ["dpkg.yml"]
    assert files_of(True, due_features=FEATURES[:1], health_due="booted") == ["feature.yml", "health.yml"]
    assert files_of(True, running=False, due_features=FEATURES) == []
