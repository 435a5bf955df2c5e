# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller lacks for this collection and for a feature's role."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import manifests
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import controller


@pytest.mark.parametrize(
    ("version", "versions", "met"),
    [
        ("11.0.0", ">=11.0.0", True),
        ("10.9.9", ">=11.0.0", False),
        ("1.10.0", ">=1.9.0,<2.0.0", True),
        ("2.0.0", ">=1.9.0,<2.0.0", False),
        ("2.0.0-beta.1", "<2.0.0", True),
        ("1.2.3", "1.2.3", True),
        ("1.2.3", "==1.2.4", False),
        ("1.2.3", "!=1.2.3", False),
        ("1.2.3", "*", True),
        ("4.25", ">=4.18", True),
        ("4.9.1", ">=4.18", False),
        ("2.19.0rc1", ">=2.19.0", False),
        ("2.21.0.dev0", ">=2.19.0", True),
    ],
)
def test_versions(version: str, versions: str, met: bool):
    assert controller.meets(version, versions) is met


def test_nothing_lacks_here():
    assert controller.lacks() == []


def test_each_lack_names_what_is_needed_and_the_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(controller, "core_version", "2.18.4")
    monkeypatch.setattr(controller, "PYTHON", {"jsonschema": "99", "no-such-package": "1.0"})
    monkeypatch.setattr(controller, "dependencies", lambda _name: {"nobody.nothing": ">=1.0.0"})
    texts = "\n".join(str(lack) for lack in controller.lacks())
    for words in (
        "ansible-core has version 2.18.4",
        "the Python package jsonschema has version",
        "the Python package no-such-package is not installed",
        "collection nobody.nothing (>=1.0.0) is not installed",
        "ansible-galaxy collection install 'nobody.nothing:>=1.0.0'",
        "pip install 'no-such-package>=1.0'",
    ):
        assert words in texts


def test_a_role_whose_modules_are_not_installed_is_no_feature_yet(tmp_path: Path):
    role = tmp_path / "roles" / "acme"
    (role / "tasks").mkdir(parents=True)
    (role / "meta").mkdir()
    (role / "meta" / "phoenix_feature.yml").write_text("{}\n")
    (role / "tasks" / "main.yml").write_text(
        "- name: Start it\n  nobody.nothing.container:\n    name: x\n"
        "- ansible.builtin.debug:\n    msg: community.none.x\n"
    )
    manifests.forget()
    search = manifests.search_places({}, [str(tmp_path)])
    with pytest.raises(manifests.FeatureLacksError, match=r"collection nobody\.nothing \(\*\) is not installed"):
        manifests.find_feature("acme", search)
    manifests.forget()
