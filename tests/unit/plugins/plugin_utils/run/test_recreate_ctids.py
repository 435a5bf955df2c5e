# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``phoenix_recreate_ctids``: an exact list in any of its spellings, or an error before anything is touched."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container.wanted import wanted

HOSTS = {"950": {}, "951": {}}


def recreated(value):
    variables = {"phoenix_ctid": 950, "phoenix_config": {"name": "a"}, "phoenix_recreate_ctids": value}
    return wanted(variables, lambda _own: lambda given: given, DataLoader(), HOSTS)["recreate"]


@pytest.mark.parametrize(
    ("value", "ctids"),
    [(None, []), ([], []), ("", []), (950, [950]), ("950, 951", [950, 951]), ([950, "951"], [950, 951])],
)
def test_every_spelling_of_the_list(value, ctids):
    assert recreated(value) == ctids


@pytest.mark.parametrize("value", ["952", [950, 952], "0950", "all", True, ["950,951"], "950,", {"950": 1}, "9*"])
def test_what_is_no_container_of_the_inventory_is_an_error(value):
    with pytest.raises(AnsibleError, match="phoenix_recreate_ctids"):
        recreated(value)
