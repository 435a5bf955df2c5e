# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests make on a node, kept beside the lab's images: the next lab of this machine takes a copy.

It holds apt's package lists of its day, with which a guest installs packages at once. So it is taken for less than the
hour after which a run fetches new lists.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

CACHE = Path('/var/cache/phoenix-lab')
FRESH_SECONDS = 1800


def add(lab: Mapping[str, str], name: str, script: str, run: Callable[[str], object]) -> None:
    """Give a node the template of that file name: a copy, or what the script makes there.

    lab: its variables, as lab.py prints them. run: runs a script on the node.
    """
    _keep(lab, f'template/cache/{name}', script, run)


def add_lists(lab: Mapping[str, str], run: Callable[[str], object]) -> None:
    """Give a node apt's lists of packages, with what apt makes of them: a copy, or new ones."""
    name = 'lists.tar.zst'
    archive = f'/var/lib/vz/{name}'
    update = 'set -e; apt-get -q update >/dev/null; tar -C / -cf - var/lib/apt/lists var/cache/apt'
    _keep(lab, name, f'{update} | zstd -q -1 -o {archive}', run)
    run(f'set -e; zstd -q -d -c {archive} | tar -C / -xf -; rm {archive}')


def _keep(lab: Mapping[str, str], name: str, script: str, run: Callable[[str], object]) -> None:
    """Put a file into the node's /var/lib/vz: a copy of what is kept, or what the script makes there."""
    target = Path(lab['PHOENIX_LAB_STORAGE'], 'vz', name)
    if target.exists():
        return
    facts = Path(lab['PHOENIX_LAB_LXCPATH']).with_name('ready.json')
    images = json.loads(facts.read_text(encoding='utf-8'))
    content = images['image'] + images['template'] + script
    kept = CACHE / f'made-{hashlib.sha256(content.encode()).hexdigest()[:12]}.tar.zst'
    with open(CACHE / 'made.lock', 'w', encoding='ascii') as lock:
        # Labs that start together wait for the first one's.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists() and time.time() - kept.stat().st_mtime < FRESH_SECONDS:
            shutil.copyfile(kept, target)
            return
        run(script)
        building = kept.with_suffix('.new')
        shutil.copyfile(target, building)
        os.replace(building, kept)
