# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files for containers come from the configuration's folder alone, and count in the digest of their feature."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.digest import explain
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import manifests

NAME = "phoenix.hypervisor.contained_file"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A configuration's folder with a file, and a file beside it."""
    folder = tmp_path / "config"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "ca.pem").write_text("one\n")
    (tmp_path / "secret").write_text("a secret")
    return folder


def read(folder: Path, *terms: str) -> list[str]:
    """What the lookup returns for a container of this configuration."""
    found: list[str] = lookup_loader.get(NAME, loader=DataLoader()).run([*terms], {"phoenix_config_dir": str(folder)})
    return found


def test_a_file_by_its_relative_and_absolute_path(folder: Path) -> None:
    (folder / "link").symlink_to("files/ca.pem")
    assert read(folder, "files/ca.pem", str(folder / "files/ca.pem"), "link") == ["one\n"] * 3


@pytest.mark.parametrize("term", ["../secret", "{outside}", "link", "files/../../secret", "folder/secret", "."])
def test_a_file_outside_is_refused(folder: Path, term: str) -> None:
    outside = folder.parent / "secret"
    (folder / "link").symlink_to(outside)
    (folder / "folder").symlink_to(folder.parent)
    with pytest.raises(AnsibleError, match="outside of the folder") as caught:
        read(folder, term.format(outside=outside))
    assert "a secret" not in str(caught.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(AnsibleError, match=r"'files/none\.pem' does not exist in the folder"):
        read(folder, "files/none.pem")


def test_without_a_configuration(folder: Path) -> None:
    with pytest.raises(AnsibleError, match="phoenix_config_dir is not set"):
        lookup_loader.get(NAME, loader=DataLoader()).run(["files/ca.pem"], {})


def test_a_changed_file_makes_trusted_ca_due(folder: Path) -> None:
    variables = {
        "phoenix_config_dir": str(folder),
        "trusted_ca_certificates": [{"name": "inline", "content": "x"}, {"name": "own", "src": "files/ca.pem"}],
    }

    def components() -> dict[str, object]:
        template = Templar(loader=DataLoader(), variables=variables).template
        found: dict[str, object] = manifests.feature_set(["trusted_ca"], variables, template)[0]["components"]
        return found

    before = components()
    (folder / "files" / "ca.pem").write_text("two\n")
    assert explain(before, components()) == "variable trusted_ca_file_contents changed"
    (folder / "files" / "ca.pem").unlink()
    with pytest.raises(manifests.FeatureError, match=r"feature trusted_ca: .*'files/ca\.pem' does not exist"):
        components()
