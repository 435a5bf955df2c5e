# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys by their fingerprints, compared with what gpg said of the same keys when it made them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, strategies

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.credentials import openpgp

FIRST, SECOND = "7DEE0C7C33DFB5A201650B7DF9DC99C543D61F02", "118F0B166E7D0E9CD642CE4D575215433205C794"
BEGIN, END = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "-----END PGP PUBLIC KEY BLOCK-----\n"
# With a subkey, not a key of its own.
FIRST_KEY = f"""{BEGIN}
mDMEawq8BxYJKwYBBAHaRw8BAQdAYLYZASWMcEdOeiCT3npuH6RQNK4UGtenuL27
SAC2fsa0D29uZUBleGFtcGxlLm9yZ4iQBBMWCAA4FiEEfe4MfDPftaIBZQt9+dyZ
xUPWHwIFAmsKvAcCGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQ+dyZxUPW
HwL3gwD/VW8vI3jiBnRJxlYBAPs3qR8T3iHo4IL66hATtlmBDMsA/3tr9nWJaXLI
D18Ddoy+04VGf5f5VYwxnlc8P0qyCZUGuDMEawq8BxYJKwYBBAHaRw8BAQdAdKKt
UdmTNXhqWXX2cMZy7NVhx9/7tUltREEDb2AhZEmI7wQYFggAIBYhBH3uDHwz37Wi
AWULffncmcVD1h8CBQJrCrwHAhsCAIEJEPncmcVD1h8CdiAEGRYIAB0WIQQs2UVc
4bmOq6m4hFgZpFvoexuBRwUCawq8BwAKCRAZpFvoexuBRzEUAP4hGOPXRq0opoy/
KapFdI14lK7qFFV8mOAaoxnbhPXL+QD9EuTfV7uT+EHlmGje2B3jCw0e2v3aNFiy
7VCMYwJJDQnPDwEA52VDypZJYKBQcoyb+IXzrlDxfV5ODMUZ/I6W5QpPEIAA/3rx
zSgMkrnyKDqhpTFM1OfH9HzO+QPoZI+JTS/lqrAC
=IKwK
{END}"""
SECOND_KEY = f"""{BEGIN}
mDMEawq8BxYJKwYBBAHaRw8BAQdAw7b5wzVWn2upJD8ciZ6e+riWwOxQPoAOie4p
olpRR2K0D3R3b0BleGFtcGxlLm9yZ4iQBBMWCAA4FiEEEY8LFm59DpzWQs5NV1IV
QzIFx5QFAmsKvAcCGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQV1IVQzIF
x5T25wD/YA6RNCA55qtbS1PlHXBa2acH/YcZ20XANzTPUEVQ+NwBAOSD1pUfZN/I
/PqFLPslk4uqgaG3am1mH8nXEuIMJ1cL
=g1qn
{END}"""


def found(text: str | bytes) -> list[str]:
    """The fingerprints in a key file."""
    data = text.encode() if isinstance(text, str) else text
    return openpgp.primary_fingerprints(openpgp.binary(data))


@pytest.mark.parametrize(
    "text",
    [
        FIRST_KEY,
        FIRST_KEY.replace("\n", "\r\n"),
        FIRST_KEY.replace(BEGIN + "\n", BEGIN + "Version: x\nComment: y\n\n"),
        "A line before it\n" + FIRST_KEY,
        openpgp.binary(FIRST_KEY.encode()),
    ],
    ids=["armor", "carriage returns", "headers", "text around it", "binary"],
)
def test_the_fingerprint_is_gpg_s(text: str | bytes) -> None:
    """In every form that servers have it in."""
    assert found(text) == [FIRST]


def test_every_key_of_a_file_counts() -> None:
    """A second one behind the expected one is not overlooked, in one block or in two."""
    first, second = openpgp.binary(FIRST_KEY.encode()), openpgp.binary(SECOND_KEY.encode())
    assert found(FIRST_KEY + SECOND_KEY) == [FIRST, SECOND]
    assert found(first + second) == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "neither binary nor"),
        (FIRST_KEY.encode()[:-60], "neither binary nor"),
        (FIRST_KEY.replace("mDMEawq8", "mDME!wq8").encode(), "armor is broken"),
        (openpgp.binary(FIRST_KEY.encode())[:-3], "cut off"),
        (openpgp.binary(FIRST_KEY.encode()) + b"\x00", "not a sequence"),
        (b"\xd1\x00", "holds no key"),
        (b"\xc6\x01\x03", "version 3"),
        (b"\xc5\x01\x04", "type 5"),
        (b"\xc6\xe1", "unknown length"),
        (b"\x9b\x04", "without a length"),
        (b"\x80" * (openpgp.MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_key_is_refused(data: bytes, words: str) -> None:
    """A page of an error, a secret key, a key that is cut off."""
    with pytest.raises(openpgp.KeyFileError, match=words):
        found(data)


@given(strategies.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    """Whatever a server sends, it is keys or refused."""
    with contextlib.suppress(openpgp.KeyFileError):
        assert found(data)


@pytest.mark.parametrize("text", ["7DEE 0C7C 33DF B5A2 0165  0B7D F9DC 99C5 43D6 1F02", "0x" + FIRST.lower()])
def test_a_fingerprint_as_people_write_it(text: str) -> None:
    """With blanks, in small letters."""
    assert openpgp.normal(text) == FIRST


@pytest.mark.parametrize("text", ["", "43D61F02", FIRST[:-1], FIRST + "\n0", "z" * 40])
def test_what_is_no_fingerprint(text: str) -> None:
    """A short key id least of all: anybody can make a key with one."""
    with pytest.raises(openpgp.KeyFileError, match="not a fingerprint"):
        openpgp.normal(text)
