# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs that come and go at the same time: the folders that they share are there as long as one of them needs them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'lab'))

from phoenix_lab import instance, lifecycle, node, outputs
from phoenix_lab.run import run

ROUNDS = 20
FORKED = multiprocessing.get_context('fork')  # with what a test has replaced


@pytest.fixture(name='root')
def fixture_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of the test's own in place of this machine's."""
    for module in (instance, lifecycle, outputs):
        for name in ('STATE_ROOT', 'RUN_ROOT', 'CHECKOUT'):
            monkeypatch.setattr(module, name, tmp_path / name.lower(), raising=False)
    monkeypatch.setattr(instance.os, 'geteuid', lambda: 0)
    monkeypatch.setattr(lifecycle, 'leftovers', lambda lab: [])
    monkeypatch.setattr(lifecycle, 'say', lambda text: None)
    monkeypatch.setattr(lifecycle.network, 'down', lambda lab: None)
    monkeypatch.setattr(lifecycle.disk, 'down', lambda lab: None)
    monkeypatch.setattr(node, 'stop', lambda lab: None)
    monkeypatch.setattr(instance, '_free_network', lambda ident: '10.64.0.0/23')
    return tmp_path


def test_labs_that_come_and_go_at_once_keep_their_files(root: Path) -> None:
    labs = [FORKED.Process(target=live, args=(root, ident)) for ident in ('one', 'two', 'three', 'four')]
    for lab in labs:
        lab.start()
    for lab in labs:
        lab.join()
    assert [lab.exitcode for lab in labs] == [0] * 4
    assert not (root / 'checkout' / '.lab').exists()
    assert not (root / 'state_root').exists()


def live(root: Path, ident: str) -> None:
    """Come and go."""
    for _round in range(ROUNDS):
        lab = instance.Instance(ident)
        outputs.write(lab)
        assert (lab.output / 'ssh_config').is_file()
        assert lab.state.is_dir()
        assert (root / 'checkout' / '.lab' / '.gitignore').is_file()
        lifecycle.down(lab)


def test_a_stopped_node_has_no_process_left(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The monitor of a container ends after the socket by which it is known to run."""
    monkeypatch.undo()
    lab = instance.Instance('none0')
    seen = iter([[], [7], [7], []])
    monkeypatch.setattr(node, 'processes', lambda lab, program='': next(seen))
    monkeypatch.setattr(node, 'is_running', lambda lab: False)
    monkeypatch.setattr(node, 'say', lambda text: None)
    node.stop(lab)
    assert list(seen) == []


@pytest.mark.parametrize('stays', [False, True])
def test_a_command_of_a_killed_one_is_awaited_unless_it_stays(tmp_path: Path, stays: bool) -> None:
    """It works on the same files as the next one."""
    started, go, ended = (tmp_path / name for name in ('started', 'go', 'ended'))
    os.mkfifo(started)
    script = f'echo > {started}; until [ -e {go} ]; do sleep 0.01; done; touch {ended}'
    victim = os.fork()
    if not victim:
        with instance.locked(tmp_path / 'lock'):
            run(['sh', '-c', script], stays=stays)
        os._exit(0)
    started.read_text(encoding='utf-8')
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    with ThreadPoolExecutor() as pool:
        opened = pool.submit(open_lock, tmp_path / 'lock', ended)
        if stays:
            assert not opened.result(60)
        go.touch()
        assert opened.result(60) is not stays


def open_lock(path: Path, ended: Path) -> bool:
    """Wait for the lock. Whether the command had ended by then."""
    with instance.locked(path):
        return ended.exists()
