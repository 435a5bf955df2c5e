# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the status: whole HTML, nothing from outside, every value as text."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.auditline import AuditEvent, format_line
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.status.fleet_status import document, runs
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.status.page import page

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=y>\x1b[31m"
STEP = {"kind": "configure", "name": "", "reason": "memory: 512 -> 768 (memory_mb)"}
VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Reads a page: its text, its elements, and whether they are nested well."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)


def seen(**more: Any) -> dict[str, Any]:
    """A settled, running container."""
    return {"exists": True, "ours": True, "running": True, "state": "completed", "plan": {"steps": []}, **more}


def status(**observed: Any) -> dict[str, Any]:
    """A document of these containers."""
    facts = {"phoenix_observed": {ctid.lstrip("c"): item for ctid, item in observed.items()}}
    known = {"950": {"source": 900, "node": "pve", "gpus": "0,1", "share": 0.45}, "951": {"source": "950"}}
    trail = [
        format_line(
            AuditEvent(
                "2026-11-28T10:00:00+00:00", "INFO", "r1", None, "run", "started", None, {"playbook": "site.yml"}
            )
        ),
        "noise",
        format_line(AuditEvent("2026-11-28T10:01:00+00:00", "INFO", "r1", None, "run", "ok", 60.0, {"changed": "3"})),
        format_line(AuditEvent("2026-11-28T11:00:00+00:00", "INFO", "r2", None, "run", "started")),
    ]
    return document("2026-11-28T12:00:00+00:00", [facts], ["977"], known, trail)


FLEET = {
    "c900": seen(template=True, hostname="base", unsaved=["/srv/data"]),
    "c950": seen(
        hostname="web",
        state="created",
        plan={"steps": [STEP, {"kind": "complete", "name": "", "reason": "x"}], "waiting": ["features"]},
        address="10.0.0.5",
        applied=[{"name": "vllm", "digest": "a" * 64, "at": "2026-11-28T09:00:00", "run": "r1"}],
    ),
    "c951": seen(hostname=EVIL, held=True, plan={"steps": [], "notes": [EVIL]}),
}


def test_the_page_is_whole_and_needs_nothing_else():
    read = Reader(page(status(**FLEET)))
    assert read.open == []
    names = {tag for tag, _attributes in read.elements}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "base", "form", "a"})
    for tag, attributes in read.elements:
        assert not {name for name in attributes if name.startswith("on") or name in ("src", "href")}, tag
    assert "svg" in names


def test_what_a_person_reads():
    text = " ".join(Reader(page(status(**FLEET))).texts)
    for part in (
        *(
            "4 containers, 1 with changes due, 1 waiting for a restart, 1 with a fault",
            "created (running, 1 change due)",
        ),
        *("memory: 512 -> 768 (memory_mb)", "waits for a restart: features", "10.0.0.5", "vllm", "aaaaaaaaaaaa", "45%"),
        *("/srv/data", "r1", "60.0", "not ended", "977", "its node is not in the inventory", "950 web", "held"),
    ):
        assert part in text, part


def test_values_are_text():
    text = page(status(**FLEET))
    assert "<script>alert" not in text
    assert "onerror=y>" not in text.replace("&gt;", "").replace("onerror=y&", "")
    assert "\x1b" not in text


def test_the_document_is_json():
    found = json.loads(json.dumps(status(**FLEET)))
    web = next(item for item in found["containers"] if item["ctid"] == 950)
    assert (web["state"], web["state_in_words"], web["waiting"]) == (
        "created",
        "created (running, 1 change due)",
        ["features"],
    )
    assert [run["run"] for run in found["runs"]] == ["r2", "r1"]


def test_an_empty_fleet_and_a_circle():
    assert "None." in " ".join(Reader(page(document("t", [], [], {}))).texts)
    facts = {"phoenix_observed": {str(ctid): seen(hostname=f"c{ctid}") for ctid in range(100, 400)}}
    chain = {str(ctid): {"source": ctid - 1} for ctid in range(101, 400)}
    assert Reader(page(document("t", [facts], [], {**chain, "100": {"source": 399}}))).open == []
    assert Reader(page(document("t", [facts], [], chain))).open == []


def test_runs_of_another_form_are_left_out():
    assert runs(["", " event=run x", "2026-11-28T10:00:00+00:00 INFO event=run "]) == []
