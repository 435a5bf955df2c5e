# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links, dots and absolute paths in what is delivered into containers: nothing from outside of its folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.configuration import (
    Chosen,
    ConfigurationReader,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container import application_files
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import contained, manifests

SOURCE = "plugin: phoenix.hypervisor.phoenix\nlxc_config: lxc.json\nnodes:\n  pve: {ansible_host: 192.0.2.10}\n"
ENTRY = {
    "name": "guest",
    "template": "local:vztmpl/debian-12.tar.zst",
    "storage_pool": "local",
    "storage_size_gb": 2,
    "memory_mb": 256,
    "cores": 1,
}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Roles are read once per process."""
    manifests.forget()
    yield
    manifests.forget()


@pytest.fixture
def shadow(tmp_path: Path) -> Path:
    """A file of the controller that no container may have."""
    path = tmp_path / "etc" / "shadow"
    path.parent.mkdir()
    path.write_text("root:secret\n")
    return path


def role(folder: Path, name: str = "marker") -> Path:
    """A feature beside the configuration."""
    path = folder / "roles" / name
    for part in ("meta", "tasks", "files"):
        (path / part).mkdir(parents=True)
    (path / "meta" / "phoenix_feature.yml").write_text("{}")
    (path / "tasks" / "main.yml").write_text("[]")
    (path / "files" / "own").write_text("own")
    return path


def search(folder: Path) -> manifests.Search:
    """Where features are looked for."""
    return manifests.Search((), (str(folder / "roles"),))


def report(folder: Path, script: str) -> list[str]:
    """What the configuration report has about a container with this script."""
    (folder / "phoenix.yml").write_text(SOURCE)
    (folder / "lxc.json").write_text(json.dumps({"lxc_configs": {"950": {**ENTRY, "application_script": script}}}))
    read = ConfigurationReader(DataLoader(), str(folder / "phoenix.yml"), lambda _data: Chosen()).read()
    return [f"{finding.got}; expected {finding.expected}" for finding in read.findings]


def test_a_role_with_links_within_it_is_fine(tmp_path: Path) -> None:
    path = role(tmp_path)
    (path / "files" / "other").symlink_to("own")
    (path / "files" / "all").symlink_to(path / "tasks")
    assert manifests.find_feature("marker", search(tmp_path)).path == str(path)


def test_a_folder_of_roles_may_be_a_link_itself(tmp_path: Path) -> None:
    role(tmp_path / "shared")
    (tmp_path / "roles").symlink_to(tmp_path / "shared" / "roles")
    assert manifests.find_feature("marker", search(tmp_path)).name == "marker"


@pytest.mark.parametrize("place", ["files/x", "templates/deep/x.j2", "files/.hidden", "tests/x"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_link_out_of_a_role_is_refused_by_name(tmp_path: Path, shadow: Path, place: str, relative: bool) -> None:
    path = role(tmp_path) / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(Path(*[".."] * 12) / shadow.relative_to("/") if relative else shadow)
    said = f"feature marker: {path} leads to {shadow}, outside of the folder"
    with pytest.raises(manifests.FeatureError, match=said):
        manifests.find_feature("marker", search(tmp_path))


def test_a_linked_folder_in_a_role_is_refused(tmp_path: Path, shadow: Path) -> None:
    (role(tmp_path) / "templates").symlink_to(shadow.parent)
    with pytest.raises(manifests.FeatureError, match="outside of the folder"):
        manifests.find_feature("marker", search(tmp_path))


def test_a_role_that_is_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    elsewhere = role(tmp_path / "elsewhere")
    (tmp_path / "roles").mkdir()
    (tmp_path / "roles" / "marker").symlink_to(elsewhere)
    with pytest.raises(manifests.FeatureError, match=f"leads to {elsewhere}, outside of the folder {tmp_path}/roles"):
        manifests.find_feature("marker", search(tmp_path))


@pytest.mark.parametrize("folder", [".", "applications", "bin"])
def test_a_script_that_is_a_link_to_elsewhere_is_reported(tmp_path: Path, shadow: Path, folder: str) -> None:
    path = tmp_path / "site" / folder / "app.sh"
    path.parent.mkdir(parents=True)
    path.symlink_to(shadow)
    (found,) = report(tmp_path / "site", "app.sh")
    assert f"which leads to {shadow}" in found


def test_a_script_behind_a_linked_folder_is_reported(tmp_path: Path, shadow: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sub").symlink_to(shadow.parent)
    (found,) = report(tmp_path / "site", "sub/shadow")
    assert f"which leads to {shadow}" in found


@pytest.mark.parametrize("name", ["../etc/shadow", "/etc/passwd", "sub/../../etc/shadow"])
def test_a_script_above_its_folder_is_reported(tmp_path: Path, shadow: Path, name: str) -> None:
    (tmp_path / "site" / "sub").mkdir(parents=True)
    assert report(tmp_path / "site", name)
    assert shadow.exists()


def test_a_script_with_a_link_within_its_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real.sh").write_text("true")
    (tmp_path / "app.sh").symlink_to("real.sh")
    assert report(tmp_path, "app.sh") == []


def test_a_link_that_came_after_the_inventory_is_refused_too(tmp_path: Path, shadow: Path) -> None:
    path = tmp_path / "site" / "app" / "run.sh"
    path.parent.mkdir(parents=True)
    path.write_text("true")
    variables = {"phoenix_application": {"name": "app/run.sh", "path": str(path)}, "phoenix_config": {}}
    assert application_files.script_path(variables) == str(path)
    path.unlink()
    path.symlink_to(shadow)
    with pytest.raises(
        application_files.ApplicationError, match=f"leads to {shadow}, outside of the folder {tmp_path}/site "
    ):
        application_files.script_path(variables)


def test_folders_with_a_common_beginning_are_two(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    assert not contained.is_below(str(tmp_path / "ab"), str(tmp_path / "a"))
    assert contained.folder_of("/a/b/c.sh", "b/c.sh") == "/a"
    assert contained.folder_of("/a/b/c.sh", "other.sh") == "/a/b"
