# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of a feature's variables, judged by the argument_specs of its role before anything is touched.

Ansible judges them in a task of the role: in a container that has been created and has got Python by then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema.known import key_of
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.feature_errors import FeatureError
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.features.role_digests import (
    effective_value,
    is_template,
)

HIDDEN = "(not shown)"
_right: set[str] = set()


def values_of(
    options: Mapping[str, bool],
    defaults: Mapping[str, Any],
    later: Collection[str],
    variables: Mapping[str, Any],
    template: Callable[[Any], Any] | None,
) -> tuple[dict[str, Any], set[str]]:
    """Return the values of a feature's variables in one container, and the names of those that are secret.

    options: the variables, each with whether it is declared secret; later: those that the node puts in. A variable
    without any value is not among them.
    """
    values: dict[str, Any] = {}
    secrets: set[str] = set()
    for name, secret in options.items():
        if name in later:
            continue
        if name in variables:
            raw = variables[name]
        elif name in defaults:
            raw = defaults[name]
        else:
            continue
        values[name], vaulted = effective_value(raw, template)
        if (secret or vaulted) and values[name] not in (None, "", {}, []):
            secrets.add(name)
    return values, secrets


def judge(
    name: str,
    spec: Mapping[str, Any],
    values: Mapping[str, Any],
    secrets: Collection[str] = (),
    later: Collection[str] = (),
) -> bool:
    """Return whether all values of the feature `name` are known now, and right. Raises FeatureError with what is wrong.

    secrets: variables whose values no text may show; later: those that get their values while the run works, which the
    task of the role judges then, with all others.
    """
    lacking = [option for option, one in spec.items() if _is_required(one) and option not in values]
    if lacking or not spec.keys().isdisjoint(later) or is_template(spec):
        return False
    given = {option: values[option] for option in spec if option in values}
    key = key_of(name, spec, given)  # the containers of a fleet have much the same values
    if not key or key not in _right:
        found = ArgumentSpecValidator(spec).validate(given, validate_role_argument_spec=True).error_messages
        if found:
            hidden = {text for option in secrets for text in _texts(values.get(option))}
            raise FeatureError([f"feature {name}: {_without(text, hidden)}" for text in found])
        _right.add(key)
    return True


def _is_required(option: Any) -> bool:
    return isinstance(option, Mapping) and bool(option.get("required"))


def _texts(value: Any) -> Iterator[str]:
    """Yield the plain values in a value, as texts."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
    elif value not in (None, "", True, False):
        yield str(value)


def _without(text: str, hidden: Collection[str]) -> str:
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text
