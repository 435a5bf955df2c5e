# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a node is reached: the entry of the inventory source, the environment, and what they lack."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.access import access_of, entry_of

ENTRY = {"host": "192.0.2.1", "user": "automation@pve", "token_id": "phoenix", "token_secret": "s"}
ENVIRONMENT = {
    "PROXMOX_HOST": "192.0.2.9",
    "PROXMOX_USER": "other@pve",
    "PROXMOX_TOKEN_ID": "ci",
    "PROXMOX_TOKEN_SECRET": "t",
    "PROXMOX_VALIDATE_CERTS": "no",
}


def access(entry, environment=None, address=""):
    return access_of("pve", entry, lambda value: value, address, environment or {})


def test_the_entry_comes_before_the_environment():
    found = access({**ENTRY, "token_secret": None}, ENVIRONMENT)
    assert (found.host, found.credential, found.token_secret) == ("192.0.2.1", "automation@pve!phoenix", "t")


def test_the_environment_alone_is_enough():
    found = access({}, ENVIRONMENT)
    assert (found.host, found.port, found.credential, found.verified) == ("192.0.2.9", 8006, "other@pve!ci", False)


def test_the_address_of_the_node_is_the_last_resort():
    assert access({**ENTRY, "host": None}, {}, "192.0.2.7").host == "192.0.2.7"


def test_a_token_in_pves_own_form_names_its_user():
    assert access({**ENTRY, "token_id": "automation@pve!phoenix"}).credential == "automation@pve!phoenix"


def test_everything_that_lacks_is_named_with_its_variable():
    with pytest.raises(AnsibleActionFail) as caught:
        access({"host": "192.0.2.1"})
    for name in ("user (or PROXMOX_USER)", "token_id (or PROXMOX_TOKEN_ID)", "token_secret (or PROXMOX_TOKEN_SECRET)"):
        assert name in str(caught.value)


def test_certificates_are_verified_unless_that_is_switched_off():
    assert access(ENTRY).verified
    assert not access({**ENTRY, "validate_certs": False}).verified
    pinned = access({**ENTRY, "validate_certs": False, "fingerprint": ":".join(["AB"] * 32)})
    assert (pinned.verified, pinned.fingerprint) == (True, "ab" * 32)


def test_the_secret_is_not_part_of_the_text():
    assert "secret-of-it" not in repr(access({**ENTRY, "token_secret": "secret-of-it"}))


def test_a_node_without_entry_is_reached_in_another_way():
    assert entry_of({"ansible_host": "192.0.2.1"}) is None
    assert entry_of({"phoenix_api": {}}) == {}


@pytest.mark.parametrize("key", ["user", "token_id", "token_secret"])
def test_a_sign_that_would_break_the_header_is_refused_and_a_last_newline_is_none(key):
    assert access({**ENTRY, key: f"{ENTRY[key]}\n"}) == access(ENTRY)
    with pytest.raises(AnsibleActionFail, match=f"{key} of the entry api") as caught:
        access({**ENTRY, key: "can\nary"})
    assert ("can\nary" in str(caught.value)) is (key != "token_secret")


def test_the_key_of_records_is_one_that_nobody_guesses():
    assert access(ENTRY).record_key == b""
    found = access({**ENTRY, "record_key": "0123456789abcdef\n"})
    assert found.record_key == b"0123456789abcdef"
    assert "0123456789abcdef" not in str(found)
    with pytest.raises(AnsibleActionFail, match="openssl rand") as caught:
        access({**ENTRY, "record_key": "s3cret"})
    assert "s3cret" not in str(caught.value)
