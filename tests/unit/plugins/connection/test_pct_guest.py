# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin over SSH into the container itself; a program of the test stands for ssh and the guest."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote import sshwords

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostKey"
# Notes its arguments, and runs the last one as the login shell of a guest would.
SSH = """#!/bin/sh
printf '%s\\n' "$@" >>{folder}/arguments
[ ! -e {folder}/refuses ] || {{ cat {folder}/refuses >&2; exit 255; }}
for last; do :; done
exec /bin/sh -c "$last"
"""


class Guest:
    """A guest, and the plugin to it."""

    def __init__(self, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setenv("ANSIBLE_SSH_CONTROL_PATH_DIR", str(folder))
        home = constants.config.get_config_value
        monkeypatch.setattr(
            constants.config,
            "get_config_value",
            lambda name, *more, **words: str(folder) if name == "ANSIBLE_HOME" else home(name, *more, **words),
        )
        self.place = folder / "phoenix_hypervisor" / "guests" / "pve-1-950"
        self.place.parent.mkdir(parents=True)
        self.place.write_text(sshwords.place_text(950, "192.0.2.5", KEY), encoding="ascii")
        self.program = folder / "ssh"
        self.program.write_text(SSH.format(folder=folder), encoding="ascii")
        self.program.chmod(0o755)

    def connection(self, **variables: t.Any) -> t.Any:
        plugin = connection_loader.get("phoenix.hypervisor.pct", PlayContext())
        values = {
            "phoenix_ctid": 950,
            "phoenix_node": "pve",
            "inventory_hostname": "950",
            "phoenix_pct_transport": "guest",
            "phoenix_guest_ssh": {"ident": "pve-1", "port": 22},
            "ansible_ssh_executable": str(self.program),
            "ansible_user": "root",
            **variables,
        }
        plugin.set_options(var_options=values)
        return plugin

    def arguments(self) -> list[str]:
        return (self.folder / "arguments").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def guest(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Guest:
    return Guest(tmp_path, monkeypatch)


@pytest.mark.parametrize("rc", [0, 1, 254])
def test_exit_codes_and_streams(guest: Guest, rc: int) -> None:
    found = guest.connection().exec_command(f"echo out; echo err >&2; exit {rc}")
    assert found == (rc, b"out\n", b"err\n")


def test_input_reaches_the_command(guest: Guest) -> None:
    assert guest.connection().exec_command("cat", in_data=b"x" * 300_000)[1] == b"x" * 300_000
    assert guest.connection().exec_command("cat")[1] == b""


def test_the_environment_is_clean(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "1")
    out = guest.connection().exec_command("env; echo $0 'a b'")[1].decode()
    assert "CANARY" not in out
    assert "HOME=/root" in out
    assert "'" not in out.splitlines()[-1]


def test_no_setting_of_the_user_outranks_who_answers(guest: Guest) -> None:
    loose = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    variables = {"ansible_ssh_args": loose, "ansible_ssh_common_args": loose, "ansible_host_key_checking": False}
    guest.connection(**variables).exec_command("true")
    given = guest.arguments()
    # What stands first counts.
    checking = [word for word in given if word.startswith("StrictHostKeyChecking=")]
    files = [word for word in given if word.startswith("UserKnownHostsFile=")]
    assert (checking[0], files[0]) == ("StrictHostKeyChecking=yes", f"UserKnownHostsFile={guest.place}")
    assert "HostKeyAlias=phoenix-950" in given
    assert "192.0.2.5" in given


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Host key verification failed.", "answers with another SSH host key"),
        ("root@192.0.2.5: Permission denied (publickey).", "does not accept the key"),
        ("connect to host 192.0.2.5 port 22: Connection refused", "has no SSH server"),
    ],
)
def test_who_lets_nobody_in_is_unreachable(guest: Guest, said: str, words: str) -> None:
    (guest.folder / "refuses").write_text(said + "\n", encoding="ascii")
    with pytest.raises(AnsibleConnectionFailure, match=words):
        guest.connection().exec_command("true")


def test_a_container_that_nobody_has_looked_at_is_unreachable(guest: Guest) -> None:
    guest.place.write_text(sshwords.place_text(950, "192.0.2.5", None), encoding="ascii")
    with pytest.raises(AnsibleConnectionFailure, match="not known to this controller yet"):
        guest.connection().exec_command("true")
    guest.place.unlink()
    guest.place.symlink_to("/etc/hostname")
    with pytest.raises(AnsibleConnectionFailure, match="pve-1-950"):
        guest.connection().exec_command("true")
    assert not (guest.folder / "arguments").exists()


def test_a_flood_and_a_command_without_end_are_ended(guest: Guest) -> None:
    with pytest.raises(AnsibleError, match="wrote more than 1 MiB"):
        guest.connection(phoenix_output_limit_mb=1).exec_command("head -c 9000000 /dev/zero; sleep 60")
    with pytest.raises(AnsibleError, match="wrote more than 1 MiB"):
        guest.connection(phoenix_output_limit_mb=1).exec_command("head -c 9000000 /dev/zero >&2; sleep 60")
    with pytest.raises(AnsibleError, match="did not end within 1 s"):
        guest.connection(phoenix_command_timeout=1).exec_command("sleep 60")


def test_what_a_container_must_not_say_is_left_out(guest: Guest) -> None:
    answer = json.dumps({"changed": False, "ansible_facts": {"phoenix_node": "other"}, "add_host": {}})
    rc, out, _err = guest.connection().exec_command(f"echo '{answer}'")
    assert (rc, json.loads(out)) == (0, {"ansible_facts": {}, "changed": False})


def test_files_are_piped_through_a_command(guest: Guest, tmp_path: pathlib.Path) -> None:
    source, inside, back = (tmp_path / name for name in ("source", "in side", "back"))
    source.write_bytes(b"\0binary" * 1000)
    plugin = guest.connection()
    plugin.put_file(str(source), str(inside))
    plugin.fetch_file(str(inside), str(back))
    assert back.read_bytes() == source.read_bytes()
