# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a run: each spelling of a value, each word that is none, and the names that are close to one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvariables
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables.runvariables import (
    RunVariableError,
    faults,
    value_of,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("name", "given_value", "value"),
    [
        ("phoenix_target_state", " running ", "running"),
        ("phoenix_adopt", False, "no"),
        ("phoenix_adopt", {950: "record"}, {"950": "record"}),
        ("phoenix_adopt", '{"950": "reapply"}', {"950": "reapply"}),
        ("phoenix_destroy", "951,950", [950, 951]),
        ("phoenix_destroy", "950 951", [950, 951]),
        ("phoenix_destroy", "[950, 951]", [950, 951]),
        ("phoenix_destroy", 950, [950]),
        ("phoenix_destroy_confirm", ["951", 950, 950], [950, 951]),
        ("phoenix_application_timeout", "90", 90),
        ("phoenix_application_env", '{"A": "b"}', {"A": "b"}),
        ("phoenix_credential", "automation@pve!phoenix", "automation@pve!phoenix"),
        ("phoenix_feature_collections", "acme.models, acme.web", ["acme.models", "acme.web"]),
        ("phoenix_pct_node_become", "true", True),
        ("phoenix_pct_node_become", 0, False),
        ("phoenix_missing_node", "reach", "reach"),
        ("phoenix_host_consent", "network:vmbr1, nfs", ["network:vmbr1", "nfs"]),
        ("phoenix_force", "docker, acme.web.nginx", ["docker", "acme.web.nginx"]),
        ("phoenix_forget", ["docker", "application"], ["docker", "application"]),
        ("phoenix_forget_ctids", "951 950", [950, 951]),
    ],
)
def test_each_form_of_a_value(name, given_value, value):
    assert value_of(name, given_value) == value


@pytest.mark.parametrize("blank", [None, "", "  ", "\t\n"])
def test_a_blank_value_means_the_default(blank):
    for variable in runvariables.TABLE:
        if variable.blank or blank is None:
            assert value_of(variable.name, blank, "the default") == "the default"
        else:
            with pytest.raises(RunVariableError, match="Leave"):
                value_of(variable.name, blank)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("phoenix_target_state", "done", "defined, created, configured, running, customizing, completed"),
        ("phoenix_target_state", "absent", "completed"),
        ("phoenix_target_state", True, "running"),
        ("phoenix_target_state", "Complete", "Write completed."),
        ("phoenix_adopt", "yes", "no, record or reapply"),
        ("phoenix_adopt", {"950": "take"}, "no, record or reapply"),
        ("phoenix_adopt", {"all": "record"}, "no, record or reapply"),
        ("phoenix_recreate_ctids", "all", "950,951"),
        ("phoenix_recreate_ctids", True, "950,951"),
        ("phoenix_recreate_ctids", "950,", "950,951"),
        ("phoenix_destroy", "99", "950,951"),
        ("phoenix_destroy", "950\n", None),
        ("phoenix_destroy", [950, 951.0], "950,951"),
        ("phoenix_destroy", "٩٥٠", "950,951"),
        ("phoenix_application_timeout", 0, "at least 1"),
        ("phoenix_application_timeout", True, "at least 1"),
        ("phoenix_application_timeout", "1h", "at least 1"),
        ("phoenix_application_env", "A=b", "a mapping"),
        ("phoenix_credential", "root", "automation@pve!phoenix"),
        ("phoenix_credential", "root@pam\nx", "automation@pve!phoenix"),
        ("phoenix_feature_collections", "acme", "acme.models"),
        ("phoenix_pct_method", "ssh", "lxc-attach, pct"),
        ("phoenix_pct_node_become", "maybe", "true or false"),
        ("phoenix_missing_node", "skip", "fail, reach"),
        ("phoenix_host_consent", "bridges", "network:vmbr1"),
        ("phoenix_force", "docker nginx", "names of features"),
        ("phoenix_forget", {"950": ["docker"]}, "names of features"),
        ("phoenix_forget_ctids", "all", "950,951"),
    ],
)
def test_another_value_is_refused_with_what_is_expected(name, value, words):
    if words is None:
        assert value_of(name, value) == [950]
        return
    with pytest.raises(RunVariableError) as caught:
        value_of(name, value)
    assert words in str(caught.value)
    assert name in str(caught.value)


def test_a_secret_value_is_not_shown():
    (fault,) = faults({"phoenix_application_env": "HF_TOKEN=s3cret"})
    assert "s3cret" not in str(fault)


def test_all_faults_at_once_in_the_order_of_the_table():
    found = faults({"phoenix_pct_method": "x", "phoenix_target_state": "done", "phoenix_adopt": "record"})
    assert [fault.name for fault in found] == ["phoenix_target_state", "phoenix_pct_method"]


@given(st.sampled_from([variable.name for variable in runvariables.TABLE]), ANYTHING)
def test_any_value_is_read_or_refused(name, value):
    with contextlib.suppress(RunVariableError):
        value_of(name, value)
