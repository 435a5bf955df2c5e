# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node tells about a container's plan and past: which run set a key last, and the logs of both its sides."""

from __future__ import annotations

from types import SimpleNamespace

from fake_node import wanted

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import collected
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf.observe import Observer
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import guest
from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_lxc_info


def keys(node, monkeypatch, **config):
    """The rows of the explanation by key."""
    seen_by = Observer(str(node.pve_dir), running=lambda: set(node.backend.running))
    monkeypatch.setattr(phoenix_lxc_info.observe, "Observer", lambda: seen_by)
    monkeypatch.setattr(phoenix_lxc_info, "Store", lambda: node.store)
    monkeypatch.setattr(phoenix_lxc_info, "open_client", node.connect)
    asked = {"ctid": 950, "config": dict(wanted(**config).config)}
    found = phoenix_lxc_info.survey(SimpleNamespace(params={"containers": [asked], "ctids": None, "explain": True}))
    why = found["containers"]["950"]["why"]
    return {row["key"]: row for row in why["keys"]}, why


def test_each_key_names_the_run_that_set_it_last(node, monkeypatch):
    one = {"memory_mb": 512, "cores": 2}
    node.drive(wanted(features=(), **one), run="run-1")
    node.drive(wanted(features=(), **{**one, "memory_mb": 768}), run="run-2")
    rows, why = keys(node, monkeypatch, **{**one, "memory_mb": 768})
    assert why["steps"] == []
    assert {row["verdict"] for row in rows.values()} == {"as configured"}
    assert (rows["memory"]["run"], rows["cores"]["run"]) == ("run-2", "run-1")
    # By hand, and back to the value on record: the run that set it again is the last one.
    node.call("PUT", "/nodes/pve/lxc/950/config", {"cores": 4})
    rows, _why = keys(node, monkeypatch, **one)
    expected = {"cores": ("2", "4", "2", "changes"), "memory": ("512", "768", "768", "changes")}
    names = ("configured", "actual", "recorded", "verdict")
    assert {key: tuple(rows[key][name] for name in names) for key in expected} == expected
    node.drive(wanted(features=(), **{**one, "memory_mb": 768}), run="run-3")
    rows, _why = keys(node, monkeypatch, **{**one, "memory_mb": 768})
    assert (rows["memory"]["run"], rows["cores"]["run"]) == ("run-2", "run-3")


def collect(node, **more):
    """The logs of container 950."""
    return collected.collect(
        950, "pve", node.connect, **{"enters": True, "directory": str(node.directory / "log"), **more}
    )


def answer(monkeypatch, stdout=b"", code=0):
    """What the container says when its log is read."""
    done = SimpleNamespace(code=code, stdout=stdout, stderr=b"")
    monkeypatch.setattr(guest, "attach", lambda *_words, **_more: done)


def test_the_logs_of_a_container(node, monkeypatch):
    node.drive(wanted(features=()), run="run-1")
    node.drive(wanted(951, features=(), name="other"), run="run-1")
    answer(monkeypatch, b"\x1b[2Jhello\x07\n")
    found = collect(node)
    assert "event=created->configured" in found["audit"] or "step=start" in found["audit"]
    assert "ctid=951" not in found["audit"]
    assert " vzcreate by root@pam: OK " in found["tasks"]
    assert "951" not in found["tasks"]
    assert found["application"].startswith("hello")
    assert "\x1b" not in found["application"] + found["tasks"]
    assert found["notes"] == []


def test_what_is_missing_is_a_note(node, monkeypatch):
    node.drive(wanted(features=()))
    answer(monkeypatch, code=44)
    assert collect(node)["notes"] == []
    answer(monkeypatch, code=45)
    assert collect(node)["notes"] == ["application log: not a regular file, or it can't be read (exit code 45)"]
    (note,) = collect(node, enters=False)["notes"]
    assert note.startswith("application log: the container does not run")


def test_each_part_is_bounded(node, monkeypatch):
    node.drive(wanted(features=()))
    answer(monkeypatch, b"x" * 4 * collected.MOST)
    folder = node.directory / "log"
    (trail,) = folder.glob("orchestrator_*.log")
    trail.write_text(trail.read_text(encoding="utf-8") * 3000, encoding="utf-8")
    found = collect(node)
    assert {len(found[part]) <= collected.MOST for part in ("audit", "tasks", "application")} == {True}
    assert len(found["audit"]) > collected.MOST // 2
