# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPGP public keys as apt takes them (RFC 4880, RFC 9580): whose they are, by their fingerprints.

By hand, because small guests and nodes have no gpg, and the fingerprint of a key is one hash over its packet. Whether
the signatures in a key hold is judged by apt; that no key but the expected ones is in a file is judged here.
"""

from __future__ import annotations

import base64
import hashlib
import re

from ...errors import KnownError

MAX_BYTES = 1024 * 1024
_BEGIN = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_BLOCK = re.compile(_BEGIN + rb"[^\S\n]*\r?\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)
_HEADERS = re.compile(rb"(?:[A-Za-z]+: [^\n]*\n)*[^\S\n]*\r?\n")
_FINGERPRINT = re.compile(r"(?:[0-9A-F]{40}|[0-9A-F]{64})\Z")

# Packets of a public key: signature, key, user id, marker, trust, subkey, user attribute, padding.
_SIGNATURE, _KEY = 2, 6
_PARTS = frozenset([_SIGNATURE, _KEY, 10, 12, 13, 14, 17, 21])


class KeyFileError(KnownError, ValueError):
    """The bytes are no public keys; the text says why. The result tells it from a key that can't be fetched."""

    def __init__(self, why: str) -> None:
        super().__init__(why, refused=True)


def normal(fingerprint: str) -> str:
    """Return a fingerprint without blanks and colons, in capitals. Raises KeyFileError for what is none."""
    text = re.sub(r"[\s:]", "", fingerprint).upper().removeprefix("0X")
    if not _FINGERPRINT.match(text):
        raise KeyFileError(f"{fingerprint!r} is not a fingerprint: expected 40 or 64 hexadecimal digits")
    return text


def binary(data: bytes) -> bytes:
    """Return the packets of a key file, which may be in ASCII armor. Raises KeyFileError."""
    if len(data) > MAX_BYTES:
        raise KeyFileError(f"larger than {MAX_BYTES} bytes")
    if not data:
        raise KeyFileError("empty")
    if data[0] & 0x80:
        return data
    blocks = _BLOCK.findall(data)
    if not blocks or len(blocks) != data.count(_BEGIN):
        raise KeyFileError("neither binary nor a PGP PUBLIC KEY BLOCK")
    return b"".join(_unarmored(block) for block in blocks)


def primary_fingerprints(packets: bytes) -> list[str]:
    """Return the fingerprint of each primary key, in order. Raises KeyFileError for what holds anything but keys."""
    found: list[str] = []
    place = 0
    while place < len(packets):
        tag, start, end = _packet(packets, place)
        if tag not in _PARTS:
            raise KeyFileError(f"it holds a packet of type {tag}, which does not belong in a public key")
        if tag == _KEY:
            found.append(_fingerprint(packets[start:end]))
        place = end
    if not found:
        raise KeyFileError("it holds no key")
    return found


def _unarmored(block: bytes) -> bytes:
    block = block.replace(b"\r\n", b"\n")
    headers = _HEADERS.match(block)
    lines = block[headers.end() if headers else 0 :].split()
    text = b"".join(line for line in lines if not line.startswith(b"="))  # the last line is a checksum of transport
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise KeyFileError("its armor is broken") from error


def _packet(data: bytes, place: int) -> tuple[int, int, int]:
    """The type of a packet, and where its content begins and ends."""
    head = data[place]
    try:
        if not head & 0x80:
            raise KeyFileError("not a sequence of packets")
        if head & 0x40:
            tag, start, size = head & 0x3F, *_new_length(data, place + 1)
        else:
            tag, kind = (head >> 2) & 0x0F, head & 0x03
            if kind == 3:
                raise KeyFileError("a packet without a length")
            width = 1 << kind
            start, size = place + 1 + width, int.from_bytes(data[place + 1 : place + 1 + width], "big")
    except IndexError:
        raise KeyFileError("it is cut off") from None
    if start + size > len(data):
        raise KeyFileError("it is cut off")
    return tag, start, start + size


def _new_length(data: bytes, place: int) -> tuple[int, int]:
    first = data[place]
    if first < 192:
        return place + 1, first
    if first < 224:
        return place + 2, ((first - 192) << 8) + data[place + 1] + 192
    if first == 255:
        return place + 5, int.from_bytes(data[place + 1 : place + 5], "big")
    raise KeyFileError("a packet of unknown length")


def _fingerprint(body: bytes) -> str:
    version = body[0] if body else 0
    if version == 4:
        # SHA-1 is what defines it; a second key with the same one is out of reach.
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()
    if version == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise KeyFileError(f"a key of version {version}; expected 4 or 6")
