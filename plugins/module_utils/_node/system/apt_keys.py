# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys of package repositories: fetched, verified by their fingerprints, and kept for apt."""

from __future__ import annotations

import os
import tempfile
from itertools import repeat
from typing import NamedTuple

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ..._core.host.credentials import openpgp
from ..waiting import Deadline, retry


def download(url: str, timeout: int) -> bytes:
    """Return what lies at an address, bounded. Raises OSError."""
    with open_url(url, timeout=timeout) as answer:
        return bytes(answer.read(openpgp.MAX_BYTES + 1))


def judged(data: bytes, expected: list[str] | None, where: str) -> tuple[bytes, list[str]]:
    """Return the packets of a key file and its fingerprints. Raises KeyFileError when any is not expected.

    None as `expected` takes any key.
    """
    try:
        packets = openpgp.binary(data)
        found = openpgp.primary_fingerprints(packets)
    except openpgp.KeyFileError as error:
        raise openpgp.KeyFileError(f"{where} is not a key for apt: {error}") from error
    foreign = [item for item in found if expected is not None and item not in expected]
    if expected is not None and foreign:
        raise openpgp.KeyFileError(
            f"{where} holds the key {', '.join(foreign)}; expected {' or '.join(expected) or 'none'}. Compare it with "
            "what the repository's owner publishes, and set the fingerprint if it is right. Nothing has been changed."
        )
    return packets, found


def same(path: str, data: bytes) -> bool:
    """Whether a file holds this."""
    try:
        with open(path, "rb") as file:
            return file.read(len(data) + 1) == data
    except FileNotFoundError:
        return False


def write(module: AnsibleModule, path: str, data: bytes) -> None:
    """Write the file, whole or not at all."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.chmod(temporary, 0o644)  # apt reads it as another user
    module.atomic_move(temporary, path)


class Key(NamedTuple):
    """A key that was kept, or would be in check mode."""

    changed: bool
    fingerprints: list[str]


def keep(
    module: AnsibleModule,
    dest: str,
    url: str | None,
    content: str | None,
    fingerprints: list[str] | None,
    timeout: int = 30,
) -> Key:
    """Keep the key of an address or of a text, unless in check mode. Raises OSError, ValueError and KeyFileError."""
    expected = None if fingerprints is None else [openpgp.normal(item) for item in fingerprints]
    given = content.encode() if content else download(url or "", timeout)
    packets, found = judged(given, expected, url or "content")
    changed = not same(dest, packets)
    if changed and not module.check_mode:
        write(module, dest, packets)
    return Key(changed, found)


def keep_persistently(
    module: AnsibleModule, dest: str, url: str, fingerprints: list[str], retries: int, delay: float
) -> Key:
    """Keep the key of an address, with more attempts where it can't be fetched. Raises as `keep` does."""

    def again(error: Exception) -> bool:
        # Another attempt brings the same key.
        return isinstance(error, (OSError, ValueError)) and not isinstance(error, openpgp.KeyFileError)

    return retry(lambda: keep(module, dest, url, None, fingerprints), again, Deadline(), repeat(delay, retries))
