# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``phoenix_force`` and ``phoenix_forget``: names and containers that no run can mean are refused."""

from __future__ import annotations

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container import steered

HOSTS = {
    "950": {"phoenix_ctid": 950, "phoenix_config": {"features": ["base", "serve"], "application_script": "x.sh"}},
    "951": {"phoenix_ctid": 951, "phoenix_config": {"features": ["base"]}},
    "pve": {"ansible_host": "192.0.2.1"},
}


def faults(limit=("950", "951", "pve"), **values):
    return [str(fault) for fault in steered.faults(values, {"hostvars": HOSTS, "ansible_play_hosts_all": limit})]


@pytest.mark.parametrize(
    "values",
    [
        {"phoenix_force": "serve,application"},
        {"phoenix_forget": ["gone"], "phoenix_forget_ctids": 950},
        {"phoenix_force": ""},
        {"phoenix_force": {"not": "a list"}},  # whose form is reported elsewhere
    ],
)
def test_what_the_run_can_mean(values):
    assert faults(**values) == []


def test_an_unknown_name_is_refused_with_the_known_ones():
    (text,) = faults(phoenix_force=["srve", "base"])
    assert text == (
        "phoenix_force: got srve, which no container of this run lists, expected one of application, base, serve. "
        "Correct the name or --limit."
    )


def test_a_name_of_a_container_outside_the_limit_is_unknown():
    assert "expected one of base." in faults(limit=("951",), phoenix_force="serve")[0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"phoenix_forget": "serve"}, "Add phoenix_forget_ctids"),
        ({"phoenix_forget_ctids": 950}, "Add phoenix_forget."),
        ({"phoenix_forget": "serve", "phoenix_forget_ctids": 952}, "got 952, which this run leaves out"),
    ],
)
def test_to_forget_takes_both_variables_and_containers_of_the_run(values, words):
    assert words in faults(**values)[0]
