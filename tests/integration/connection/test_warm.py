# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm interpreter in real containers: one for all tasks of a run, and what ends it."""

from __future__ import annotations

import json
import pathlib
import shlex

import pytest
from pct_play import Play
from pct_targets import USER, LabTarget, Target, booted

# The process that the module's own descends from, which is the shell's parent.
HELPER = "cut -d ' ' -f 4 /proc/$PPID/stat"


@pytest.fixture
def play(target: Target, tmp_path: pathlib.Path, control_dir: pathlib.Path) -> Play:
    return Play(target, tmp_path, control_dir)


def on_node(target: Target, line: str) -> str:
    """A task that runs a line of shell on the node."""
    argv = [*target.ssh, line] if isinstance(target, LabTarget) else ["/bin/sh", "-c", line]
    plain = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    task = {"ansible.builtin.command": {"argv": argv}, "delegate_to": "localhost", "vars": plain}
    return f"- {json.dumps(task)}\n"


def restarts(target: Target) -> tuple[str, str]:
    """The lines that stop and start the running container."""
    if isinstance(target, LabTarget):
        # A boot clears /tmp, where every module puts its archive.
        return f"pct stop {target.running}", f"pct start {target.running}; {booted(target.running)}"
    return f"lxc-stop -k -n {target.running}", f"lxc-start -n {target.running}"


def shell(name: str, line: str = HELPER, **more: object) -> str:
    return f"- {json.dumps({'ansible.builtin.shell': line, 'register': name, **more})}\n"


def check(*that: str) -> str:
    return f"- {json.dumps({'ansible.builtin.assert': {'that': that}})}\n"


def test_tasks_of_a_run_share_it_and_others_do_not(play: Play) -> None:
    other = {"become": True, "become_method": "su", "become_user": USER}
    play.run(
        shell("one")
        + shell("two")
        + shell("off", vars={"phoenix_warm_interpreter": False})
        + shell("other", "id -un", **other, vars={"ansible_remote_tmp": "/tmp/.a"})
        + shell("background", "echo x", **{"async": 30, "poll": 1})
        + check(
            "one.stdout == two.stdout",
            "one.stdout != off.stdout",
            f"other.stdout == '{USER}'",
            "background.stdout == 'x'",
        )
    )


def test_it_comes_again_after_a_restart(play: Play) -> None:
    stop, start = restarts(play.target)
    play.run(
        shell("one")
        + on_node(play.target, stop)
        + shell("down", ignore_unreachable=True)
        + on_node(play.target, start)
        + shell("two")
        + check("down.unreachable", "'is stopped' in down.msg", "two.stdout != ''")
    )


def test_a_task_past_its_time_is_ended_in_the_container(play: Play) -> None:
    busy = f"/run/phoenix_hypervisor/{play.target.running}.busy"
    late = (
        "cp /bin/sleep /tmp/phx-warm; (trap '' TERM; setsid /tmp/phx-warm 600; /tmp/phx-warm 600) & /tmp/phx-warm 600"
    )
    play.run(
        shell("one")
        + shell("late", late, ignore_errors=True, vars={"phoenix_command_timeout": 3})
        + on_node(play.target, f"flock -n -x {shlex.quote(busy)} true")
        + shell("left", "cat /proc/[0-9]*/stat 2>/dev/null | grep '(phx-warm) [^Z]'; true")
        + shell("two")
        + check("'did not end within 3 s' in late.msg", "left.stdout == ''", "one.stdout != two.stdout")
    )


def test_a_flood_is_ended(play: Play) -> None:
    play.run(
        shell("flood", "head -c 9000000 /dev/zero", ignore_errors=True, vars={"phoenix_output_limit_mb": 1})
        + shell("two")
        + check("'wrote more than 1 MiB' in flood.msg", "two.stdout != ''")
    )


def test_an_exit_that_kills_it_is_a_failure_of_its_task(play: Play) -> None:
    play.run(
        shell("one")
        + shell("killed", f"kill -9 $({HELPER})", ignore_errors=True)
        + shell("two")
        + check("killed is failed", "one.stdout != two.stdout")
    )
