# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles on disk, outside and inside collections."""

from __future__ import annotations

import os
import time

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible.template import Templar

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.digest import explain
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import manifests

KEY = b"key"


class Roles:
    """A folder of roles for one test."""

    def __init__(self, folder):
        self.folder = folder
        self.search = manifests.Search(roles_paths=(str(folder),))

    def write(self, path, text=""):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        manifests.forget()
        return file

    def add(self, name, manifest="{}", defaults="", options=""):
        self.write(f"{name}/tasks/main.yml", "---\n")
        self.write(f"{name}/meta/phoenix_feature.yml", manifest)
        self.write(f"{name}/defaults/main.yml", defaults)
        if options:
            self.write(f"{name}/meta/argument_specs.yml", f"argument_specs: {{main: {{options: {options}}}}}")

    def set(self, names, variables=None, **more):
        return manifests.feature_set(names, variables or {}, key=KEY, search=self.search, **more)

    def one(self, name, **variables):
        return self.set([name], variables)[0]


@pytest.fixture
def roles(tmp_path):
    manifests.forget()
    yield Roles(tmp_path)
    manifests.forget()


def test_the_collections_own_feature_by_both_names():
    plain, full = (manifests.find_feature(name) for name in ("base_setup", "phoenix.hypervisor.base_setup"))
    assert plain.role == full.role == "phoenix.hypervisor.base_setup"
    assert plain.files == full.files
    assert "base_setup_packages" in plain.options
    assert os.path.isdir(plain.path)


@pytest.mark.parametrize("name", ["base_setup", "docker", "ollama", "step_cli", "trusted_ca"])
def test_every_variable_has_a_default(name):
    feature = manifests.find_feature(name)
    assert set(feature.options) == set(feature.defaults)


def test_a_plain_role_is_given_by_its_path(roles, tmp_path):
    roles.add("acme")
    assert roles.one("acme")["role"] == str(tmp_path / "acme")


def test_somebody_elses_role_needs_no_manifest(roles):
    roles.write("acme/tasks/main.yml")
    roles.write("acme/defaults/main.yml", "acme_a: 1")
    entry = roles.one("acme")
    assert entry["requires"] == []
    assert list(entry["components"]["variables"]) == ["acme_a"]


def test_unknown_feature_names_places_and_nearest(roles, tmp_path):
    with pytest.raises(manifests.FeatureError) as caught:
        manifests.feature_set(["base_setpu"], {}, search=manifests.Search(("acme.tools",), (str(tmp_path),)))
    text = str(caught.value)
    for part in ("phoenix.hypervisor.base_setpu", "acme.tools.base_setpu", str(tmp_path / "base_setpu")):
        assert part in text
    assert "nearest known one is base_setup" in text
    known = ", ".join(manifests.known_features(manifests.Search(("acme.tools",), (str(tmp_path),))))
    assert f"Known are {known}." in text
    assert "a role in roles/base_setpu beside the configuration, with a manifest in meta/phoenix_feature.yml" in text
    with pytest.raises(manifests.FeatureError, match=r"To add it: install the collection that has the role acme\.x\.y"):
        manifests.feature_set(["acme.x.y"], {}, search=manifests.Search())


@pytest.mark.parametrize("name", ["not.installed.role", "a.b", "../base_setup", "no such"])
def test_names_that_lead_nowhere(roles, name):
    assert len(manifests.check_features([name], roles.search)) == 1


def test_all_errors_at_once(roles):
    roles.add("top", "requires: [base]")
    roles.add("base")
    errors = manifests.check_features(["top", "base", "nobody", "base"], roles.search)
    assert [error.partition(":")[0] for error in errors] == [
        "feature nobody",
        "feature base is listed more than once",
        "feature top requires base under it",
    ]


def test_what_the_clone_source_has_counts(roles):
    roles.add("top", "requires: [base]")
    roles.add("base")
    assert manifests.check_features(["top"], roles.search)
    assert manifests.check_features(["top"], roles.search, inherited=["base"]) == []
    found = roles.set(["top"], inherited=["base"])
    assert [(entry["name"], entry["listed"]) for entry in found] == [("base", False), ("top", True)]
    assert found[1]["digest"] == roles.set(["base", "top"])[1]["digest"]


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        ("require: []", "'require' is not known, the nearest known is requires"),
        (
            "container: {features: {nestin: true}}",
            "/container/features: 'nestin' is not known, the nearest known is nesting",
        ),
        ("container: {features: {nesting: sure}}", "/container/features/nesting"),
        ("container: {devices: [/etc/passwd]}", "/container/devices/0"),
        ("container: {optional_devices: [/dev/fuse]}", "/container/optional_devices/0"),
        (
            "container: {optional_devices: [gpus]}",
            "/optional_devices: 'gpus' is not known, known are amd-gpu, gpu",
        ),
        ("services: [vllm]", "/services/0"),
        ("packages: {names: ['a;b']}", "/packages/names/0"),
        ("packages: [curl]", "/packages"),
        ("services: ['a b.service']", "/services/0"),
        ("check: {timeout: 3}", "'command' is a required property"),
        ("[]", "is not of type 'object'"),
        ("a: [", "can't read its role"),
    ],
)
def test_faulty_manifests(roles, manifest, text):
    roles.add("acme", manifest)
    (error,) = manifests.check_features(["acme"], roles.search)
    assert text in error
    assert "acme" in error


def test_manifest_is_passed_on(roles):
    roles.add(
        "acme",
        "container: {features: {nesting: true}, devices: [nvidia-gpu]}\n"
        "check: {command: 'true'}\nservices: [acme@1.service]\npackages: {names: [jq]}",
    )
    entry = roles.one("acme")
    assert entry["container"] == {"features": {"nesting": True}, "devices": ["nvidia-gpu"]}
    assert entry["check"] == {"command": "true"}
    assert entry["services"] == ["acme@1.service"]
    assert entry["packages"] == ["jq"]
    assert manifests.container_needs(["acme", "nobody"], roles.search) == entry["container"]


@pytest.mark.parametrize(
    ("name", "variables", "expected"),
    [
        ("base_setup", {}, True),
        ("docker", {}, True),
        ("trusted_ca", {}, True),
        ("step_cli", {}, True),
        ("nvidia", {}, False),
        ("ollama", {}, False),
        ("vllm", {}, False),
    ],
)
def test_which_of_our_own_features_are_in_layers(name, variables, expected):
    stack = manifests.feature_set(["base_setup", *([name] if name != "base_setup" else [])], variables)
    assert stack[-1]["layer"] is expected


def test_a_feature_with_a_secret_that_is_set_is_in_no_layer(roles):
    roles.add("acme", "secrets: [acme_token]")
    roles.write("acme/defaults/main.yml", "acme_token: ''")
    assert roles.one("acme")["layer"] is True
    assert roles.one("acme", acme_token="x")["layer"] is False


@pytest.mark.parametrize(
    ("name", "changes", "packages"),
    [
        ("base_setup", {"base_setup_extra_packages": ["jq", "vim=9*"]}, {"curl", "locales", "jq"}),
        ("docker", {}, {"docker.io", "docker-cli", "apparmor"}),
        ("docker", {"docker_source": "docker"}, set()),
    ],
)
def test_packages_of_our_own_features_come_with_python(name, changes, packages):
    stack = manifests.feature_set(["base_setup", *([name] if name != "base_setup" else [])], changes)
    found = set(stack[-1]["packages"])
    assert packages <= found
    assert bool(found) is bool(packages)
    assert "vim=9*" not in found


@pytest.mark.parametrize(
    "path", ["README.md", "docs/x.md", "tests/x.yml", "molecule/x.yml", ".cache", "tasks/main.yml~"]
)
def test_files_without_effect(roles, path):
    roles.add("acme")
    before = roles.one("acme")
    roles.write(f"acme/{path}", "changed")
    assert roles.one("acme")["digest"] == before["digest"]


@pytest.mark.parametrize("path", ["tasks/main.yml", "templates/x.j2", "files/.keep/../README", "vars/main.yml"])
def test_files_with_effect(roles, path):
    roles.add("acme")
    before = roles.one("acme")
    target = "files/data" if "README" in path else path
    roles.write(f"acme/{target}", "changed")
    after = roles.one("acme")
    assert explain(before["components"], after["components"]) == "files changed"


def test_executable_bit_counts(roles):
    roles.add("acme")
    file = roles.write("acme/files/run", "x")
    before = roles.one("acme")["digest"]
    file.chmod(0o755)
    manifests.forget()
    assert roles.one("acme")["digest"] != before


def test_declared_variables_count_and_others_do_not(roles):
    roles.add("acme", defaults="acme_a: 1\nacme_b: 2", options="{acme_a: {type: int}}")
    before = roles.one("acme")
    assert roles.one("acme", acme_a=1, acme_b=3, other=1)["digest"] == before["digest"]
    after = roles.one("acme", acme_a=2)
    assert explain(before["components"], after["components"]) == "variable acme_a changed"


def test_a_change_beneath_reaches_what_lies_above(roles):
    for name in ("base", "mid", "top"):
        roles.add(name, defaults=f"{name}_x: 1")
    before, after = (roles.set(["base", "mid", "top"], {"mid_x": value}) for value in (1, 2))
    assert [old["digest"] == new["digest"] for old, new in zip(before, after, strict=True)] == [True, False, False]
    assert explain(before[2]["components"], after[2]["components"]) == "mid under it changed"


@pytest.mark.parametrize(
    "options", ["{acme_pw: {no_log: true}}", "{acme_pw: {type: dict, options: {p: {no_log: true}}}}"]
)
def test_no_log_options_are_hashed_with_the_key(roles, options):
    roles.add("acme", options=options)
    check_secret(roles)


def test_secrets_of_the_manifest_are_hashed_with_the_key(roles):
    roles.add("acme", "secrets: [acme_pw]", options="{}")
    check_secret(roles)


def check_secret(roles):
    one, two = (
        manifests.feature_set(["acme"], {"acme_pw": "x"}, key=key, search=roles.search)[0] for key in (b"1", b"2")
    )
    assert one["digest"] != two["digest"]
    with pytest.raises(manifests.FeatureError, match="acme_pw is secret"):
        manifests.feature_set(["acme"], {"acme_pw": "x"}, search=roles.search)
    assert manifests.feature_set(["acme"], {"acme_pw": ""}, search=roles.search)


def test_defaults_and_variables_are_templated(roles):
    roles.add("acme", defaults="acme_a: '{{ base }}-x'\nacme_b: [1]")
    literal = roles.one("acme", acme_a="7-x", acme_b=[1])
    variables = {"base": 7}
    templar = Templar(loader=DataLoader(), variables=variables)
    assert roles.set(["acme"], variables, template=templar.template)[0]["digest"] == literal["digest"]


def test_a_template_that_fails_is_told_with_its_feature(roles):
    roles.add("acme", defaults="acme_a: '{{ nowhere }}'")
    templar = Templar(loader=DataLoader(), variables={})
    with pytest.raises(manifests.FeatureError, match=r"feature acme: .*nowhere"):
        roles.set(["acme"], {}, template=templar.template)


def test_vaulted_values_are_secret_by_themselves(roles):
    from ansible.parsing.vault import VaultLib

    secrets = [("default", VaultSecret(b"pw"))]
    text = VaultLib(secrets).encrypt("hidden", secrets[0][1]).decode()
    roles.add("acme", options="{acme_a: {}}")
    loader = DataLoader()
    loader.set_vault_secrets(secrets)
    indented = "\n".join("  " + line for line in text.splitlines())
    variables = loader.load(f"acme_a: !vault |\n{indented}\n", file_name="/x.yml")
    one, two = (
        manifests.feature_set(["acme"], variables, lambda value: "hidden", key, roles.search)[0] for key in (b"1", b"2")
    )
    assert one["digest"] != two["digest"]
    assert "hidden" not in str(one)


def test_many_hosts_are_quick(roles):
    for name in ("a", "b", "c", "d"):
        roles.add(name, defaults="\n".join(f"{name}_{number}: [x, y, {{z: {number}}}]" for number in range(8)))
    manifests.feature_set(["a", "b", "c", "d"], {}, key=KEY, search=roles.search)
    begun = time.process_time()
    for number in range(200):
        roles.set(["a", "b", "c", "d"], {"a_1": number})
    assert time.process_time() - begun < 1.0


def test_known_features_are_those_with_a_manifest(roles):
    roles.add("acme")
    roles.write("plain/tasks/main.yml")
    known = manifests.known_features(roles.search)
    assert "acme" in known
    assert "base_setup" in known
    assert "plain" not in known


def test_search_places():
    search = manifests.search_places({"phoenix_feature_collections": "acme.tools, x.y"}, ["/srv/play", ""])
    assert search.collections == ("acme.tools", "x.y")
    assert search.roles_paths[0] == "/srv/play/roles"
    assert manifests.search_places({"phoenix_feature_collections": ["a.b"]}).collections == ("a.b",)
