# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record of a container keeps when the container is recreated."""

from __future__ import annotations

from dataclasses import fields

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Record
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.plan import recreate

# Fields of a Record that are not in its file: they come from the state file, the file's time and the planner.
_ELSEWHERE = {"word", "written", "replaced"}
_NAMES = {"identity_due": "identity"}  # in the file under another name
FULL = Record(
    word="completed",
    ours=True,
    applied={"memory": "512", "mp0": {"mp": "/d"}},
    creating={"run": "r", "at": 1},
    ledger={"version": 1, "features": {}, "application": None},
    raw_boot="b1",
    identity_due=True,
    assume_installed=True,
    forget_ledger=True,
    checked_boot="b2",
    recreating={"stage": "done", "run": "r"},
    origin={"template": "t"},
    guarding={"stage": "open"},
    volumes={"d": {"slot": "mp0", "mp": "/d"}},
    instance={"id": "i"},
    written=5,
    dhcp={"net0": "b1"},
    halted="r1",
    powered="r2",
    forced="r3",
    forgotten=("f",),
    set_by={"memory": {"run": "r3", "at": 7}},
    ha_rules={"main": "joined"},
    layer="local:vztmpl/phoenix-layer-0.tar.zst",
    fresh="r1",
    host_key="ssh-ed25519 AAAA",
)


def test_each_field_of_the_record_is_kept_or_dropped_by_decision():
    """A new field fails here until it is named in FORGOTTEN or KEPT."""
    names = {_NAMES.get(item.name, item.name) for item in fields(Record)} - _ELSEWHERE
    assert names == {*recreate.FORGOTTEN, *recreate.KEPT}
    assert not {*recreate.FORGOTTEN} & {*recreate.KEPT}


def test_each_field_of_the_record_comes_back_from_its_file():
    empty = {item.name for item in fields(Record) if getattr(FULL, item.name) == getattr(Record(), item.name)}
    assert empty == {"replaced"}
    data = FULL.to_json()
    assert data.keys() == {*recreate.FORGOTTEN, *recreate.KEPT}
    assert Record.from_json(data, "completed", 5) == FULL
    left = {key: value for key, value in Record().to_json().items() if value is not None}
    assert left == {"applied": {}}
    assert Record.from_json(left) == Record()


def test_what_is_of_another_form_in_the_file_is_not_there():
    odd = {key: ["x"] for key in FULL.to_json()}
    found = Record.from_json(
        {**odd, "volumes": {"d": {"slot": 1}, "e": 2}, "raw_boot": 0, "checked_boot": "", "forgotten": [1]}
    )
    assert found == Record()
