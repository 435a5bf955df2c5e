# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs keep in a description, beside what people write there."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core import guesttext
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote import notes
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.errors import KnownError

DATA = {"ctid": 950, "word": "running", "record": {"ours": True, "instance": {"id": "abc"}}}


@given(text=st.text(max_size=200), extra=st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=4))
def test_what_is_joined_is_split_again(text, extra):
    data = {**DATA, "extra": extra}
    plain = text.rstrip("\n")
    if notes.split(plain) != (plain, {}):
        return  # people wrote such a line themselves
    joined = notes.join(text, data)
    assert notes.split(joined) == (plain, data)
    assert notes.split(joined + "\n") == (plain, data)  # as PVE gives it back
    assert joined.count("-->") == plain.count("-->") + 1


@pytest.mark.parametrize(
    "text",
    ["", "for people\n", "<!-- phoenix_hypervisor -->", "<!-- phoenix_hypervisor {} --> and more"],
)
def test_a_description_without_it_stays_as_it_is(text):
    assert notes.split(text) == (text, {})


@pytest.mark.parametrize("block", ["{broken}", "{" * 9000 + "}"])
def test_what_cannot_be_read_counts_as_nothing(block):
    assert notes.split(f"a\n<!-- phoenix_hypervisor {block} -->\n") == ("a", {})


def test_a_description_that_becomes_too_long_is_refused():
    with pytest.raises(KnownError, match="Proxmox VE takes 8192"):
        notes.join("x" * 8100, DATA)


def test_a_copy_has_no_record_of_its_own():
    assert notes.record_of(DATA, 950) == DATA["record"]
    assert notes.record_of(DATA, 951) is None
    assert notes.instance_of(DATA) == "abc"


@pytest.mark.parametrize(
    "data", [{}, {"record": []}, {"record": {"instance": "x"}}, {"record": {"instance": {"id": 1}}}]
)
def test_data_of_another_form_has_no_instance(data):
    assert notes.instance_of(data) is None


@pytest.mark.parametrize(
    ("end", "rest"),
    [
        ("\nwritten below\n", "for people\nwritten below\n"),
        ("\r\n", "for people"),
        (" \n", "for people"),
        ("\r\nbelow\r\n", "for people\nbelow\r\n"),
    ],
)
def test_people_may_write_below_the_line(end, rest):
    text, data = notes.split(notes.join("for people", DATA) + end)
    assert (text, data) == (rest, DATA)
    again = notes.join(text, data)
    assert again.count("phoenix_hypervisor") == 1
    assert notes.split(again)[1] == DATA


def test_the_last_of_two_lines_counts_and_none_is_left():
    both = notes.join(notes.join("for people", {**DATA, "word": "created"}) + "\nmore", DATA)
    assert notes.split(notes.join("a", {"ctid": 7}) + "\n" + notes.join("b", DATA)) == ("a\nb", DATA)
    assert notes.split(both) == ("for people\nmore", DATA)


LEASE = {"id": "run-1", "beat": 1.5}


@pytest.mark.parametrize(
    ("key", "value", "is_kept"),
    [
        ("lease", LEASE, True),
        *(("lease", value, False) for value in ("x", [], 1, {}, {"id": 1, "beat": 2}, {"id": "a", "beat": "b"}, None)),
        *(("lease", {"id": "a", "beat": beat}, False) for beat in (10**400, float("nan"), float("inf"), -1)),
        *(("record", value, False) for value in ("x", [], 1, None)),
    ],
)
def test_a_record_or_lease_of_another_form_counts_as_none(key, value, is_kept):
    _text, data = notes.split(notes.join("", {"ctid": 950, key: value}))
    assert (key in data) is is_kept


KEY = b"0123456789abcdef0123456789abcdef"


def test_a_sealed_record_is_read_with_its_key_alone():
    joined = notes.join("for people", DATA, KEY)
    assert notes.split(joined + "\n", KEY) == ("for people", DATA)
    assert not notes.is_unsealed(joined, KEY)
    for key in (b"another key of some length", KEY[:-1]):
        assert notes.split(joined, key) == ("for people", {})
        assert notes.is_unsealed(joined, key)


@pytest.mark.parametrize(
    "forge",
    [
        lambda data: {**data, "record": {**data["record"], "host_key": "ssh-ed25519 AAAAtheirs"}},
        lambda data: {**data, "ctid": 951},
        lambda data: {key: value for key, value in data.items() if key != notes.SEAL},
        lambda data: {**data, notes.SEAL: ["\u00fc"]},
        lambda data: {**data, notes.SEAL: "0" * 64},
    ],
)
def test_what_somebody_without_the_key_writes_counts_as_nothing(forge):
    sealed = notes.split(notes.join("", DATA, KEY))[1]
    assert notes.SEAL in sealed
    line = f"<!-- phoenix_hypervisor {json.dumps(forge(sealed))} -->"
    assert notes.split(line, KEY) == ("", {})
    assert notes.is_unsealed(line, KEY)


def test_a_description_without_a_record_is_no_forged_one():
    assert not notes.is_unsealed("for people", KEY)
    assert not notes.is_unsealed(notes.join("", DATA), b"")


def test_a_run_without_the_key_breaks_no_seal():
    data = notes.split(notes.join("", DATA, KEY))[1]
    with pytest.raises(KnownError, match="no record_key"):
        notes.join("", data)


def test_a_seal_holds_for_whatever_json_makes_of_the_data():
    joined = notes.join("", {**DATA, "numbers": {2: (1, 2), 10: 0.1}}, KEY)
    assert notes.split(joined, KEY)[1]["numbers"] == {"2": [1, 2], "10": 0.1}


@pytest.mark.parametrize("key", ["guarding", "layer", "fresh"])
def test_what_only_the_node_writes_is_never_taken_from_a_description(key):
    data = {**DATA, "record": {**DATA["record"], key: {"stage": "open", "means": "backup"}}}
    assert notes.record_of(data, 950) == DATA["record"]


def test_no_message_can_quote_a_command_for_the_terminal():
    hostile = "\x1b]0;owned\x07\x9b2J\u202e"
    data = {
        "ctid": 950,
        "lease": {"id": hostile, "user": f"me{hostile}", "beat": 1},
        "record": {"instance": {"id": f"a{hostile}"}, "origin": {hostile: [hostile]}, "applied": {"env": "A=1\0B=2"}},
    }
    found = notes.split(f"<!-- phoenix_hypervisor {json.dumps(data)} -->")[1]
    assert found["lease"]["user"].startswith("me")
    assert notes.instance_of(found).startswith("a")
    assert found["record"]["applied"] == {"env": "A=1\0B=2"}
    shown = json.dumps([found["lease"], found["record"]["instance"], found["record"]["origin"]], ensure_ascii=False)
    assert not guesttext.CONTROLS.search(shown)
    assert "owned" not in shown


def test_text_that_no_file_can_hold_counts_as_nothing():
    line = '<!-- phoenix_hypervisor {"ctid":950,"record":{"host_key":"\\ud800"}} -->'
    assert notes.split(line) == ("", {})
