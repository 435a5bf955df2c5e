# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of the files: no host variable holds one, and the task that needs one reads it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.redaction import redacted
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.validation import (
    read_containers,
    read_hypervisor,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.schema_files import load_schema
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.files.secret_values import revealed
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import is_secret
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host.hostshape import host_config
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import parse

SCHEMA = load_schema("hypervisor_config")
SOURCE = """
plugin: phoenix.hypervisor.phoenix
lxc_config: lxc.json
hypervisor_config: host.json
nodes: {pve: {ansible_host: 192.0.2.10}}
"""
HASH = "$6$CANARYsalt$CANARYhash"
HOST: dict[str, Any] = {
    "users": [
        {"username": "alice", "password_hash": HASH + "A"},
        {"username": "bob", "password_hash": "NOT_SET"},
        {"username": "carol", "password_hash": HASH + "C"},
    ],
    "pve": {"users": [{"userid": "ann@pve", "password": "CANARYpveuser"}]},
    "samba": {"users": [{"name": "sam", "password": "CANARYsamba"}], "shares": []},
    "storage": [
        {"id": "nas", "type": "cifs", "server": "192.0.2.9", "share": "a", "username": "u", "password": "CANARYcifs"}
    ],
    "docker": {"registry_password": "CANARYregistry", "image": "portainer"},
}
PLACES = [
    ("users", 0, "password_hash"),
    ("users", 2, "password_hash"),
    ("pve", "users", 0, "password"),
    ("samba", "users", 0, "password"),
    ("storage", 0, "password"),
    ("docker", "registry_password"),
]
# A token's name, user and file are none.
NO_SECRETS = {
    "hypervisor_config": {
        ("pve", "api_token"),
        ("pve", "api_token", "tokenid"),
        ("pve", "acls", "token"),
        ("users", "sudo_nopasswd"),
    },
    "phoenix_lxc_configs": {("gpu_passthrough",), ("device_passthrough",)},
}


def properties(piece: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every key that a schema describes."""
    if isinstance(piece, Mapping):
        for name, item in piece.items():
            if name == "properties":
                for key, below in item.items():
                    yield (*path, key), below
                    yield from properties(below, (*path, key))
            else:
                yield from properties(item, path)
    elif isinstance(piece, list):
        for item in piece:
            yield from properties(item, path)


@pytest.mark.parametrize("kind", ["hypervisor_config", "phoenix_lxc_configs"])
def test_every_key_that_is_called_like_a_secret_is_marked(kind: str) -> None:
    """A new key for a password can't be forgotten."""
    called = {
        path: piece
        for path, piece in properties(load_schema(kind))
        if isinstance(piece, Mapping) and is_secret(path[-1:], "")
    }
    assert {path for path, piece in called.items() if piece.get("writeOnly") is not True} == NO_SECRETS[kind]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """The value at a path."""
    for part in path:
        value = value[part]
    return value


@pytest.fixture
def document() -> dict[str, Any]:
    """The host's file as the inventory plugin reads it."""
    return read_hypervisor(parse(json.dumps(HOST).encode()), SCHEMA)


def test_secrets_become_references(document: dict[str, Any]) -> None:
    """Each secret is replaced, and nothing else."""
    found = redacted(document, "hypervisor_config", SCHEMA)
    assert "CANARY" not in json.dumps(found)
    for path in PLACES:
        assert at(found, path)["phoenix_secret"]["pointer"] == "/" + "/".join(map(str, path))
    assert found["users"][1]["password_hash"] == "NOT_SET"
    assert found["docker"]["image"] == "portainer"
    assert found["storage"][0]["username"] == "u"


def test_of_an_encrypted_file_no_value_is_shown_that_nothing_reads(document: dict[str, Any]) -> None:
    """Free-form parts may hold anything; whoever encrypts the file means them too."""
    document["behavior"] = {"note": "hunter2", "on": True}
    found = redacted(document, "hypervisor_config", SCHEMA, hidden=True)
    assert "hunter2" not in json.dumps(found)
    assert found["behavior"]["on"] is True


def test_roles_read_the_redacted_file(document: dict[str, Any]) -> None:
    """Who has a password is known without it."""
    found = host_config(redacted(document, "hypervisor_config", SCHEMA))
    assert [item["has_password"] for item in found["users"]] == [True, False, True]
    assert "CANARY" not in json.dumps(found)


COMMAND = "curl -fsS http://127.0.0.1/health"
TOKEN_COMMAND = "curl -H 'Authorization: Bearer token: CANARYhealth' http://127.0.0.1/"


def lxc(command: str) -> bytes:
    """A containers' file whose health check is inherited by one of two."""
    one = {"name": "a", "template": "local:vztmpl/debian.tar.zst"}
    two = {**one, "name": "b", "health_check": {"command": COMMAND}}
    whole = {"lxc_defaults": {"health_check": {"command": command}}, "lxc_configs": {"950": one, "951": two}}
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("command", "hidden", "expected"),
    [(COMMAND, False, [False, False]), (TOKEN_COMMAND, False, [True, False]), (COMMAND, True, [True, True])],
)
def test_free_text_of_containers(tmp_path: Path, command: str, hidden: bool, expected: list[bool]) -> None:
    """A command is replaced when it looks like a secret, or when the file is encrypted; the task reads it."""
    schema = load_schema("phoenix_lxc_configs")
    whole = read_containers(parse(lxc(command)), schema)
    configs = redacted(whole, "phoenix_lxc_configs", schema, hidden)["lxc_configs"]
    checks = [configs[ctid]["health_check"] for ctid in ("950", "951")]
    assert ["phoenix_secret" in check["command"] for check in checks] == expected
    assert "CANARY" not in json.dumps(configs)
    assert {key: value for key, value in configs["950"].items() if key != "health_check"} == {
        key: value for key, value in whole["lxc_configs"]["950"].items() if key != "health_check"
    }
    file = tmp_path / "lxc.json"
    file.write_bytes(lxc(command))
    here = {"phoenix_config_files": {"phoenix_lxc_configs": str(file)}}
    assert revealed(checks, DataLoader(), here) == [{"command": command}, {"command": COMMAND}]


def variables(path: Path, **more: Any) -> dict[str, Any]:
    """What a task knows of the files."""
    return {"phoenix_config_files": {"hypervisor_config": str(path)}, **more}


@pytest.mark.parametrize("vaulted", [False, True])
def test_a_task_reads_its_secrets(tmp_path: Path, document: dict[str, Any], vaulted: bool) -> None:
    """From the file, encrypted or not."""
    loader, file, text = DataLoader(), tmp_path / "host.json", json.dumps(HOST).encode()
    if vaulted:
        secret = VaultSecret(b"opensesame")
        loader.set_vault_secrets([("default", secret)])
        text = VaultLib([("default", secret)]).encrypt(text, secret)
    file.write_bytes(text)
    shape = host_config(redacted(document, "hypervisor_config", SCHEMA))
    options = {"hashes": shape["password_hashes"], "passwords": shape["pve"]["passwords"], "plain": [1]}
    assert revealed(options, loader, variables(file)) == {
        "hashes": {"alice": HASH + "A", "carol": HASH + "C"},
        "passwords": {"ann@pve": "CANARYpveuser"},
        "plain": [1],
    }


def test_without_references_no_file_is_read() -> None:
    """A role that is given its configuration as a variable needs no file."""
    options = {"passwords": {"sam": "given"}}
    assert revealed(options, None, {}) is options


def test_the_file_is_found_below_another_project(tmp_path: Path, document: dict[str, Any]) -> None:
    """AWX makes the inventory in another job, whose project lay elsewhere."""
    project = tmp_path / "project"
    (project / "inventory").mkdir(parents=True)
    (project / "inventory" / "host.json").write_text(json.dumps(HOST))
    given = redacted(document, "hypervisor_config", SCHEMA)["samba"]
    here = variables(Path("/runner/gone/inventory/host.json"), playbook_dir=str(project / "playbooks"))
    assert revealed(given, DataLoader(), here)["users"][0]["password"] == "CANARYsamba"


def fault(value: Any, file: Path, text: Any, **more: Any) -> str:
    """The error of a task whose file is `text` now."""
    if text is not None:
        file.write_text(text if isinstance(text, str) else json.dumps(text))
    with pytest.raises(AnsibleActionFail) as caught:
        revealed(value, DataLoader(), more or variables(file))
    return str(caught.value)


def test_a_file_that_changed_since_gives_nobody_else_s_secret(tmp_path: Path, document: dict[str, Any]) -> None:
    """An entry that moved is noticed by whose it is."""
    given = redacted(document, "hypervisor_config", SCHEMA)["users"]
    text = fault(given, tmp_path / "host.json", {**HOST, "users": HOST["users"][2:]})
    assert "/users/0/password_hash: the file has no value of 'alice' there any more" in text
    assert "Update the inventory" in text
    assert "CANARY" not in text


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "no such file on this controller"), ("$ANSIBLE_VAULT;1.1;AES256\n3031\n", "can't be read for the secrets")],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, document: dict[str, Any], text: str | None, words: str
) -> None:
    """With what to do about it."""
    given = redacted(document, "hypervisor_config", SCHEMA)["samba"]
    found = fault(given, tmp_path / "host.json", text)
    assert words in found
    assert str(tmp_path / "host.json") in found


def test_without_the_inventory_s_variable_the_task_says_so(tmp_path: Path, document: dict[str, Any]) -> None:
    """A reference alone is no path."""
    given = redacted(document, "hypervisor_config", SCHEMA)["samba"]
    assert "phoenix_config_files names no hypervisor_config" in fault(given, tmp_path / "x", None, unrelated=1)


@pytest.mark.parametrize("vaulted", [False, True])
@pytest.mark.parametrize(
    "arguments", [["--list"], ["--list", "--export"], ["--host", "pve"], ["--graph", "--vars"], ["--list", "-vvv"]]
)
def test_the_inventory_command_shows_no_secret(tmp_path: Path, arguments: list[str], vaulted: bool) -> None:
    """AWX stores this output."""
    (tmp_path / "phoenix.yml").write_text(SOURCE)
    secret = VaultSecret(b"opensesame")
    for name, text in (("lxc.json", lxc(TOKEN_COMMAND)), ("host.json", json.dumps(HOST).encode())):
        (tmp_path / name).write_bytes(VaultLib([("default", secret)]).encrypt(text, secret) if vaulted else text)
    (tmp_path / "password").write_text("opensesame")
    command = ["ansible-inventory", "-i", str(tmp_path / "phoenix.yml"), *arguments]
    environment = {**os.environ, "ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "password")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "pve" in done.stdout
    assert "phoenix_secret" in done.stdout
    assert "CANARY" not in done.stdout + done.stderr
