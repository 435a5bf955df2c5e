# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the lab's tests, forked from a process that has imported Ansible: each is a run of its own."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from ansible import constants

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "lab"))

from support.warm import imported


def test_each_run_has_what_is_its_own_and_the_next_one_none_of_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "{{ lookup('config', 'DEFAULT_LOCAL_TMP') }}"
    say = {"ansible.builtin.debug": {"msg": f"said={{{{ lookup('env', 'LAB_RESULTS') }}}},{{{{ word }}}},{own}"}}
    fail = {"ansible.builtin.fail": {}, "when": "word == 'bad'"}
    wait = {"ansible.builtin.pause": {"seconds": 20}, "when": "word == 'slow'"}
    (tmp_path / "play.json").write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [say, fail, wait]}])
    )
    program = str(pathlib.Path(sys.executable).parent / "ansible-playbook")
    monkeypatch.setattr(imported, "_idle", {})
    variables = {name: value for name, value in os.environ.items() if name not in imported.OF_A_RUN}

    def run(word: str, timeout: float = 120) -> tuple[int, str, str]:
        """The exit code, what it said of itself, and its folder for temporary files."""
        command = [program, "-i", "localhost,", str(tmp_path / "play.json"), "-e", f"word={word}"]
        mine = {**variables, "LAB_RESULTS": f"of-{word}", "PYTEST_CURRENT_TEST": word}
        code, output = imported.run(command, mine, tmp_path, timeout)
        found = output.partition("said=")[2].partition('"')[0].split(",")
        assert len(found) == 3, output
        return code, ",".join(found[:2]), found[2]

    good, bad, again = run("good"), run("bad"), run("again")
    assert [(one[0], one[1]) for one in (good, bad, again)] == [
        (0, "of-good,good"),
        (2, "of-bad,bad"),
        (0, "of-again,again"),
    ]
    folders = {one[2] for one in (good, bad, again)}
    assert len(folders) == 3
    assert {os.path.dirname(folder) for folder in folders} == {os.path.dirname(constants.DEFAULT_LOCAL_TMP)}
    assert [folder for folder in folders if os.path.exists(folder)] == []
    (idle,) = imported._idle.values()
    assert len(idle) == 1  # the three in turn
    started = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run("slow", timeout=5)
    assert time.monotonic() - started < 60
    assert run("good")[:2] == (0, "of-good,good")
    idle.pop().close()
