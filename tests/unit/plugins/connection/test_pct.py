# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin as Ansible loads it, with a stand-in for what it would start."""

from __future__ import annotations

import collections.abc as c
import pathlib
import re
import socket
import typing as t

import pytest
from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection.ssh import Connection as SSHConnection
from ansible.plugins.loader import connection_loader

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.open_ssh import guards, sessions

NAME = "phoenix.hypervisor.pct"


class Started:
    """Records the argument lists and answers as a node would."""

    def __init__(self, rc: int | None = 0, verdict: str = "ran -", stderr: bytes = b"", ssh: int = 0) -> None:
        self.argv: list[list[bytes]] = []
        self.kwargs: list[dict[str, t.Any]] = []
        self.rc, self.verdict, self.stderr, self.ssh = rc, verdict, stderr, ssh

    def __call__(self, argv: list[bytes], in_data: bytes, **kwargs: t.Any) -> tuple[int, bytes, bytes]:
        self.argv.append(argv)
        self.kwargs.append({"in_data": in_data, **kwargs})
        if self.rc is None:
            return self.ssh, b"", self.stderr
        line = argv[-1] if b"phoenix-pct" in argv[-1] else b" ".join(argv)
        words = line.split()
        nonce = next(word for word in words if len(word) == 32 and word.isalnum())
        return self.ssh, b"out", self.stderr + b"\n%s %d %s\n" % (nonce, self.rc, self.verdict.encode())


def connection(monkeypatch: pytest.MonkeyPatch, started: Started | None = None, **variables: t.Any) -> t.Any:
    """Return the plugin with its options set from variables, as the task executor sets them."""
    monkeypatch.setenv("ANSIBLE_SSH_CONTROL_PATH_DIR", "/tmp")
    plugin = connection_loader.get(NAME, PlayContext())
    assert plugin is not None
    values = {"phoenix_ctid": 950, "ansible_host": "192.0.2.1", "inventory_hostname": "950", **variables}
    plugin.set_options(var_options=values)
    monkeypatch.setattr(plugin, "_run", started or Started())
    return plugin


def test_every_option_of_the_ssh_plugin_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = connection_loader.get("ssh", PlayContext())
    ssh.set_options(var_options={"inventory_hostname": "950"})
    mine = connection(monkeypatch)
    assert set(ssh.get_options()) <= set(mine.get_options())
    assert mine.get_option("pipelining") is True
    assert mine.is_pipelining_enabled() is True


def test_a_ctid_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleError, match="ctid"):
        connection(monkeypatch, phoenix_ctid=None).exec_command("true")


def test_containers_of_a_node_share_one_control_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def control_path(**variables: t.Any) -> bytes:
        started = Started()
        connection(monkeypatch, started, **variables).exec_command("true")
        return next(word for word in started.argv[0] if word.startswith(b"ControlPath="))

    first = control_path(phoenix_ctid=950, phoenix_node="pve", ansible_user="root", ansible_port=22)
    assert control_path(phoenix_ctid=920, phoenix_node="pve", ansible_user="root", ansible_port=22) == first
    assert control_path(phoenix_ctid=950, phoenix_node="pve", ansible_user="root", ansible_port=23) != first
    assert control_path(ansible_host="192.0.2.2", ansible_user="root", ansible_port=22) != first


def test_the_control_path_is_that_of_the_node_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_SSH_CONTROL_PATH_DIR", "/tmp")
    node = connection_loader.get("ssh", PlayContext())
    node.set_options(var_options={"ansible_host": "192.0.2.1", "ansible_user": "root", "inventory_hostname": "pve"})
    node.host = node.get_option("host")
    command = node._build_command("ssh", "ssh", "pve")
    started = Started()
    connection(monkeypatch, started, ansible_user="root").exec_command("true")
    assert next(word for word in command if word.startswith(b"ControlPath=")) in started.argv[0]


def test_a_terminal_is_never_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started()
    plugin = connection(monkeypatch, started, ansible_ssh_use_tty=True, ansible_ssh_args="-tt -o RequestTTY=force")
    plugin.exec_command("true")
    assert started.argv[0][-3:-1] == [b"-T", b"192.0.2.1"]
    assert plugin.is_pipelining_enabled() is True
    assert plugin.has_tty is False


@pytest.mark.parametrize(
    ("variables", "sudo"),
    [
        ({}, False),
        ({"ansible_user": "root"}, False),
        ({"ansible_user": "admin"}, True),
        ({"ansible_user": "admin", "phoenix_pct_node_become": "false"}, False),
        ({"phoenix_pct_node_become": "yes"}, True),
    ],
)
def test_root_on_the_node(monkeypatch: pytest.MonkeyPatch, variables: dict[str, t.Any], sudo: bool) -> None:
    started = Started()
    connection(monkeypatch, started, **variables).exec_command("true")
    assert started.argv[0][-1].startswith(b"sudo -n -- /bin/sh" if sudo else b"/bin/sh")


PLAIN: dict[str, t.Any] = {}


@pytest.mark.parametrize(
    ("variables", "data", "ways"),
    [
        (PLAIN, b"words", ["open"]),
        ({"ansible_ssh_executable": "/opt/own-ssh"}, b"words", ["ssh"]),
        ({"ansible_password": "secret"}, b"words", ["ssh"]),
        ({"ansible_ssh_args": "-o ControlMaster=no"}, b"words", ["ssh"]),
        ({"ansible_control_path": "%(directory)s/%%h"}, b"words", ["ssh"]),
        (PLAIN, None, ["ssh"]),
        (PLAIN, b"", ["ssh"]),
        (PLAIN, b"refused", ["open", "ssh"]),
    ],
)
def test_a_connection_that_is_open_is_used_without_ssh(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    variables: dict[str, t.Any],
    data: bytes | None,
    ways: list[str],
) -> None:
    taken = []

    def run(path: str, command: bytes, given: bytes, patience: float) -> tuple[int, bytes, bytes] | None:
        taken.append("open")
        assert (path, command) == (f"{tmp_path}/x", b"true")
        return None if given == b"refused" else (0, given, b"")

    def start(*_words: t.Any) -> tuple[int, bytes, bytes]:
        taken.append("ssh")
        return 0, b"", b""

    plugin = connection(monkeypatch, **{"ansible_control_path": f"{tmp_path}/x", **variables})
    monkeypatch.setattr(sessions, "run", run)
    monkeypatch.setattr(SSHConnection, "_bare_run", start)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/x")
        argv = plugin._build_command("ssh", "ssh", "pve", "true")
        argv[0] = plugin.get_option("ssh_executable").encode()
        plugin._bare_run(argv, data)
    assert taken == ways


MODULE = "/bin/sh -c '/usr/bin/python3 && sleep 0'"
DATA = b"_ANSIBALLZ_WRAPPER = True\nzip_data='QUJD',\n"


class Told:
    """Stands for the guards of a node: answers in turn, the last one again and again."""

    def __init__(self, *answers: guards.Answer | Exception | None) -> None:
        self.answers = list(answers)
        self.places: list[guards.Place] = []

    def __call__(self, place: guards.Place, payload: bytes, bounds: guards.Bounds, *_more: t.Any) -> t.Any:
        assert (payload, bounds) == (DATA, guards.Bounds(64 << 20, 64 << 20, 7200))
        self.places.append(place)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> c.Iterator[c.Callable[..., t.Any]]:
    """Makes the plugin on a node whose guard is number 4711 and answers so."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))

    def make(told: Told, started: Started, **variables: t.Any) -> t.Any:
        monkeypatch.setattr(guards, "run", told)
        return connection(monkeypatch, started, **{"ansible_control_path": f"{tmp_path}/x", **variables})

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/x")
        yield make


def test_a_module_goes_to_the_guard_that_a_command_has_told_of(
    guarded: c.Callable[..., t.Any], tmp_path: pathlib.Path
) -> None:
    told, started = Told(guards.Answer(0, [b"by", b"guard"], [b"e"])), Started(verdict="ran 4711")
    plugin = guarded(told, started)
    assert plugin.exec_command(MODULE, DATA) == (0, b"out", b"")
    assert (len(started.argv), told.places) == (1, [])
    assert plugin.exec_command(MODULE, DATA) == (0, b"byguard", b"e")
    assert plugin.exec_command("true", b"") == (0, b"out", b"")
    assert len(started.argv) == 2
    (place,) = told.places
    assert place.connection == f"{tmp_path}/x"
    assert re.fullmatch(r"/run/phoenix_hypervisor/950\.[0-9a-f]{16}\.4711\.sock", place.socket)


@pytest.mark.parametrize(
    "variables",
    [
        {"phoenix_pct_node_become": True},
        {"phoenix_warm_interpreter": False},
        {"ansible_password": "secret"},
        {"ansible_user": "other"},
        {"ansible_host": "192.0.2.2"},
        {"ansible_port": 2222},
        {"phoenix_ctid": 951},
        {"phoenix_busy_dir": "/run/other"},
    ],
)
def test_another_way_to_the_container_has_no_such_guard(
    guarded: c.Callable[..., t.Any], variables: dict[str, t.Any]
) -> None:
    told, started = Told(None), Started(verdict="ran 4711")
    guarded(told, started).exec_command(MODULE, DATA)
    guarded(told, started, **variables).exec_command(MODULE, DATA)
    assert told.places == []


def test_what_a_guard_refuses_comes_as_a_command_from_then_on(guarded: c.Callable[..., t.Any]) -> None:
    told, started = Told(None), Started(verdict="ran 4711")
    plugin = guarded(told, started)
    plugin.exec_command(MODULE, DATA)
    started.verdict = "ran -"
    for _again in "12":
        assert plugin.exec_command(MODULE, DATA) == (0, b"out", b"")
    assert (len(told.places), len(started.argv)) == (1, 3)


def test_a_failure_that_a_guard_tells_is_judged_on_the_node(guarded: c.Callable[..., t.Any]) -> None:
    told, started = Told(guards.Answer(137, [b"half"], [b"gone"])), Started(verdict="ran 4711")
    plugin = guarded(told, started)
    plugin.exec_command(MODULE, DATA)
    assert plugin.exec_command(MODULE, DATA) == (137, b"half", b"gone")
    assert b" look " in started.argv[-1][-1]
    started.verdict = "state STOPPED"
    with pytest.raises(AnsibleConnectionFailure, match="is stopped"):
        plugin.exec_command(MODULE, DATA)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (guards.LostError(), AnsibleConnectionFailure, "the connection to the node ended"),
        (guards.Answer(137, ending="late"), AnsibleError, "did not end within 7200 s"),
        (guards.Answer(137, ending="flood"), AnsibleError, "wrote more than 64 MiB"),
    ],
)
def test_a_module_that_a_guard_does_not_finish_fails(
    guarded: c.Callable[..., t.Any], answer: guards.Answer | Exception, error: type[Exception], words: str
) -> None:
    plugin = guarded(Told(answer), started := Started(verdict="ran 4711"))
    plugin.exec_command(MODULE, DATA)
    with pytest.raises(error, match=words):
        plugin.exec_command(MODULE, DATA)
    assert len(started.argv) == 1


def test_local_transport_starts_no_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started()
    connection(monkeypatch, started, phoenix_pct_transport="local").exec_command("echo 'a b'")
    argv = started.argv[0]
    assert argv[:2] == [b"/bin/sh", b"-c"]
    # The parent class awaits become's prompts only if it finds this word.
    assert b"ssh" in argv
    assert argv[-9].endswith(b"\necho 'a b'")


def test_input_is_closed_when_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started()
    connection(monkeypatch, started).exec_command("cat")
    # Empty, and true: the ssh plugin opens a terminal for what is false.
    assert started.kwargs[0]["in_data"] == b""
    assert started.kwargs[0]["in_data"]


@pytest.mark.parametrize("rc", [0, 1, 255])
def test_exit_codes_and_streams(monkeypatch: pytest.MonkeyPatch, rc: int) -> None:
    plugin = connection(monkeypatch, Started(rc=rc, stderr=b"err"))
    assert plugin.exec_command("true") == (rc, b"out", b"err")


def test_stopped_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = connection(monkeypatch, Started(rc=1, verdict="state STOPPED"), phoenix_node="pve")
    with pytest.raises(AnsibleConnectionFailure, match=r"container 950 on node pve is stopped \(pct start 950\)"):
        plugin.exec_command("true")


@pytest.mark.parametrize(
    ("started", "text"),
    [
        (Started(rc=None, ssh=1, stderr=b"This account is not available."), "did not run .* not available"),
        (Started(rc=None, ssh=0, stderr=b""), "did not run the command"),
        (Started(rc=None, ssh=1, stderr=b"sudo: a password is required\n"), "cannot become root on node pve"),
        (Started(rc=0, ssh=255, stderr=b"broken"), "broken"),
    ],
)
def test_no_answer_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch, started: Started, text: str) -> None:
    plugin = connection(monkeypatch, started, phoenix_node="pve", ansible_user="admin")
    with pytest.raises(AnsibleConnectionFailure, match=text):
        plugin.exec_command("true")


def test_files_are_connected_by_a_local_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "-odd 'name"
    source.write_text("x")
    started = Started()
    connection(monkeypatch, started).put_file(str(source), "/tmp/a b")
    argv = started.argv[0]
    assert argv[:2] == [b"/bin/sh", b"-c"]
    assert argv[4] == str(source).encode()
    assert argv[5] == b"ssh"
    assert started.kwargs[0]["sudoable"] is False


def test_a_missing_file_and_a_failed_transfer(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    with pytest.raises(AnsibleFileNotFound):
        connection(monkeypatch).put_file(str(tmp_path / "none"), "/x")
    plugin = connection(monkeypatch, Started(rc=1, stderr=b"cat: write error: No space left on device\n"))
    with pytest.raises(AnsibleError, match=r"failed to transfer file .* No space left on device \(exit code 1\)"):
        plugin.put_file(__file__, "/x")


def test_a_failed_fetch_keeps_the_old_file(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    target = tmp_path / "kept"
    target.write_text("old")
    plugin = connection(monkeypatch, Started(rc=2, stderr=b"sh: cannot open /x: No such file"))
    with pytest.raises(AnsibleError, match="No such file"):
        plugin.fetch_file("/x", str(target))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_documentation_is_complete_as_ansible_reads_it() -> None:
    from ansible.plugins.loader import fragment_loader
    from ansible.utils.plugin_docs import get_docstring

    path = connection_loader.find_plugin(NAME)
    doc = get_docstring(path, fragment_loader, collection_name="phoenix.hypervisor", plugin_type="connection")[0]
    assert {"ctid", "host", "port", "remote_user", "private_key_file", "pipelining"} <= set(doc["options"])
    assert all("version_added" not in option for option in doc["options"].values())
    assert DataLoader().load(str(doc["options"]["pipelining"]["default"])) is True


def test_nothing_is_run_in_a_container_with_foreign_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the controller neither: a variable may have named it."""
    started = Started()
    plugin = connection(monkeypatch, started, ansible_facts={"kernel": "6.8", "base_setup_ca_certificates": []})
    with pytest.raises(AnsibleError, match=r'container 950: got the facts "base_setup_ca_certificates".*--flush-cache'):
        plugin.exec_command("true")
    with pytest.raises(AnsibleError, match="base_setup_ca_certificates"):
        plugin.put_file("/etc/hostname", "/x")
    with pytest.raises(AnsibleError, match="base_setup_ca_certificates"):
        plugin.fetch_file("/x", "/tmp/never")
    assert started.argv == []


def test_facts_of_its_own_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"kernel": "6.8", "eth0": {"device": "eth0"}, "services": {}, "getent_passwd": {}, "ansible_local": {}}
    assert connection(monkeypatch, ansible_facts=facts).exec_command("true")[0] == 0


def test_an_answer_loses_what_steers(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    plugin = connection(monkeypatch, phoenix_node="pve")
    monkeypatch.setattr("ansible.utils.display.Display.warning", lambda _self, text, **_more: warnings.append(text))
    kept = plugin._checked(b'{"a": 1, "ansible_facts": {"phoenix_node": "x", "\\u001b[2J": 1}}')
    assert kept == b'{"a": 1, "ansible_facts": {}}'
    assert len(warnings) == 1
    assert warnings[0].startswith("Container pve/950 answered with what a container must not set: phoenix_node, ")
    assert "\x1b" not in warnings[0]
    assert plugin._checked(b'{"a": 1}\n') == b'{"a": 1}\n'
    assert len(warnings) == 1


def test_an_answer_too_deep_to_read_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleConnectionFailure, match="nested too deeply"):
        connection(monkeypatch)._checked(b'{"a":' * 200000 + b"1" + b"}" * 200000)
