# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""phoenix_packages on a machine of Debian: what is refused, what is missing, and apt's configuration in one call."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import locales
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import locale_setting
from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_packages

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the files belong to root")
CONFIG = {"99phoenix-one": 'A "1";\n', "99phoenix-two": 'B "2";\n'}


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the module answers; apt's configuration is in a folder of the test."""
    (tmp_path / "apt.conf.d").mkdir()
    (tmp_path / "remote").mkdir()
    monkeypatch.setattr(phoenix_packages, "APT_CONFIG", str(tmp_path / "apt.conf.d"))

    def call(**arguments: Any) -> dict[str, Any]:
        with patch_module_args({"_ansible_tmpdir": str(tmp_path / "remote"), **arguments}), pytest.raises(SystemExit):
            phoenix_packages.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return call


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((folder / "apt.conf.d").iterdir())}


def test_the_same_call_looks_and_configures_apt(run: Any, tmp_path: Path) -> None:
    options = {"name": ["dpkg", "no-such-package"], "apt_config": CONFIG}
    dry = run(**options, _ansible_check_mode=True)
    assert written(tmp_path) == {}
    real = run(**options)
    for answer in (dry, real):
        assert (answer["changed"], answer["missing"]) == (True, ["no-such-package"])
        assert [Path(path).name for path in answer["configured"]] == list(CONFIG)
        assert [one["after"] for one in answer["diff"]] == list(CONFIG.values())
    assert written(tmp_path) == CONFIG
    again = run(**options)
    assert (again["changed"], again["configured"], again["diff"]) == (False, [], [])


def test_a_look_alone_changes_nothing(run: Any, tmp_path: Path) -> None:
    answer = run(name=["dpkg"])
    assert (answer["changed"], answer["family"], answer["missing"], written(tmp_path)) == (False, "Debian", [], {})


def test_the_names_of_another_family_are_not_looked_for(run: Any) -> None:
    assert run(name=["dpkg"], names={"Suse": {"dpkg": ["no-such-package"]}})["missing"] == []
    assert run(name=["dpkg"], names={"Debian": {"dpkg": ["no-such-package"]}})["missing"] == ["no-such-package"]


def test_a_refused_family_is_left_as_it_is(run: Any, tmp_path: Path) -> None:
    reasons = {"Debian": ["One reason.", "Another."], "Alpine": ["Not this."]}
    answer = run(name=["dpkg"], refuse=reasons, apt_config=CONFIG)
    assert answer["failed"]
    assert "One reason. Another. Nothing has been changed." in answer["msg"]
    assert "Not this" not in answer["msg"]
    assert written(tmp_path) == {}
    assert run(name=["dpkg"], refuse={"Alpine": ["Not this."], "Debian": []})["family"] == "Debian"


@pytest.mark.parametrize("check", [True, False])
def test_the_same_call_sets_the_locale_where_nothing_is_missing(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    (tmp_path / "locale.gen").write_text("# en_US.UTF-8 UTF-8\n", encoding="utf-8")
    monkeypatch.setattr(locale_setting, "LIST", str(tmp_path / "locale.gen"))
    monkeypatch.setattr(locale_setting, "present", lambda _module: "C\nen_US.utf8\n")
    monkeypatch.setitem(locales.FILES, "Debian", (str(tmp_path / "locale"), "LANG"))
    asked = {"locales": ["en_US.UTF-8"], "locale": "en_US.UTF-8", "apt_config": CONFIG, "_ansible_check_mode": check}
    later = run(name=["no-such-package"], **asked)
    assert ("generated" in later, (tmp_path / "locale").exists()) == (check, False)
    answer = run(name=["dpkg"], **asked)
    assert (answer["changed"], answer["generated"]) == (True, [])
    shown = [one["after"] for one in answer["diff"]]
    assert shown[-1] == "LANG=en_US.UTF-8\n"
    assert shown[:-1] == (list(CONFIG.values()) if check else [])
    assert (tmp_path / "locale").exists() is not check
    assert run(name=["dpkg"], **asked)["changed"] is check


@pytest.mark.parametrize("name", ["../sources.list", "a/b", ""])
def test_a_file_lies_in_the_folder_of_apt(run: Any, tmp_path: Path, name: str) -> None:
    answer = run(apt_config={name: "A;\n"})
    assert answer["failed"]
    assert f'got "{name}"' in answer["msg"]
    assert written(tmp_path) == {}
