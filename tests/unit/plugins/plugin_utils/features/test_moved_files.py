# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a project that was read in one checkout and runs in another."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container import application_files
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import moved_files

SCRIPT = {"name": "app.sh", "path": "/runs/sync/project/fleet/app.sh"}
VARIABLES = {
    "phoenix_application": SCRIPT,
    "phoenix_config": {"application_script": "app.sh"},
    "phoenix_config_dir": "/runs/sync/project/fleet",
    "phoenix_config_file": "/runs/sync/project/fleet/phoenix_lxc_configs.json",
}


@pytest.fixture(name="project")
def fixture_project(tmp_path: Path) -> Path:
    """The project of a job: the same files at another place."""
    fleet = tmp_path / "job" / "fleet"
    fleet.mkdir(parents=True)
    (tmp_path / "job" / "playbooks").mkdir()
    for name in ("app.sh", "phoenix_lxc_configs.json"):
        (fleet / name).write_text("x", encoding="utf-8")
    return tmp_path / "job"


@pytest.mark.parametrize("playbooks", ["", "playbooks"])
def test_script_and_configuration_are_found_in_the_project_of_the_job(project: Path, playbooks: str) -> None:
    variables = {**VARIABLES, "playbook_dir": str(project / playbooks)}
    assert application_files.script_path(variables) == str(project / "fleet" / "app.sh")
    assert moved_files.config_folder(variables) == str(project / "fleet")


def test_a_file_that_exists_is_not_looked_for(project: Path, tmp_path: Path) -> None:
    own = tmp_path / "app.sh"
    own.write_text("y", encoding="utf-8")
    assert moved_files.moved(str(own), {"playbook_dir": str(project / "fleet")}) == str(own)


def test_a_script_that_is_nowhere_is_reported_by_the_path_of_the_inventory(project: Path) -> None:
    (project / "fleet" / "app.sh").unlink()
    variables = {**VARIABLES, "playbook_dir": str(project)}
    with pytest.raises(application_files.ApplicationError, match=r"/runs/sync/project/fleet/app\.sh is not there"):
        application_files.script_path(variables)


def test_a_link_leads_no_way_out_of_the_project_of_the_job(project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("z", encoding="utf-8")
    (project / "fleet" / "app.sh").unlink()
    (project / "fleet" / "app.sh").symlink_to(tmp_path / "secret")
    with pytest.raises(application_files.ApplicationError, match="outside of the folder"):
        application_files.script_path({**VARIABLES, "playbook_dir": str(project)})
