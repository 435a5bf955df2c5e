# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the role behind each feature, reads its manifest and computes its digest, on the controller.

A feature is a role with a manifest, meta/phoenix_feature.yml. docs/features.md describes both for their authors.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import digest as core_digest
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import features as core
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu.servers import Server
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema.known import key_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features import arguments, role_digests
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.contained import (
    folder_of,
    is_below,
    links_out,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_errors import (
    MANIFEST,
    FeatureError,
    FeatureLacksError,
    UnknownFeatureError,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept.valid import KeptKnown
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import controller

HOME = "phoenix.hypervisor"

Template = Callable[[Any], Any]


@dataclass(frozen=True)
class Search:
    """Where a plain feature name is looked for, after the collection's own roles."""

    collections: tuple[str, ...] = ()
    """Collections, as namespace.name."""
    roles_paths: tuple[str, ...] = ()
    """Folders that hold roles."""


@dataclass(frozen=True)
class Feature:
    """A feature's role as it lies on disk."""

    name: str
    role: str
    """What include_role takes: a fully qualified name, or the path of a role outside collections."""
    path: str
    files: str
    options: Mapping[str, bool]
    """Variable to whether it is secret."""
    spec: Mapping[str, Any]
    """What its argument_specs say of them."""
    defaults: Mapping[str, Any]
    manifest: Mapping[str, Any]


def search_places(variables: Mapping[str, Any], folders: Iterable[str] = ()) -> Search:
    """Return where to look: the collections of the variable phoenix_feature_collections, then `roles` in each of
    `folders` (the playbook's, the configuration's), then Ansible's configured roles paths.
    """
    collections = variables.get("phoenix_feature_collections") or ()
    if isinstance(collections, str):
        collections = [part.strip() for part in collections.split(",")]
    roles = [os.path.join(os.path.abspath(folder), "roles") for folder in folders if folder]
    paths = dict.fromkeys([*roles, *(constants.DEFAULT_ROLES_PATH or ())])
    return Search(tuple(str(name) for name in collections if name), tuple(str(path) for path in paths))


def find_feature(name: str, search: Search = Search()) -> Feature:
    """Return the feature called `name`. Raises FeatureError when there is none, or its manifest is faulty."""
    return _load(name, search)


def check_features(own: Sequence[str], search: Search = Search(), inherited: Sequence[str] = ()) -> list[str]:
    """Return every error of a container's feature list, each as one text; an empty list when it is fine.

    inherited: the features of its clone source, lowest first, which count as lying under its own.
    """
    errors, found = _find_all(core.stack(inherited, own), search)
    requires = {name: feature.manifest.get("requires", ()) for name, feature in found.items()}
    return [*errors, *core.duplicate_errors(own), *core.order_errors(core.stack(inherited, own), requires)]


def feature_set(
    names: Sequence[str],
    variables: Mapping[str, Any],
    template: Template | None = None,
    key: bytes = b"",
    search: Search = Search(),
    inherited: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return what is to be applied in one container, lowest first, each with the digest of what would produce it.

    names: its own list; variables: its host variables, not yet templated; template: turns a value that holds templates
    into its result (Templar.template); key: for the HMAC of secrets; inherited: the features of its clone source.

    Each entry has name, role (for include_role), path, digest, components (for explain), requires, container, check,
    network, packages, services, layer (whether a layer may have it, which none with a secret may), listed (False for a
    feature that only the clone source names), and judged (whether its role need not judge its arguments again). Raises
    FeatureError.
    """
    whole = core.stack(inherited, names)
    if errors := check_features(names, search, inherited):
        raise FeatureError(errors)
    result: list[dict[str, Any]] = []
    under: list[tuple[str, str]] = []
    for name in whole:
        feature = _load(name, search)
        later = _from_node(feature)
        try:
            values, secrets = arguments.values_of(feature.options, feature.defaults, later, variables, template)
            parts = core_digest.components(feature.files, values, secrets, key, under)
        except (ValueError, TypeError, AnsibleError) as error:
            raise FeatureError([f"feature {name}: {error}"]) from None
        judged = bool(template) and name in names and arguments.judge(name, feature.spec, values, secrets, later)
        digest = core_digest.digest(parts)
        under.append((name, digest))
        result.append(
            {
                "name": name,
                "role": feature.role,
                "path": feature.path,
                "digest": digest,
                "components": parts,
                "requires": list(feature.manifest.get("requires", ())),
                "container": core.merge_container_needs([feature.manifest]),
                "check": dict(feature.manifest.get("check", {})),
                "network": bool(feature.manifest.get("network", False)),
                "packages": core.packages(feature.manifest.get("packages", {}), values),
                "services": list(feature.manifest.get("services", ())),
                "layer": bool(feature.manifest.get("layer", True)) and not secrets,
                "listed": name in names,
                "judged": judged,
            }
        )
    return result


def container_needs(names: Sequence[str], search: Search = Search(), inherited: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a container's features need of its host side: {features: {flag: bool}, devices: [..]}.

    Unknown names are left out here; check_features reports them.
    """
    _errors, found = _find_all(core.stack(inherited, names), search)
    return core.merge_container_needs(feature.manifest for feature in found.values())


def servers(names: Iterable[str], search: Search = Search()) -> tuple[Server, ...]:
    """Return the servers that this collection's features and the named ones bring, each once.

    Features that can't be used are left out; check_features reports them.
    """
    _errors, found = _find_all(dict.fromkeys(names), search)
    declared = [*_own_servers(), *(feature.manifest.get("server") for feature in found.values())]
    return tuple(dict.fromkeys(Server.from_manifest(item) for item in declared if item))


def keys(names: Iterable[str], search: Search = Search()) -> dict[str, dict[str, Any]]:
    """Return the keys of a container's entry that these features read, each with the JSON Schema of its value.

    Features that can't be used are left out; check_features reports them.
    """
    _errors, found = _find_all(dict.fromkeys(names), search)
    return {key: dict(schema) for feature in found.values() for key, schema in feature.manifest.get("keys", {}).items()}


@functools.cache
def _own_servers() -> tuple[Mapping[str, Any], ...]:
    """Return what the manifests of the collection's own features declare. Nothing else of their roles is read."""
    loader, folder = DataLoader(), _collection_roles(HOME)
    found = []
    for name in known_features():
        path = os.path.join(folder, name)
        try:
            with open(role_digests.first_file(path, MANIFEST), "rb") as file:
                if b"server" not in file.read():
                    continue  # as most: it need not be taken apart
            found.append(_manifest(loader, name, path, required=True).get("server"))
        except (FeatureError, AnsibleError, OSError):
            continue
    return tuple(item for item in found if item)


def known_features(search: Search = Search()) -> list[str]:
    """Return the names of all roles with a manifest in the places searched."""
    names: set[str] = set()
    for folder in [*(_collection_roles(name) for name in (HOME, *search.collections)), *search.roles_paths]:
        if folder and os.path.isdir(folder):
            roles = ((name, os.path.join(folder, name)) for name in os.listdir(folder))
            names.update(name for name, path in roles if role_digests.first_file(path, MANIFEST))
    return sorted(names)


def forget() -> None:
    """Forget what was read from disk. For tests; a run reads every role once."""
    _load.cache_clear()
    _read.cache_clear()
    _own_servers.cache_clear()
    role_digests.role_files_hash.cache_clear()


def _find_all(names: Iterable[str], search: Search) -> tuple[list[str], dict[str, Feature]]:
    errors: list[str] = []
    found: dict[str, Feature] = {}
    for name in names:
        try:
            found[name] = _load(name, search)
        except FeatureError as error:
            errors.extend(error.errors)
    return errors, found


@functools.cache
def _load(name: str, search: Search) -> Feature:
    if problem := core.name_error(name):
        raise FeatureError([f"feature: {problem}"])
    return _read(name, *_locate(name, search))


# Not by the places searched: a task's process has read what the process has that it was forked from.
@functools.cache
def _read(name: str, role: str, path: str) -> Feature:
    if escapes := [f"feature {name}: {_escape(link, target, path)}" for link, target in links_out(path)]:
        raise FeatureError(escapes)
    loader = DataLoader()
    try:
        manifest = _manifest(loader, name, path, required=role == f"{HOME}.{name}")
        defaults = role_digests.role_defaults(loader, path)
        spec = role_digests.role_spec(loader, path)
        files = role_digests.role_files_hash(path)
    except (AnsibleError, OSError) as error:
        raise FeatureError([f"feature {name}: can't read its role in {path}: {error}"]) from None
    # What this collection's own roles need is checked for the whole run.
    home = "" if os.path.isabs(role) else ".".join(role.split(".")[:2])
    if home != HOME and (lacks := controller.lacking_for_role(path, home)):
        raise FeatureLacksError(name, lacks)
    options = {**role_digests.role_options(spec, defaults), **dict.fromkeys(manifest.get("secrets", ()), True)}
    return Feature(name, role, path, files, options, spec or {}, defaults, manifest)


def _locate(name: str, search: Search) -> tuple[str, str]:
    """Return (role for include_role, its folder). Raises FeatureError with the places searched."""
    places: list[tuple[str, str]] = []
    if "." in name:
        namespace, collection, role = name.split(".", 2)
        places.append((name, os.path.join(_collection_roles(f"{namespace}.{collection}"), role.replace(".", "/"))))
    else:
        found = (HOME, *search.collections)
        places.extend((f"{each}.{name}", os.path.join(_collection_roles(each), name)) for each in found)
        places.extend((os.path.join(folder, name), os.path.join(folder, name)) for folder in search.roles_paths)
    for role, path in places:
        if os.path.isabs(path) and os.path.isdir(path):
            folder = folder_of(path, "/".join(name.split(".")[2:]) or name)
            if not is_below(path, folder):
                raise FeatureError([f"feature {name}: {_escape(path, os.path.realpath(path), folder)}"])
            return role, path
    raise UnknownFeatureError(name, [role for role, _path in places], known_features(search))


def _escape(link: str, target: str, folder: str) -> str:
    return f"{link} leads to {target}, outside of the folder {folder}. Put the files themselves there, not a link"


def _collection_roles(collection: str) -> str:
    """Return the roles folder of a collection, or an empty text when it is not installed."""
    if collection.count(".") != 1:
        return ""
    try:
        package = importlib.import_module(f"ansible_collections.{collection}")
    except ImportError:
        return ""
    return os.path.join(next(iter(package.__path__)), "roles")


def _manifest(loader: DataLoader, name: str, path: str, required: bool) -> dict[str, Any]:
    """Return the manifest of the role at `path`; {} for a foreign role without one."""
    file = role_digests.first_file(path, MANIFEST)
    if not file:
        if required:
            raise FeatureError([f"feature {name}: role {path} is not a feature, it has no {MANIFEST}.yml"])
        return {}
    manifest = role_digests.load_yaml(loader, file)
    manifest = {} if manifest is None else manifest
    known, key = KeptKnown(), key_of("manifest", name, manifest, _schema())
    if key and known.has(key):
        return manifest
    errors = _validator().iter_errors(manifest)
    if errors := sorted(errors, key=lambda error: [str(part) for part in error.absolute_path]):
        raise FeatureError([f"feature {name}: {file}: {_schema_text(error)}" for error in errors])
    faults = [*_unknown_words(manifest.get("container") or {}), *_faulty_keys(name, manifest.get("keys") or {})]
    if faults:
        raise FeatureError([f"feature {name}: {file}: {text}" for text in faults])
    if key:
        known.add(key)
    return manifest


def _unknown_words(container: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the words that stand for something of a GPU vendor."""
    # Only here: a manifest that is known needs no vendors.
    from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.gpu import vendors

    for place, words, known in (
        ("/container/devices", container.get("devices") or (), vendors.classes()),
        ("/container/optional_devices", container.get("optional_devices") or (), vendors.classes()),
        ("/container/facts", (container.get("facts") or {}).values(), vendors.facts()),
    ):
        for word in words:
            if word not in known and not word.startswith("/"):
                yield f"{place}: {word!r} is not known, known are {', '.join(sorted(known))}"


def _faulty_keys(name: str, keys: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the keys that a manifest adds to the entry of a container."""
    prefix = f"{name.rpartition('.')[2]}_"
    for key, schema in keys.items():
        if not key.startswith(prefix):
            yield f"/keys/{key}: expected a name that begins with {prefix}"
        if '"$ref"' in json.dumps(schema):
            yield f"/keys/{key}: $ref is not supported; write the schema out"
        for error in _schema_validator().iter_errors(schema):
            yield f"/keys/{key}: not a JSON Schema: {error.message}"


@functools.cache
def _schema() -> Any:
    """Return the JSON Schema of manifests."""
    with open(os.path.join(os.path.dirname(__file__), "schemas", "phoenix_feature.json"), encoding="utf-8") as file:
        return json.load(file)


@functools.cache
def _validator() -> Any:
    """Return the validator of manifests. jsonschema is loaded only here: it takes 0.1 s."""
    try:
        import jsonschema
    except ImportError:
        text = "features' manifests are checked with the Python package jsonschema, which is missing on the controller"
        raise FeatureError([text]) from None
    return jsonschema.Draft202012Validator(_schema())


@functools.cache
def _schema_validator() -> Any:
    """Return the validator of JSON Schemas themselves, with their patterns."""
    kind = type(_validator())
    return kind(kind.META_SCHEMA, format_checker=kind.FORMAT_CHECKER)


def _schema_text(error: Any) -> str:
    pointer = "".join(f"/{part}" for part in error.absolute_path) or "/"
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = {name: core.nearest(str(name), known) for name in error.instance if name not in known}
        texts = [
            f"{name!r} is not known, " + (f"the nearest known is {like}" if like else f"known are {', '.join(known)}")
            for name, like in unknown.items()
        ]
        return f"{pointer}: {'; '.join(texts)}"
    return f"{pointer}: {error.message}"


def _from_node(feature: Feature) -> Mapping[str, str]:
    """Return the variables of a feature that the node puts in."""
    found: Mapping[str, str] = feature.manifest.get("container", {}).get("facts", {})
    return found
