# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test of secrets needs: the arguments of every process, the node's too, and files encrypted with Vault."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .site import Project, ansible

VAULT = 'canary-c0ffee-vault'


@contextmanager
def processes() -> Iterator[set[str]]:
    """The arguments of every process that is seen while the block runs."""
    seen: set[str] = set()
    raw: set[bytes] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.004):
            # A pass takes as long as some programs last: nothing here makes objects of paths.
            for name in filter(str.isdigit, os.listdir('/proc')):
                try:
                    with open(f'/proc/{name}/cmdline', 'rb', buffering=0) as arguments:
                        raw.add(arguments.read())
                except OSError:
                    continue  # it has ended

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        seen.update(text.replace(b'\0', b' ').decode(errors='replace') for text in raw)


def encrypt(project: Project, path: Path) -> Path:
    """Encrypt a file with Ansible Vault; the file that holds the vault's password."""
    password = project.write('vault-password', VAULT)
    command = [ansible('ansible-vault'), 'encrypt', '--vault-password-file', str(password), str(path)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return password
