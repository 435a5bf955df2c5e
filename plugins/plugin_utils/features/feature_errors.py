# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a feature can't be used, as values."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import features as core
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import controller

MANIFEST = "meta/phoenix_feature"


class FeatureError(ValueError):
    """One or more features can't be used; `errors` holds one text for each reason."""

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = list(errors)
        super().__init__("\n".join(self.errors))


class UnknownFeatureError(FeatureError):
    """No role has the feature's name.

    Attributes:
        looked: the roles that were searched for.
        known: the features that there are.
        remedy: how to add one of this name.
    """

    def __init__(self, name: str, looked: Sequence[str], known: Sequence[str]) -> None:
        self.looked, self.known = list(looked), list(known)
        if "." in name:
            self.remedy = f"install the collection that has the role {name}."
        else:
            self.remedy = (
                f"a role in roles/{name} beside the configuration, with a manifest in {MANIFEST}.yml, or its "
                "collection in feature_collections of the inventory source."
            )
        like = core.nearest(name, known)
        hint = f"; the nearest known one is {like}" if like else ""
        text = (
            f"feature {name}: unknown feature (looked for the roles {', '.join(looked)}){hint}. Known are "
            f"{', '.join(known)}. To add it: {self.remedy}"
        )
        super().__init__([text])


class FeatureLacksError(FeatureError):
    """The controller lacks what a feature's role needs; `lacks` holds it."""

    def __init__(self, name: str, lacks: Sequence[controller.Lack]) -> None:
        self.lacks = list(lacks)
        super().__init__([f"feature {name}: {lack}" for lack in lacks])
