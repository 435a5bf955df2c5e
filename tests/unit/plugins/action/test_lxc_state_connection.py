# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that belongs inside a container is begun when the run would do it on another machine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.phoenix.hypervisor.plugins.action import phoenix_lxc_state

GOES_INSIDE = ({"enter": True}, {"begin": {"name": "clock"}}, {"update": "begin"})


def begin(monkeypatch: pytest.MonkeyPatch, args: dict[str, Any], **variables: Any) -> Any:
    """Run the action for container 950; the module itself is not run."""
    action = object.__new__(phoenix_lxc_state.ActionModule)
    action._task = SimpleNamespace(args={"config": {}, **args}, check_mode=False)
    action._templar = SimpleNamespace(template=lambda value: value)
    action._loader = None
    monkeypatch.setattr(phoenix_lxc_state.NodeAction, "run", lambda *_given: {})
    monkeypatch.setattr(phoenix_lxc_state, "node_of", lambda *_given: None)
    action.run_on_node = mock.Mock(return_value={"ran": True})
    return action.run(None, {"inventory_hostname": "950", **variables})


@pytest.mark.parametrize("args", GOES_INSIDE)
@pytest.mark.parametrize("connection", ["ssh", "local", "ansible.builtin.local", "docker"])
def test_another_connection_is_refused(monkeypatch: pytest.MonkeyPatch, args: dict[str, Any], connection: str) -> None:
    with pytest.raises(AnsibleActionFail, match=f'container 950: ansible_connection is "{connection}", expected'):
        begin(monkeypatch, args, ansible_connection=connection)


@pytest.mark.parametrize(
    ("args", "variables"),
    [
        *((args, {"ansible_connection": "phoenix.hypervisor.pct"}) for args in GOES_INSIDE),
        ({"enter": True}, {}),  # a play of the user's own names the connection by its keyword
        ({}, {"ansible_connection": "ssh"}),  # nothing inside follows
    ],
)
def test_the_rest_runs(monkeypatch: pytest.MonkeyPatch, args: dict[str, Any], variables: dict[str, Any]) -> None:
    assert begin(monkeypatch, args, **variables)["ran"]
