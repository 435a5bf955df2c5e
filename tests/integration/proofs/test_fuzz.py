# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts that a configuration may hold, by chance: none is interpreted twice, none becomes another line or option."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fault_node import wanted
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from proof_counts import COUNTS, LONG, number
from pure_parts import (
    RELAY,
    NodeCall,
    Observation,
    Record,
    auditline,
    conffile,
    desired,
    environment,
    planner,
    properties,
    rawlines,
)

ROLES = Path(__file__).resolve().parents[3] / "roles"
CASES = number("FUZZ", 200, 5000)
FUZZ = settings(
    max_examples=CASES,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
)
NASTY = [
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\t",
    ",",
    ";",
    "=",
    ":",
    "#",
    "[",
    "]",
    "%",
    "$",
]
NASTY += [
    "$(id)",
    "`id`",
    "${HOME}",
    "%h",
    "\\",
    '"',
    "'",
    " ",
    "{{ 1 }}",
    "lxc.cap.drop: x",
    "\nlxc.cap.keep = x",
    "-",
    "é",
]
TEXT = st.lists(
    st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
).map("".join)
HEAD = (
    "#a%0Anote\nhostname: web\nmemory: 512\nlxc.environment: THEIRS=1\n\n[snap]\nhostname: old\nlxc.environment: S=1\n"
)


def count(what: str) -> None:
    """One more case."""
    COUNTS[f"fuzzed: {what}"] += 1


@FUZZ
@given(st.lists(st.tuples(st.sampled_from(["lxc.environment", "lxc.cap.drop", "lxc.mount.entry"]), TEXT), max_size=4))
@example([("lxc.environment", "A=1\u2028lxc.cap.drop: x")])
@example([("lxc.environment", "A=1\x0blxc.cap.drop: x")])
def test_raw_lines_are_one_line_each_in_the_head_and_read_back_equal(pairs: Any) -> None:
    count("raw lines")
    lines = [line for line in (rawlines.parse_line(f"{key}: {value}") for key, value in pairs) if line is not None]
    lines = list(dict.fromkeys(lines))
    text = rawlines.edit(HEAD, lines, [])
    read = conffile.parse_conf(text)
    assert read.raw == (("lxc.environment", "THEIRS=1"), *lines)
    assert read.snapshots == {"snap": {"hostname": "old"}}
    assert read.snapshot_raw == {"snap": (("lxc.environment", "S=1"),)}
    assert dict(read.head) == {"hostname": "web", "memory": "512", "description": "a\nnote\n"}
    # Edited once more, and the lines taken away: nothing of a value has become a line of its own.
    assert rawlines.edit(rawlines.edit(text, [], []), [], lines) == HEAD


@FUZZ
@given(TEXT)
def test_lines_of_others_survive_an_edit_byte_by_byte(value: str) -> None:
    count("lines of others")
    assume("\n" not in value)
    text = f"#{value}\n{HEAD}"
    edited = rawlines.edit(text, [("lxc.cap.drop", "mknod")], [])
    assert rawlines.edit(edited, [], [("lxc.cap.drop", "mknod")]) == text


@FUZZ
@given(st.dictionaries(st.sampled_from(["name", "bridge", "ip", "gw", "hwaddr"]), TEXT, min_size=1))
def test_values_of_property_strings_are_refused_or_come_back_equal(parts: dict[str, str]) -> None:
    count("property strings")
    if desired.understand({"network_config": parts}).unfit is None:
        assert properties.parse(properties.compose(parts)) == parts
        assert "\n" not in properties.compose(parts)
    else:
        assert any(re.search(r"[,\x00-\x1f\x7f\x85\u2028\u2029]", value) for value in parts.values())


@FUZZ
@given(st.sampled_from(["name", "storage_pool", "template", "mac_address", "tags", "pct_options", "lxc_options"]), TEXT)
def test_a_line_break_reaches_no_call_and_no_config(key: str, value: str) -> None:
    """Through the planner: what it plans has no value with a line break, whatever the configuration has."""
    count("configurations")

    given_value: Any = [value] if key in ("tags", "pct_options", "lxc_options") else value
    plan = planner.plan(wanted(**{key: given_value}), Observation(950), Record())
    for step in plan.steps:
        for entry in step.entries:
            if entry.op in ("pve", "conf"):
                for text in desired._texts(list(entry.params.values())):
                    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f\u2028\u2029]", text), (entry.what, text)


@FUZZ
@given(TEXT, st.booleans())
def test_a_command_reaches_the_container_as_it_is(command: str, become: bool) -> None:
    """The line for ssh, split as the login shell splits it, is the very argv that the plugin meant."""
    count("commands")
    call = NodeCall(950, "n" * 32, command, "lxc-attach", "/run/x y'z", 5)
    line, argv = shlex.split(call.command_line(become=become)), call.argv(name="sh", become=become)
    assert line[-16:] == argv[-16:]
    assert line[line.index(RELAY) - 1].endswith(command)


@settings(FUZZ, max_examples=number("SHELLS", 40, 1000))
@given(st.lists(TEXT, min_size=1, max_size=3))
def test_a_list_in_the_applications_environment_is_split_by_a_shell_into_itself(values: list[str]) -> None:
    count("application environments")
    found = environment.environment({"vllm_args": values, "note": values[0]}, 950, "web", "pve", ("a",))
    assert found["PHOENIX_NOTE"] == values[0]
    script = 'eval "set -- $PHOENIX_VLLM_ARGS"; for word; do printf "%s\\0" "$word"; done'
    done = subprocess.run(["/bin/sh", "-c", script], env=found, capture_output=True, check=True)
    assert done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1] == values


@FUZZ
@given(TEXT, TEXT)
def test_an_audit_line_is_one_line_and_reads_back_equal(event: str, error: str) -> None:
    count("audit lines")
    one = auditline.AuditEvent("2026-11-24T04:00:00+00:00", "INFO", "r", 950, event, "ok", 1.0, {"error": error})
    line = auditline.format_line(one)
    assert line.splitlines() == [line]
    assert auditline.parse_line(line) == one


# ------------------------------------------------------------------------------------------------- the roles' templates
def template(name: str) -> Any:
    """A template of a role, with the filters of Ansible's that it uses."""
    made = Environment(trim_blocks=True, keep_trailing_newline=True)
    made.filters["regex_replace"] = lambda value, pattern, new: re.sub(pattern, new, str(value))
    return made.from_string((ROLES / name).read_text(encoding="utf-8"))


def systemd_words(line: str) -> list[str]:
    """A command line as systemd reads it: quotes, C escapes, then specifiers and variables (systemd.service(5))."""
    words, word, quoted, index = [], None, "", 0
    while index < len(line):
        char = line[index]
        if char == "\\":
            index += 1
            char = {"n": "\n", "r": "\r", "t": "\t"}.get(line[index], line[index])
            word = (word or "") + char
        elif quoted:
            word, quoted = (word, "") if char == quoted else (word + char, quoted)
        elif char in "\"'":
            quoted, word = char, word or ""
        elif char in " \t":
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + char
        index += 1
    assert not quoted
    words += [] if word is None else [word]
    for each in words:
        assert not re.search(r"%(?!%)", each.replace("%%", "")), each
        assert not re.search(r"\$(?!\$)", each.replace("$$", "")), each
    return [each.replace("%%", "%").replace("$$", "$") for each in words]


@FUZZ
@given(TEXT, st.lists(TEXT, max_size=3))
@example("m\nExecStartPre=/bin/evil", ["a\rExecStartPost=/bin/evil"])
@example("ends in \\", [])
def test_a_unit_has_the_lines_that_it_is_to_have_and_its_words_are_the_arguments(name: str, args: list[str]) -> None:
    """systemd ends a line at a carriage return too."""
    count("units")
    values = {"__vllm_user": "vllm", "__vllm_config_folder": "/etc/vllm", "__vllm_home": "/h", "__vllm_link": "/opt/v"}
    values = {**values, "vllm_shm_size": "", "vllm_stop_timeout": 5}
    unit = template("vllm/templates/vllm.service.j2")
    plain = re.split(r"[\n\r]", unit.render(__vllm_name="m", vllm_args=[], **values))
    text = re.split(r"[\n\r]", unit.render(__vllm_name=name, vllm_args=args, **values))
    assert len(text) == len(plain)
    changed = [line for line, other in zip(text, plain, strict=True) if line != other]
    assert all(line.startswith(("Description=", "ExecStart=")) for line in changed)
    assert not any(line.endswith("\\") for line in text)
    (command,) = [line.partition("=")[2] for line in text if line.startswith("ExecStart=")]
    assert systemd_words(command)[4:] == args


@pytest.mark.parametrize("role", ["ollama", "vllm"])
@FUZZ
@given(st.dictionaries(st.from_regex(r"\A[A-Z_][A-Z0-9_]{0,9}\Z"), TEXT, max_size=3))
def test_an_environment_file_gives_each_variable_its_value_and_no_other(role: str, variables: dict[str, str]) -> None:
    """Read as systemd reads it: in double quotes a backslash stands before what it protects."""
    count("environment files")
    made = template(f"{role}/templates/environment.j2").render({f"__{role}_service_variables": variables})
    pattern = re.compile(r'([A-Z_][A-Z0-9_]*)="((?:[^"\\]|\\[\s\S])*)"\n')
    found, position = {}, 0
    while position < len(made):
        match = pattern.match(made, position)
        assert match, made[position:]
        found[match.group(1)] = re.sub(r'\\(["\\`$])', r"\1", match.group(2))
        position = match.end()
    assert found == variables
