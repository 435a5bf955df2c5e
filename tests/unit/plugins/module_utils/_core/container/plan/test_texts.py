# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Property strings, config files, the ledger's text: what comes from outside is read as PVE means it."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import states
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve import conffile, properties


@pytest.mark.parametrize(
    ("text", "first", "values"),
    [
        ("name=eth0,bridge=vmbr0,ip=dhcp", None, {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"}),
        ("local:950/vm-950-disk-0.raw,size=4G", "volume", {"volume": "local:950/vm-950-disk-0.raw", "size": "4G"}),
        ("/srv/models,mp=/models,ro=1", "volume", {"volume": "/srv/models", "mp": "/models", "ro": "1"}),
        ("3", "order", {"order": "3"}),
        ("order=2,up=5", "order", {"order": "2", "up": "5"}),
        ("fuse=1,mount=nfs;cifs,nesting=0", None, {"fuse": "1", "mount": "nfs;cifs", "nesting": "0"}),
        ("", None, {}),
    ],
)
def test_property_strings(text, first, values):
    assert properties.parse(text, first) == values


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.from_regex(r"[A-Za-z0-9:/.;]{1,12}", fullmatch=True)
    )
)
def test_composing_and_parsing_are_inverse(values):
    assert properties.parse(properties.compose(values)) == values


def test_pve_order_default_key_name_then_sorted():
    """PVE facts, 'How PVE rewrites what you send'."""
    values = {"type": "veth", "bridge": "vmbr0", "name": "eth0"}
    assert properties.compose(values) == "name=eth0,bridge=vmbr0,type=veth"
    assert properties.compose({"size": "1G", "volume": "local:1/d", "mp": "/x"}, "volume") == "local:1/d,mp=/x,size=1G"


@pytest.mark.parametrize(
    ("text", "size"), [("1G", 1024**3), ("512M", 512 * 1024**2), ("2T", 2 * 1024**4), ("100", 100)]
)
def test_sizes(text, size):
    assert properties.parse_size(text) == size
    assert properties.parse_size(properties.format_size(size)) == size


def test_sizes_compare_by_value_and_macs_without_case():
    assert properties.same({"size": "1024M"}, {"size": "1G"})
    assert properties.same({"hwaddr": "bc:24:11:00:00:01"}, {"hwaddr": "BC:24:11:00:00:01"})
    assert not properties.same({"ip": "DHCP"}, {"ip": "dhcp"})


# As a real node wrote it (pct session 2): description, pending section, snapshot.
CONF = """#multi
#line #hash %25percent %3A colon
arch: amd64
cores: 1
features: nesting=1
hostname: newname
memory: 600
net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:97:84:6F,ip=dhcp,type=veth
tags:
lxc.cgroup2.devices.allow: c 10:200 rwm
lxc.idmap = u 0 100000 65536

[pve:pending]
delete: searchdomain,swap
features: nesting=1,keyctl=1

[s1]
#my snap
hostname: older
memory: 500
lxc.mount.entry: /x x none bind
"""


def test_a_config_file_of_a_real_node():
    conf = conffile.parse_conf(CONF)
    assert conf.head["description"] == "multi\nline #hash %percent : colon\n"
    assert conf.head["hostname"] == "newname"
    assert conf.raw == (("lxc.cgroup2.devices.allow", "c 10:200 rwm"), ("lxc.idmap", "u 0 100000 65536"))
    assert conf.pending == {"searchdomain": None, "swap": None, "features": "nesting=1,keyctl=1"}
    assert conf.snapshots["s1"] == {"hostname": "older", "memory": "500"}
    assert conf.merged()["features"] == "nesting=1,keyctl=1"


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text):
    conffile.parse_conf(text)


@pytest.mark.parametrize("text", ["", None, "finished\n", "complet", "\n", "completed2"])
def test_a_state_file_from_elsewhere_says_nothing(text):
    assert states.parse_word(text) is None


def test_a_state_file_may_carry_more_lines():
    assert states.parse_word("customizing\nsince yesterday\n") == "customizing"


GOOD = {
    "version": 1,
    "features": {
        "one": {"status": "applied", "digest": "d", "components": {"files": "f", "variables": {}, "under": []}}
    },
    "application": None,
}


def test_a_ledger_survives_writing_and_reading():
    assert ledger.parse(ledger.dump(GOOD)) == GOOD


FORGED = [
    "",
    "null",
    "[]",
    '{"version": 2, "features": {}}',
    '{"version": 1, "features": []}',
    '{"version": 1, "features": {"../x": {"status": "applied"}}}',
    '{"version": 1, "features": {"one": {"status": "done"}}}',
    '{"version": 1, "features": {"one": {"status": "applied", "digest": 7}}}',
    '{"version": 1, "features": {"one": {"status": "applied", "run": "a\\nb"}}}',
    '{"version": 1, "features": {"one": "applied"}}',
    "[" * 100000,
    "x" * (ledger.MAX_BYTES + 1),
    json.dumps(GOOD)[:-3],
]


@pytest.mark.parametrize("text", FORGED, ids=range(len(FORGED)))
def test_a_forged_or_broken_ledger_is_refused(text):
    with pytest.raises(ledger.LedgerError):
        ledger.parse(text)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_ledger_text_is_either_read_or_refused(text):
    with contextlib.suppress(ledger.LedgerError):
        ledger.parse(text)
