# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks like a secret is found, what does not is shown, and no text takes long."""

from __future__ import annotations

import time

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core import secretwords

SECRETS = (
    "hf_abcdefghij",
    "PVEAPIToken=automation@pve!phoenix=x",
    "$6$salt$hash",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "$ANSIBLE_VAULT;1.1;AES256",
    "--api-key s3",
    "HF_TOKEN=x",
    '{"password": "x"}',
    "token\t\n x",
    "secret  =x",
    "root@pam!ci=x",
    "a@@b!ci=x",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
)
PLAIN = (
    "",
    "web",
    "hf_short",
    "token",
    "token   ",
    "root@pam",
    "root@pam!ci",
    "@pam!ci=x",
    "local:vztmpl/debian.tar.zst",
)
IN_TEXT = ("get https://me:pw@host/file", "see\nhf_abcdefghij\nthere", "a ssh://u:a:b@host", "PATH=x HF_TOKEN=abc")
NOT_IN_TEXT = ("get https://host/file", "https://me@host/file", "https://host:8443/a@b", "ratio 1:2 @ noon")
KILO = 100_000
LONG = ("@", "a", "a@", "a://", "a://u:", "token", "token' ", "a@b!", "a ", "a\n", ":", "!", "=")


@pytest.mark.parametrize("value", SECRETS)
def test_a_secret_is_one(value: str) -> None:
    assert secretwords.is_secret_value(value)
    assert secretwords.holds_secret(value)


@pytest.mark.parametrize("value", PLAIN)
def test_a_plain_value_is_none(value: str) -> None:
    assert not secretwords.is_secret_value(value)
    assert not secretwords.holds_secret(value)


def test_a_text_that_has_one_in_it() -> None:
    assert [text for text in IN_TEXT if not secretwords.holds_secret(text)] == []
    assert [text for text in NOT_IN_TEXT if secretwords.holds_secret(text)] == []


@pytest.mark.parametrize("tail", ["", " " * KILO, ":" * KILO, "x"])
def test_a_long_text_takes_time_in_proportion(tail: str) -> None:
    """Quadratic patterns took minutes of CPU for these; all together take a fraction of a second."""
    began = time.process_time()
    for part in LONG:
        secretwords.holds_secret(part * (KILO // len(part)) + tail)
        secretwords.holds_secret(part + tail)
    assert time.process_time() - began < 10
