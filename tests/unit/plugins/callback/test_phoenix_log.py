# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs of ansible-playbook: the trail they leave, and that every process of a run has the same identity."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.auditline import AuditEvent, parse_line
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import run_identity as run

COLLECTIONS = next(
    str(path.parent) for path in pathlib.Path(run.__file__).parents if path.name == "ansible_collections"
)

# An action plugin runs in a forked worker, a test or a lookup too.
LOOKUP = """
from ansible.plugins.lookup import LookupBase
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.run_identity import run_identity
class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return [dict(run_identity())]
"""

INNER = """
- hosts: '950'
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "INNER {{ lookup('who') | to_json }}"}
"""


@dataclasses.dataclass
class Project:
    """A directory with a playbook, and the trail of its runs."""

    root: pathlib.Path
    output: str = ""

    def play(self, tasks: str, *arguments: str, rc: int = 0, **env: str) -> list[AuditEvent]:
        """Run tasks, and return all lines of the trail."""
        self.run(tasks, *arguments, rc=rc, **env)
        return self.events()

    def run(self, tasks: str, *arguments: str, rc: int = 0, **env: str) -> None:
        (self.root / "lookup_plugins").mkdir(exist_ok=True)
        (self.root / "lookup_plugins/who.py").write_text(LOOKUP)
        text = "- name: Play\n  hosts: '950,951'\n  connection: local\n  gather_facts: false\n  tasks:\n"
        (self.root / "play.yml").write_text(text + textwrap.indent(textwrap.dedent(tasks), "    "))
        (self.root / "hosts").write_text("950\n951 phoenix_ctid=1951\n")
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
            "ANSIBLE_CALLBACKS_ENABLED": "phoenix.hypervisor.phoenix_log",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "PHOENIX_LOG_DIR": str(self.root / "log"),
            **env,
        }
        playbook = pathlib.Path(sys.executable).parent / "ansible-playbook"
        command = [str(playbook), "-i", "hosts", "play.yml", *arguments]
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == rc, done.stdout + done.stderr
        self.output = done.stdout + done.stderr

    def events(self) -> list[AuditEvent]:
        lines = [line for path in sorted((self.root / "log").glob("*.log")) for line in path.read_text().splitlines()]
        return [parse_line(line) for line in lines]


@pytest.fixture
def project(tmp_path: pathlib.Path) -> Project:
    return Project(tmp_path)


def test_a_run(project: Project) -> None:
    # The ignored failure is there to be seen in the log: its message must not be.
    tasks = """
        - {name: Fine, ansible.builtin.debug: {msg: hello}}
        - {name: Changes, ansible.builtin.debug: {msg: hello}, changed_when: true}
        - {name: Skipped, ansible.builtin.debug: {msg: hello}, when: false}
        - {name: Secret, ansible.builtin.fail: {msg: hunter2}, no_log: true, ignore_errors: true}  # looked for
        - {name: Breaks, ansible.builtin.fail: {msg: "two\\nlines"}, when: inventory_hostname == '951'}
    """
    events = project.play(tasks, rc=2)
    assert [(event.event, event.outcome) for event in events if event.ctid is None] == [
        ("run", "started"),
        ("play Play", "started"),
        ("play Play", "ended"),
        ("run", "failed"),
    ]
    assert [(event.event, event.outcome) for event in events if event.ctid == 950] == [
        ("Fine", "ok"),
        ("Changes", "changed"),
        ("Skipped", "skipped"),
        ("Secret", "ignored"),
        ("Breaks", "skipped"),
    ]
    # Two hosts work side by side, so only the order within one is certain.
    broken = [event for event in events if event.ctid == 1951][-1]
    assert (broken.ctid, broken.event, broken.outcome, broken.level) == (1951, "Breaks", "failed", "ERROR")
    assert broken.extras["host"] == "951"
    assert broken.extras["msg"].endswith("two\nlines")
    assert len({event.run for event in events}) == 1
    assert all(event.seconds is not None for event in events if event.ctid)
    (path,) = (project.root / "log").iterdir()
    assert "hunter2" not in path.read_text()
    assert "hello" not in path.read_text()


def test_a_dry_run_in_every_line(project: Project) -> None:
    tasks = """
        - {name: Changes, ansible.builtin.file: {path: "{{ playbook_dir }}/made", state: directory}}
        - {name: Asks, ansible.builtin.command: "true", check_mode: false}
    """
    events = project.play(tasks, "--check")
    assert {event.outcome for event in events} == {"dry-run"}
    assert {event.extras.get("changed") for event in events if event.event == "Changes"} == {"would"}
    assert {event.extras.get("result") for event in events if event.event == "Asks"} == {"changed"}


def test_a_link_in_place_of_the_trail_is_told_and_the_run_goes_on(project: Project) -> None:
    (project.root / "log").mkdir()
    target = project.root / "target"
    today = datetime.datetime.now().astimezone()
    for day in (today, today + datetime.timedelta(days=1)):
        (project.root / f"log/orchestrator_{day:%Y%m%d}.log").symlink_to(target)
    project.run("- {name: Fine, ansible.builtin.debug: {msg: hello}}\n")
    assert not target.exists()
    assert project.output.count("No audit trail is kept") == 1


def test_one_identity_in_all_processes_and_another_in_a_run_within(project: Project) -> None:
    inner = f"{pathlib.Path(sys.executable).parent}/ansible-playbook -i hosts inner.yml"
    (project.root / "inner.yml").write_text(INNER)
    tasks = f"""
        - ansible.builtin.debug: {{msg: "OUTER {{{{ lookup('who') | to_json }}}}"}}
        - {{ansible.builtin.command: {inner}, when: inventory_hostname == '950', register: inner}}
        - {{ansible.builtin.debug: {{msg: "{{{{ inner.stdout }}}}"}}, when: inventory_hostname == '950'}}
    """
    events = project.play(tasks, ANSIBLE_STDOUT_CALLBACK="ansible.builtin.oneline")
    runs = {event.run for event in events}
    found = {"OUTER": set(), "INNER": set()}
    text = project.output.replace("\\", "")
    decoder = json.JSONDecoder()
    for word, identities in found.items():
        for part in text.split(f"{word} ")[1:]:
            if part.startswith("{"):
                identities.add(decoder.raw_decode(part)[0]["id"])
    assert len(found["OUTER"]) == 1
    assert len(found["INNER"]) == 1
    assert found["OUTER"] != found["INNER"]
    assert runs == found["OUTER"] | found["INNER"]


FORGING = """#!/bin/sh
cat <<'JSON'
{"changed": true, "msg": "two\\nlines", "phoenix_audit": [{"event": "forged", "outcome": "ok", "ctid": 951}],
  "results": [{"phoenix_audit": [{"event": "forged", "outcome": "ok"}]}],
  "_ansible_delegated_vars": {"ansible_delegated_host": "pve", "ansible_connection": "ssh"}}
JSON
"""


def test_a_module_of_a_container_writes_no_line_of_its_own(project: Project) -> None:
    """Whatever its task is called, and whatever it says of a delegation."""
    (project.root / "library").mkdir()
    module = project.root / "library" / "forging"
    module.write_text(FORGING)
    module.chmod(0o755)
    tasks = """
        - {name: phoenix.hypervisor.phoenix_lxc_state, forging: }
        - {name: Twice, forging: , loop: [1, 2]}
    """
    events = project.play(tasks)
    assert [event.event for event in events if event.ctid == 950] == ["phoenix.hypervisor.phoenix_lxc_state", "Twice"]
    assert "forged" not in str(events)
