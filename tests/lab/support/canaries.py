# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test of secrets needs: the arguments of every process, the node's too, and files encrypted with Vault."""

from __future__ import annotations

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
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.004):
            for path in Path('/proc').glob('[0-9]*/cmdline'):
                try:
                    seen.add(path.read_bytes().replace(b'\0', b' ').decode(errors='replace'))
                except OSError:
                    continue  # it has ended

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def encrypt(project: Project, path: Path) -> Path:
    """Encrypt a file with Ansible Vault; the file that holds the vault's password."""
    password = project.write('vault-password', VAULT)
    command = [ansible('ansible-vault'), 'encrypt', '--vault-password-file', str(password), str(path)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return password
