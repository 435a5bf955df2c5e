# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tickets that nobody asked the control plane for: signed on the node by PVE::Ticket with the keys of /etc/pve."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from pathlib import Path

PRIVATE, WWW = 'priv/authkey.key', 'pve-www.key'
LIVES = 2 * 3600
KEY = '-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n'


def _hash(text: bytes, key: bytes) -> str:
    return base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()


class SignedTickets:
    """What the keys below a folder sign. Without a folder there is none.

    prefix: what a ticket must begin with; another one than PVE's plays a release that asks for more than this one.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.prefix = 'PVE'

    def keep(self, folder: Path) -> None:
        """Check by the keys of /etc/pve; made when missing."""
        self.folder = folder
        for name, mode in ((PRIVATE, 0o600), (WWW, 0o640)):
            path = folder / name
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.touch(mode)
                path.write_text(KEY.format(secrets.token_hex(32)))

    def user(self, ticket: str) -> str | None:
        """Whose it is, None for one that is not signed so or too old."""
        plain, _signs, signature = ticket.partition('::')
        begin, _colon, made = plain.rpartition(':')
        prefix, _colon, user = begin.partition(':')
        if self.folder is None or prefix != self.prefix or not self._is_young(made):
            return None
        return user if hmac.compare_digest(signature, _hash(plain.encode(), self._key(PRIVATE))) else None

    def is_token_of(self, user: str, token: str) -> bool:
        """Whether it is a CSRF token of the user."""
        made, _colon, signature = token.partition(':')
        if self.folder is None or not self._is_young(made):
            return False
        # Perl's hmac_sha256_base64 with one argument takes it as the key of an empty text.
        secret = _hash(b'', self._key(WWW)).rstrip('=')
        wanted = _hash(f'{made}:{user}'.encode(), secret.encode()).rstrip('=')
        return hmac.compare_digest(signature, wanted)

    def _key(self, name: str) -> bytes:
        return (self.folder / name).read_bytes() if self.folder else b''

    @staticmethod
    def _is_young(made: str) -> bool:
        try:
            return -300 < time.time() - int(made, 16) < LIVES
        except ValueError:
            return False
