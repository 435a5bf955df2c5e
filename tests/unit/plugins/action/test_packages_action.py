# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""phoenix_packages: one look for check mode and a real run, and apt only for what is missing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task

from ansible_collections.phoenix.hypervisor.plugins.action.phoenix_packages import LOCALE, MODULE, ActionModule

APT = "ansible.builtin.apt"
Calls = list[tuple[str, dict[str, Any]]]


class Shell:
    """Enough of one for an action."""

    tmpdir = "/nowhere"


class Connection:
    """Enough of one for an action."""

    transport = "local"
    _shell = Shell()


def play(answers: dict[str, list[dict[str, Any]]], check: bool = False, **options: Any) -> tuple[dict[str, Any], Calls]:
    """The result of the task, and what was run on the target."""
    task = Task.load({"phoenix.hypervisor.phoenix_packages": options, "check_mode": check})
    action = ActionModule(task, Connection(), PlayContext(), DataLoader(), None, None)
    calls: Calls = []

    def execute(module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        calls.append((module_name, module_args))
        return answers[module_name].pop(0)

    action._execute_module = execute
    return action.run(task_vars={}), calls


def looked(*missing: str, **more: Any) -> dict[str, list[dict[str, Any]]]:
    return {MODULE: [{"changed": False, "missing": list(missing), "has_lists": True, **more}]}


def test_a_settled_machine_takes_one_call() -> None:
    result, calls = play(looked(), name=["curl"])
    assert (result["changed"], [name for name, _options in calls]) == (False, [MODULE])


@pytest.mark.parametrize("check", [True, False])
def test_the_missing_are_told_by_check_mode_and_installed_by_a_run(check: bool) -> None:
    answers = {**looked("jq"), APT: [{"changed": True, "stdout": "…"}]}
    result, calls = play(answers, check, name=["curl", "jq"], install_recommends=False)
    assert (result["changed"], result["missing"], result["diff"]) == (True, ["jq"], [{"prepared": "install jq\n"}])
    if check:
        assert (result["msg"], len(calls)) == ("Would be installed: jq", 1)
    else:
        assert calls[1][0] == APT
        assert calls[1][1]["name"] == ["jq"]
        assert calls[1][1]["install_recommends"] is False


def test_an_answer_names_no_package_that_the_task_does_not() -> None:
    """It comes out of a guest."""
    answers = {**looked("evil", "jq=0"), APT: []}
    result, calls = play(answers, name=["curl"])
    assert (result["changed"], result["missing"], len(calls)) == (False, [], 1)


def test_a_failed_look_ends_it() -> None:
    result, calls = play({MODULE: [{"failed": True, "msg": "no apt-get"}]}, name=["curl"])
    assert (result["failed"], result["msg"], len(calls)) == (True, "no apt-get", 1)


@pytest.mark.parametrize(("failures", "retries", "failed"), [(1, 3, False), (3, 3, False), (4, 3, True), (1, 0, True)])
def test_a_failed_installation_is_tried_again(failures: int, retries: int, failed: bool) -> None:
    answers = {
        **looked("jq"),
        APT: [*({"failed": True, "msg": "busy"} for _failure in range(failures)), {"changed": True}],
    }
    result, calls = play(answers, name=["jq"], retries=retries, delay=0)
    assert bool(result.get("failed")) is failed
    assert result["attempts"] == len(calls) - 1 == min(failures, retries) + 1
    assert result["changed"] is not failed


def test_lists_alone_are_no_change() -> None:
    answers = {**looked(has_lists=False), APT: [{"changed": True}]}
    result, calls = play(answers, fetch_lists=True)
    assert result["changed"] is False
    assert calls[1][1] == {"update_cache": True, "cache_valid_time": 0, "lock_timeout": 300}


EVERY = ["Debian", "Alpine", "Suse", "RedHat"]


@pytest.mark.parametrize(
    ("family", "module"),
    [
        ("Debian", APT),
        ("Alpine", "community.general.apk"),
        ("Suse", "community.general.zypper"),
        ("RedHat", "ansible.builtin.dnf"),
    ],
)
def test_each_family_has_its_own_module(family: str, module: str) -> None:
    answers = {**looked("jq", family=family), module: [{"changed": True}]}
    result, calls = play(answers, name=["jq"], families=EVERY)
    assert (result["changed"], result["family"], calls[1][0], calls[1][1]["name"]) == (True, family, module, ["jq"])


def test_a_family_has_names_of_its_own() -> None:
    """An answer of it may name those, and none of another family."""
    options = {"name": ["tzdata", "jq"], "names": {"Suse": {"tzdata": ["timezone"]}}, "families": EVERY}
    zypper = "community.general.zypper"
    answers = {**looked("timezone", "tzdata", family="Suse"), zypper: [{"changed": True}]}
    result, calls = play(answers, **options)
    assert (result["missing"], calls[1][1]["name"]) == (["timezone"], ["timezone"])
    result, calls = play({**looked("timezone", "tzdata"), APT: [{"changed": True}]}, **options)
    assert result["missing"] == ["tzdata"]


CONFIG = {"99phoenix-acquire": 'Acquire::Retries "2";\n'}
FILE = {"before_header": "/etc/apt/apt.conf.d/99phoenix-acquire", "before": "", "after": CONFIG["99phoenix-acquire"]}


@pytest.mark.parametrize("check", [True, False])
def test_a_new_configuration_of_apt_is_a_change_by_itself(check: bool) -> None:
    answers = looked(changed=True, diff=[FILE])
    result, calls = play(answers, check, name=["jq"], apt_config=CONFIG)
    assert (result["changed"], result["diff"], len(calls)) == (True, [FILE], 1)
    assert "msg" not in result


def test_a_failed_installation_shows_what_was_configured_before() -> None:
    answers = {**looked("jq", changed=True, diff=[FILE]), APT: [{"failed": True, "msg": "busy"}]}
    result, _calls = play(answers, name=["jq"], apt_config=CONFIG, retries=0)
    assert (result["failed"], result["changed"], result["diff"]) == (True, True, [FILE])


def test_an_answer_changes_nothing_that_the_task_does_not() -> None:
    result, _calls = play(looked(changed=True, diff=[FILE]), name=["jq"])
    assert result["changed"] is False
    assert "diff" not in result


def test_a_family_that_the_task_does_not_know_is_not_believed() -> None:
    answers = {**looked("jq", family="RedHat"), APT: [{"changed": True}]}
    result, calls = play(answers, name=["jq"])
    assert (result["family"], calls[1][0]) == ("Debian", APT)


def test_only_the_paths_that_the_task_asks_for_come_back() -> None:
    """They come out of a guest, too."""
    paths = ["/etc/locale.gen", "/etc/shadow", "/etc/ssl/phoenix-a.pem", 7, "/etc/ssl/other.pem"]
    patterns = ["/etc/locale.gen", "/etc/ssl/phoenix-*.pem"]
    result, calls = play(looked(paths=paths), look_for=patterns)
    assert result["paths"] == ["/etc/locale.gen", "/etc/ssl/phoenix-a.pem"]
    assert calls[0][1]["look_for"] == patterns
    assert play(looked(), look_for=patterns)[0]["paths"] == []


SETTING = {"path": "/etc/default/locale", "before": "", "after": "LANG=en_US.UTF-8\n"}
IN_ENGLISH = {"locales": ["en_US.UTF-8"], "locale": "en_US.UTF-8"}


def test_the_locale_comes_with_the_look_where_nothing_is_missing() -> None:
    answers = looked(changed=True, generated=["en_US.UTF-8", "xx_XX.UTF-8"], diff=[SETTING])
    result, calls = play(answers, name=["locales"], **IN_ENGLISH)
    assert (result["changed"], result["generated"], result["diff"]) == (True, ["en_US.UTF-8"], [SETTING])
    assert [name for name, _options in calls] == [MODULE]
    assert {key: calls[0][1][key] for key in IN_ENGLISH} == IN_ENGLISH
    result, calls = play(looked(generated=[]), name=["locales"], **IN_ENGLISH)
    assert (result["changed"], result["generated"], len(calls)) == (False, [], 1)


def test_the_locale_comes_after_the_packages_that_are_missing() -> None:
    answers = {
        **looked("locales"),
        APT: [{"changed": True}],
        LOCALE: [{"changed": True, "generated": ["en_US.UTF-8"], "diff": [SETTING]}],
    }
    result, calls = play(answers, name=["locales"], **IN_ENGLISH)
    assert [name for name, _options in calls] == [MODULE, APT, LOCALE]
    assert calls[2][1] == {**IN_ENGLISH, "path": "/etc/default/locale", "key": "LANG"}
    assert (result["changed"], result["generated"]) == (True, ["en_US.UTF-8"])
    assert result["diff"] == [{"prepared": "install locales\n"}, SETTING]


def test_check_mode_tells_both_of_one_look() -> None:
    answers = looked("locales", changed=True, generated=["en_US.UTF-8"], diff=[SETTING])
    result, calls = play(answers, check=True, name=["locales"], **IN_ENGLISH)
    assert result["msg"] == "Would be installed: locales. Would be generated: en_US.UTF-8"
    assert (result["changed"], result["generated"], len(calls)) == (True, ["en_US.UTF-8"], 1)
    assert result["diff"] == [SETTING, {"prepared": "install locales\n"}]


def test_a_locale_that_fails_after_the_packages_fails_the_task_and_none_follows_a_failed_installation() -> None:
    failed = {"failed": True, "msg": "locale xx_XX is unknown here"}
    answers = {**looked("locales"), APT: [{"changed": True}], LOCALE: [failed]}
    result, _calls = play(answers, name=["locales"], **IN_ENGLISH)
    assert (result["failed"], result["msg"], result["changed"]) == (True, failed["msg"], True)
    answers = {**looked("locales"), APT: [{"failed": True, "msg": "busy"}], LOCALE: []}
    result, calls = play(answers, name=["locales"], retries=0, **IN_ENGLISH)
    assert (result["failed"], result["msg"], len(calls)) == (True, "busy", 2)


@pytest.mark.parametrize(
    ("family", "path", "key"),
    [("Suse", "/etc/locale.conf", "LANG"), ("Alpine", "/etc/profile.d/phoenix-locale.sh", "export LANG")],
)
def test_other_families_have_their_file_and_generate_nothing(family: str, path: str, key: str) -> None:
    module = {"Suse": "community.general.zypper", "Alpine": "community.general.apk"}[family]
    answers = {**looked("jq", family=family), module: [{"changed": True}], LOCALE: [{"changed": False}]}
    result, calls = play(answers, name=["jq"], families=EVERY, **IN_ENGLISH)
    assert calls[2] == (LOCALE, {"locales": [], "locale": "en_US.UTF-8", "path": path, "key": key})
    assert (result["changed"], result["generated"]) == (True, [])
