# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole plays over the plugin: modules, become, files, async, reset."""

from __future__ import annotations

import pathlib

import pytest
from pct_play import Play
from pct_targets import PASSWORD, USER, Target


@pytest.fixture
def play(target: Target, tmp_path: pathlib.Path, control_dir: pathlib.Path) -> Play:
    return Play(target, tmp_path, control_dir)


@pytest.mark.parametrize("warm", [True, False])
def test_modules_and_raw(play: Play, warm: bool) -> None:
    play.run(
        """
        - ansible.builtin.ping:
        - {ansible.builtin.raw: "printf one; printf two >&2; exit 255", register: raw, failed_when: raw.rc != 255}
        - {ansible.builtin.command: {argv: [printf, "%s", "a 'b' \\"c\\" $(id)"]}, register: said}
        - {ansible.builtin.shell: "echo $0; pwd", register: shell}
        - {ansible.builtin.setup: {gather_subset: [min]}, register: facts}
        - ansible.builtin.assert:
            that:
              - raw.stdout == 'one'
              - raw.stderr == 'two'
              - said.stdout == "a 'b' \\"c\\" $(id)"
              - shell.stdout_lines[1] == '/root'
              - facts.ansible_facts.ansible_user_id == 'root'
        """,
        phoenix_warm_interpreter=warm,
    )


@pytest.mark.parametrize("pipelining", [True, False])
def test_copy_template_script_fetch(play: Play, pipelining: bool) -> None:
    (play.root / "script.sh").write_text("#!/bin/sh\necho script \"$1\"\n")
    name = "odd 'name\" ü"
    (play.root / name).write_bytes(bytes(range(256)) * 100)
    play.run(
        """
        - {ansible.builtin.tempfile: {state: directory}, register: made}
        - {ansible.builtin.copy: {src: "{{ odd }}", dest: "{{ made.path }}/{{ odd }}", mode: "0640"}, register: first}
        - {ansible.builtin.copy: {src: "{{ odd }}", dest: "{{ made.path }}/{{ odd }}", mode: "0640"}, register: second}
        - {ansible.builtin.fetch: {src: "{{ made.path }}/{{ odd }}", dest: fetched/, flat: true}}
        - {ansible.builtin.script: script.sh 'x y', register: script}
        - {ansible.builtin.file: {path: "{{ made.path }}", state: absent}}
        - {ansible.builtin.assert: {that: [first is changed, second is not changed, "'script x y' in script.stdout"]}}
        """,
        odd=name,
        ansible_pipelining=pipelining,
    )
    assert (play.root / "fetched" / name).read_bytes() == bytes(range(256)) * 100


def test_async(play: Play) -> None:
    play.run("""
        - {ansible.builtin.command: echo done, async: 60, poll: 1, register: waited}
        - {ansible.builtin.assert: {that: [waited.stdout == 'done']}}
    """)


def test_reset_and_wait(play: Play) -> None:
    play.run("""
        - ansible.builtin.ping:
        - ansible.builtin.meta: reset_connection
        - ansible.builtin.wait_for_connection: {timeout: 20}
        - ansible.builtin.ping:
    """)


def test_stopped_is_unreachable_with_the_reason(play: Play) -> None:
    ctid = play.target.stopped
    play.run("- ansible.builtin.ping:\n", ctid=ctid, rc=4)
    assert (
        f"container {ctid} on node {play.target.variables['phoenix_node']} is stopped (pct start {ctid})" in play.output
    )
    assert "unreachable=1" in play.output


BECOME = {
    # Ansible enters as root, whom nothing asks for a password: the last two start from an ordinary user.
    "su without password": {
        "ansible_become_method": "su",
        "ansible_become_user": USER,
        "ansible_remote_tmp": "/tmp/.a",
    },
    "su with password": {
        "ansible_become_method": "su",
        "ansible_become_user": USER,
        "ansible_become_exe": f"runuser -u {USER} -- su",
        "ansible_become_password": PASSWORD,
    },
    "sudo without password": {"ansible_become_method": "sudo", "ansible_become_user": USER},
    "sudo with password": {
        "ansible_become_method": "sudo",
        # Not root: Ansible leaves out what would change nothing.
        "ansible_become_user": "nobody",
        # -k: a password that was right a moment ago is asked for again.
        "ansible_become_exe": f"runuser -u {USER} -- sudo -k",
        "ansible_become_password": PASSWORD,
    },
}


# The local container shares /usr with this machine, which may have no sudo.
WAYS = [("ssh", how) for how in BECOME] + [("local", how) for how in BECOME if how.startswith("su ")]


@pytest.mark.parametrize(("target", "how"), WAYS, indirect=["target"], scope="session")
@pytest.mark.parametrize("pipelining", [True, False])
def test_become(play: Play, how: str, pipelining: bool) -> None:
    play.run(
        """
        - {ansible.builtin.command: id -un, become: true, register: who}
        - {ansible.builtin.raw: "id -un; exit 7", become: true, register: raw, failed_when: raw.rc != 7}
        - {ansible.builtin.command: cat, become: true, args: {stdin: "{{ text }}"}, register: said}
        - ansible.builtin.assert:
            that: [who.stdout == user, "raw.stdout_lines == [user]", said.stdout == text]
        """,
        **BECOME[how],
        user=BECOME[how]["ansible_become_user"],
        text="x" * 50000,
        ansible_pipelining=pipelining,
        ansible_shell_allow_world_readable_temp=True,
    )


@pytest.mark.parametrize(
    ("target", "how"), [way for way in WAYS if "with password" in way[1]], indirect=["target"], scope="session"
)
def test_become_with_a_wrong_password(play: Play, how: str) -> None:
    variables = {**BECOME[how], "ansible_become_password": "wrong"}
    play.run("- {ansible.builtin.raw: id -un, become: true}\n", rc=2, **variables)
    assert "unreachable=0" in play.output
    assert "failed=1" in play.output
    assert "Incorrect" in play.output or "Authentication failure" in play.output
