# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that others have open, looked at without their file system: one of a guest's own may never answer."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.vendors import NVIDIA
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import quickstat
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.gpu import gpuusers
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import processes


@pytest.mark.parametrize("path", ["/dev/full", "/dev/null", "/", __file__, "/proc/self/exe", "/proc/self/fd/0"])
def test_it_tells_what_stat_tells(path: str) -> None:
    found, known = quickstat.look(path), os.stat(path)
    assert (found.mode, found.inode) == (known.st_mode, known.st_ino)
    assert found.device == (os.major(known.st_dev), os.minor(known.st_dev))
    if stat.S_ISCHR(known.st_mode):
        assert found.stands_for == (os.major(known.st_rdev), os.minor(known.st_rdev))


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        quickstat.look(str(tmp_path / "none"))


def test_no_file_of_another_process_is_asked_for_at_its_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without DONT_SYNC a file of a FUSE whose server does not answer keeps the caller, and no signal ends that."""
    busy = tmp_path / "950.busy"
    busy.touch()

    def waits(*_args: Any, **_more: Any) -> NoReturn:
        raise AssertionError

    with busy.open("rb") as file, subprocess.Popen(["sleep", "60"], stdin=file) as process:
        try:
            with monkeypatch.context() as patch:
                patch.setattr(os, "stat", waits)
                patch.setattr(os, "fstat", waits)
                assert processes.holders(str(busy)) == [process.pid]
                assert gpuusers.users(os.getpid(), NVIDIA, {"/dev/nvidia3": (195, 3)}) == []
        finally:
            process.kill()
