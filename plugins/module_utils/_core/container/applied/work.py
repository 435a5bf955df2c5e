# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is applied inside a container, as the controller describes it to the node: features and the application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from . import digest as digests

AnyWork = TypeVar("AnyWork", bound="Work")


@dataclass(frozen=True)
class Work:
    """What features and applications have in common: a digest, and the components that it is made of."""

    name: str
    digest: str
    components: Mapping[str, Any] = field(default_factory=dict)

    def made_of(self: AnyWork, components: Mapping[str, Any]) -> AnyWork:
        """The same with other components, and with the digest of those."""
        return replace(self, components=components, digest=digests.digest(components))

    def on_top_of(self: AnyWork, changed: Mapping[str, str]) -> AnyWork:
        """The same above features that have other digests by now: name -> digest."""
        under = self.components.get("under")
        if not under:
            return self
        pairs = [[name, changed.get(name, digest)[: digests.SHORT]] for name, digest in under]
        return self.made_of({**self.components, "under": pairs})


@dataclass(frozen=True)
class Feature(Work):
    """A feature with its manifest's needs of the container.

    ``variables`` are facts of the node, by the names of the role's variables. ``rest`` is what the play alone needs.
    """

    needs: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Feature:
        """One element of the module's ``features``."""
        known = ("name", "digest", "components", "container", "variables")
        return cls(
            name=str(given["name"]),
            digest=str(given["digest"]),
            components=given.get("components") or {},
            needs=given.get("container") or {},
            variables=given.get("variables"),
            rest={key: value for key, value in given.items() if key not in known},
        )

    def to_json(self) -> dict[str, Any]:
        """The same element; what it does not have is left out."""
        own = {"components": self.components, "container": self.needs, "variables": self.variables}
        given = {key: dict(value) for key, value in own.items() if value}
        return {**self.rest, "name": self.name, "digest": self.digest, **given}

    @property
    def flags(self) -> dict[str, str]:
        """What it demands of the container's option ``features``."""
        flags = self.needs.get("features") or {}
        return {str(key): str(int(value)) if isinstance(value, bool) else str(value) for key, value in flags.items()}

    @property
    def devices(self) -> tuple[str, ...]:
        """The classes of devices, and the paths of devices, that it needs."""
        return tuple(str(name) for name in self.needs.get("devices") or ())

    @property
    def facts(self) -> dict[str, str]:
        """Variable of its role -> the fact of the node that it gets."""
        return {str(name): str(fact) for name, fact in (self.needs.get("facts") or {}).items()}

    def with_facts(self, facts: Mapping[str, str]) -> Feature:
        """The same with the values that the node has; a fact that it has not is an empty text."""
        values = {name: facts.get(fact, "") for name, fact in self.facts.items()}
        hashes = {name: digests.value_hash(name, value) for name, value in values.items()}
        variables = {**self.components["variables"], **hashes}
        return replace(self.made_of({**self.components, "variables": variables}), variables=values)


@dataclass(frozen=True)
class Application(Work):
    """The application of a container: its script, empty for none, and whether it has a health check."""

    health: bool = False

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Application:
        """The module's ``application``."""
        name, digest = str(given.get("name") or ""), str(given.get("digest") or "")
        return cls(name, digest, given.get("components") or {}, bool(given.get("health")))

    def to_json(self) -> dict[str, Any]:
        """The same, as playbooks read it."""
        about = {"components": dict(self.components), "health": self.health}
        return {"name": self.name or None, "digest": self.digest, **about}


def features_of(given: Iterable[Mapping[str, Any]]) -> tuple[Feature, ...]:
    """The module's ``features``, lowest first."""
    return tuple(Feature.from_json(item) for item in given)
