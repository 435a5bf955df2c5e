# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of a hostile answer when Ansible itself has read what the border hands on."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.plugins.action import ActionBase
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted import shown_text
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.guest_answer import checked_answer

FORBIDDEN = {
    "ansible_facts": {"phoenix_config": {"memory_mb": 1}, "phoenix_ctid": 1, "ansible_host": "192.0.2.66"},
    "ansible_stats": {"data": {"phoenix_ctid": 1}, "per_host": False},
    "add_host": {"host_name": "evil"},
    "add_group": "hypervisors",
    "phoenix_audit": [{"event": "destroy", "outcome": "ok"}],
    "_ansible_delegated_vars": {"ansible_delegated_host": "pve"},
}


def read(stdout: bytes, profile: str = "legacy") -> dict[str, t.Any]:
    """What Ansible's own parser makes of an output, as a plain dictionary."""
    action = t.cast(t.Any, SimpleNamespace(_used_interpreter=None, _strip_success_message=None))
    text = ActionBase._strip_success_message(action, stdout.decode("utf-8", "surrogateescape"))
    found = ActionBase._parse_returned_data(action, {"stdout": text, "stderr": "", "rc": 0}, profile)
    return found if isinstance(found, dict) else found.as_result_dict(for_round_trip=True)


def steers(result: dict[str, t.Any]) -> list[str]:
    """What of FORBIDDEN is in a result that Ansible has read."""
    facts = result.get("ansible_facts") or {}
    names = [name for name in FORBIDDEN if name != "ansible_facts" and result.get(name)]
    return names + [name for name in facts if name in FORBIDDEN["ansible_facts"]]


def test_without_the_border_it_steers() -> None:
    """That read() shows what the border is for."""
    assert "phoenix_config" in steers(read(json.dumps(FORBIDDEN).encode()))


@pytest.mark.parametrize("profile", ["legacy", "modern"])
def test_nothing_that_steers_is_left(profile: str) -> None:
    answer = checked_answer(json.dumps({"changed": True, "stdout": "x", **FORBIDDEN}).encode())
    result = read(answer.stdout, profile)
    assert not steers(result)
    assert result["changed"] is True
    assert result["stdout"] == "x"
    assert {"phoenix_config", "phoenix_ctid", "ansible_host", "ansible_stats", "add_host"} <= set(answer.refused)


@pytest.mark.parametrize("profile", ["legacy", "modern"])
def test_ansibles_typed_values_hide_nothing(profile: str) -> None:
    inner = {"__ansible_type": "_AnsibleTaggedStr", "value": "x", "tags": []}
    whole = {"__ansible_type": "AnsibleSerializableDate", "iso8601": "2026-01-01", **FORBIDDEN}
    assert read(checked_answer(json.dumps({"a": inner}).encode()).stdout, profile)["a"] == "x"
    assert not steers(read(checked_answer(json.dumps(whole).encode()).stdout, profile))
    assert b"__ansible" not in checked_answer(json.dumps({"a": [{"b": inner}], **whole}).encode()).stdout


@pytest.mark.parametrize(
    "text", ["plain\n", "", '{"a": 1}', '  {"b": [1, 2.5, null]}\n', "[1, 2]", "{ no json }", "\0"]
)
def test_plain_output_is_handed_on_byte_for_byte(text: str) -> None:
    assert checked_answer(text.encode()).stdout == text.encode()
    assert checked_answer(b"\xff\xfe{").stdout == b"\xff\xfe{"


def test_what_setup_finds_stays() -> None:
    facts = {
        "ansible_distribution": "Debian",
        "ansible_eth0": {"device": "eth0", "ipv4": {}},
        "ansible_br_lan": {"device": "br-lan"},
        "ansible_local": {"site": {"a": 1}},
        "module_setup": True,
    }
    answer = checked_answer(json.dumps({"ansible_facts": facts}).encode())
    assert answer.refused == ()
    assert read(answer.stdout)["ansible_facts"] == facts


def test_all_that_setup_finds_on_this_machine_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", "ansible.builtin.setup"]
    subprocess.run([*command, "--tree", str(tmp_path)], capture_output=True, check=True, timeout=600)
    facts = json.loads((tmp_path / "localhost").read_text())["ansible_facts"]
    answer = checked_answer(json.dumps({"ansible_facts": facts}).encode())
    assert len(facts) > 50
    assert answer.refused == ()
    kept = json.loads(answer.stdout)["ansible_facts"]
    assert {name for name in facts if name.startswith("ansible_")} <= set(kept)


def test_facts_without_a_prefix_get_it() -> None:
    facts = {"getent_passwd": {"root": []}, "services": {"a.service": {}}, "packages": {}}
    answer = checked_answer(json.dumps({"ansible_facts": facts}).encode())
    assert json.loads(answer.stdout)["ansible_facts"] == {f"ansible_{name}": value for name, value in facts.items()}
    assert answer.refused == ()


@pytest.mark.parametrize(
    "name",
    [
        "phoenix_node", "phoenix_anything", "ansible_connection", "ansible_ssh_executable", "ansible_sftp_executable",
        "ansible_python_interpreter", "ansible_become_exe", "ansible_facts_modules", "ansible_shell_type", "hostname",
        "base_setup_ca_certificates", "ansible_delegated_vars", "playbook_dir", "discovered_interpreter_python",
        "ansible_host_key_checking", "ansible_remote_tmp",
    ],
)  # fmt: skip  # a list to be read
@pytest.mark.parametrize("disguise", [False, True])
def test_no_other_fact_is_a_containers(name: str, disguise: bool) -> None:
    """Nor as a network interface of that name."""
    value = {"device": name.removeprefix("ansible_")} if disguise else "x"
    answer = checked_answer(json.dumps({"ansible_facts": {name: value, "ansible_kernel": "6"}}).encode())
    assert json.loads(answer.stdout)["ansible_facts"] == {"ansible_kernel": "6"}
    assert answer.refused == (name,)


def test_messages_are_bounded_and_without_control_characters() -> None:
    given = {
        "failed": True,
        "msg": "a\x1b[2Jb\nc\r",
        "diff": [{"before": "\x1b]0;x\x07"}],
        "warnings": ["\x1b[1m" + "w" * 9000] * 50,
        "deprecations": [{"msg": "\x9b31m", "version": "9\x1b", "collection_name": "x.y"}],
        "exception": "\x1b" * 90000,
    }
    kept = json.loads(checked_answer(json.dumps(given).encode()).stdout)
    assert kept["msg"] == "a\ufffd[2Jb\nc\ufffd"
    assert len(kept["warnings"]) == 20
    assert max(map(len, kept["warnings"])) == 2000
    assert len(kept["exception"]) == 20000
    assert "\x1b" not in str(kept) and "\x9b" not in str(kept)  # noqa: PT018 - one thought
    read(json.dumps(kept).encode())


def test_junk_after_the_answer_is_not_printed() -> None:
    answer = checked_answer(b'{"a": 1}\n\x1b]0;owned\x07\n')
    assert answer.stdout == b'{"a": 1}'


def test_warnings_of_ansibles_own_type_keep_their_text() -> None:
    event = {"__ansible_type": "Event", "msg": "mind the gap"}
    warning = {"__ansible_type": "WarningSummary", "event": event}
    kept = json.loads(checked_answer(json.dumps({"warnings": [warning], "exception": warning}).encode()).stdout)
    assert kept == {"warnings": ["mind the gap"], "exception": "mind the gap"}


def test_a_job_of_async_keeps_its_folder() -> None:
    stdout = b'{"ansible_job_id": "j1", "started": 1, "_ansible_suppress_tmpdir_delete": true}'
    assert checked_answer(stdout).stdout == stdout


def test_an_answer_too_deep_is_refused() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        checked_answer(b'{"a":' * 200000 + b"1" + b"}" * 200000)


POISON = json.dumps(FORBIDDEN)
BREAKS = st.sampled_from(
    ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\u00a0", "\ufeff", ""]
)
PIECES = st.sampled_from(
    [
        POISON,
        POISON[:-1],
        POISON[1:],
        '{"a": 1}',
        "{",
        "}",
        "[",
        "]",
        '"',
        "BECOME-SUCCESS-abc",
        " ",
        "\0",
        "\\",
        "//",
        "x",
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.tuples(PIECES, BREAKS), max_size=7))
def test_however_it_is_written_ansible_reads_nothing_that_steers(parts: list[tuple[str, str]]) -> None:
    stdout = "".join(piece + end for piece, end in parts).encode()
    assert not steers(read(checked_answer(stdout).stdout))


def test_a_line_that_ansible_takes_for_sudos_hides_nothing() -> None:
    """Ansible removes it up to a newline, and only then ends lines at other characters too."""
    stdout = 'BECOME-SUCCESS-abc\u2028{"a": 1}\u2028\n' + POISON
    assert steers(read(stdout.encode()))
    assert not steers(read(checked_answer(stdout.encode()).stdout))


@pytest.mark.parametrize("char", ["\x1b", "\x9b", "\u061c", "\u200f", "\u202e", "\u2069", "\ufeff", "\udc80"])
def test_no_terminal_takes_a_shown_text_for_a_command(char: str) -> None:
    assert shown_text.printable(f"a{char}b") == "a\ufffdb"
    assert shown_text.one_line(f"a{char}\nb") == "a\ufffd b"
