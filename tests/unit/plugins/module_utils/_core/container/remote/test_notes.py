# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs keep in a description, beside what people write there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
