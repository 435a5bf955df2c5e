# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metadata of layers, and which of them go."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.layers import catalog

NOW = 1_800_000_000
A, B, C = ("0" * 31 + digit for digit in "abc")


def layer(address: str = A, gib: float = 1, idle_days: float = 1) -> catalog.Layer:
    """A layer of that size that was used so long ago."""
    state = catalog.FileState(int(gib * catalog.GIB), 1, 2, 3)
    used = NOW - int(idle_days * catalog.DAY)
    volume = f"local:vztmpl/phoenix-layer-{address}.tar.zst"
    return catalog.Layer(address, volume, ("one", "two"), (7, 8), "f" * 64, state, used - 5, 950, used)


def test_metadata_come_back_from_their_text() -> None:
    one = layer()
    assert catalog.parse(catalog.dump(one), A, one.used) == one
    assert one.called() == f"layer {A} (one + two, 1024 MiB)"


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"address": B},
        {"file": {"size": 1}},
        {"file": {"size": 1, "modified": 1, "changed": 1, "inode": 1, "more": 1}},
        {"file": None},
        {"features": 7},
        {"template": [1]},
        {"made": "x"},
    ],
)
def test_what_is_of_another_form_is_no_layer(change: dict[str, object]) -> None:
    with pytest.raises(catalog.LayerError):
        catalog.parse(json.dumps({**json.loads(catalog.dump(layer())), **change}), A)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"version": 1}'])
def test_what_is_no_object_is_no_layer(text: str) -> None:
    with pytest.raises(catalog.LayerError):
        catalog.parse(text, A)
    with pytest.raises(catalog.LayerError):
        catalog.parse(catalog.dump(layer("../../etc/passwd")), "../../etc/passwd")


def gone(*layers: catalog.Layer, **settings: float) -> dict[str, str]:
    """Address -> reason."""
    given = dataclasses.replace(catalog.Settings(), **settings)
    return {one.address: why for one, why in catalog.stale(layers, given, NOW)}


def test_those_unused_for_too_long_go() -> None:
    assert gone(layer(A, idle_days=29), layer(B, idle_days=31)) == {B: "not used for 31 days"}
    assert gone(layer(A, idle_days=2), max_age_days=1.5) == {A: "not used for 2 days"}


def test_the_longest_unused_go_until_the_rest_fits() -> None:
    three = (layer(A, 8, 3), layer(B, 8, 2), layer(C, 8, 1))
    assert list(gone(*three)) == [A]
    assert list(gone(*three, max_size_gb=9)) == [B, A]
    assert gone(*three, max_size_gb=24) == {}


def test_one_that_is_in_use_stays() -> None:
    assert gone(layer(A, 50, 0.01), max_age_days=0.001, max_size_gb=1) == {}


def test_settings_have_defaults() -> None:
    assert catalog.Settings.from_json({"storage": "tank", "max_size_gb": None}) == catalog.Settings("tank", 20, 30)
