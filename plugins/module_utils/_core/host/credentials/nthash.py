# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The NT hash of a password, by which Samba keeps it: MD4 (RFC 1320) over UTF-16LE.

By hand, because OpenSSL 3 no longer gives MD4 to hashlib. It serves to compare a password with the one that is set
already; whoever has the hash can use it as the password, so it is treated like one.
"""

from __future__ import annotations

_MASK = 0xFFFFFFFF
# RFC 1320, 3.4: for each round the order of the words, the four shifts, the constant.
_ROUNDS = (
    (tuple(range(16)), (3, 7, 11, 19), 0),
    ((0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13), 0x5A827999),
    ((0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15), 0x6ED9EBA1),
)


def _mix(number: int, x: int, y: int, z: int) -> int:
    """The function of a round, counted from 0."""
    if number == 0:
        return (x & y) | (~x & z)
    if number == 1:
        return (x & y) | (x & z) | (y & z)
    return x ^ y ^ z


def md4(data: bytes) -> bytes:
    """The digest of RFC 1320."""
    padded = data + b"\x80" + b"\0" * ((55 - len(data)) % 64) + (len(data) * 8).to_bytes(8, "little")
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for start in range(0, len(padded), 64):
        words = [int.from_bytes(padded[at : at + 4], "little") for at in range(start, start + 64, 4)]
        a, b, c, d = state
        for number, (order, shifts, constant) in enumerate(_ROUNDS):
            for step, word in enumerate(order):
                total = (a + _mix(number, b, c, d) + words[word] + constant) & _MASK
                shift = shifts[step % 4]
                a, b, c, d = d, ((total << shift) | (total >> (32 - shift))) & _MASK, b, c
        state = [(old + new) & _MASK for old, new in zip(state, (a, b, c, d))]
    return b"".join(word.to_bytes(4, "little") for word in state)


def nt_hash(password: str) -> str:
    """As `pdbedit -L -w` prints it."""
    return md4(password.encode("utf-16-le")).hex().upper()
