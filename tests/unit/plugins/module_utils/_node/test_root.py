# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user with sudo and without become is named, with the line that is missing."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import entry, root
from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_lxc_info


class StoppedError(SystemExit):
    """The module's end."""


@pytest.mark.parametrize(("uid", "name"), [(1, "daemon"), (4_000_000_000, "4000000000")])
def test_the_module_that_comes_first_refuses_another_user(monkeypatch: Any, uid: int, name: str) -> None:
    told: list[str] = []

    class Module:
        """Keeps the message."""

        def __init__(self, **_options: Any) -> None:
            self.params: dict[str, Any] = {}

        def fail_json(self, msg: str) -> None:
            """As the real one: nothing goes on."""
            told.append(msg)
            raise StoppedError

    monkeypatch.setattr(root.os, "geteuid", lambda: uid)
    monkeypatch.setattr(entry, "AnsibleModule", Module)
    with pytest.raises(StoppedError):
        phoenix_lxc_info.main()
    for words in (f'the user "{name}"', "ansible_become: true", "--ask-become-pass"):
        assert words in told[0]


def test_root_lacks_nothing(monkeypatch: Any) -> None:
    monkeypatch.setattr(root.os, "geteuid", lambda: 0)
    assert root.lacking("pve") == ""
