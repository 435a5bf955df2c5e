# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the HA manager, and its rules: lists of resources that PVE 9 keeps on nodes, together or apart.

The wording and the checks are those of PVE/API2/HA/Rules.pm in the public source of pve-ha-manager.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from fakepve.model import PveError
from fakepve.server import FakePve

from .configs import STALE

_RULES = '/cluster/ha/rules'
_TYPES = {'node-affinity': ('nodes', 'strict', 'affinity'), 'resource-affinity': ('affinity',)}
_SHARED = ('resources', 'disable', 'comment')


class HaRules(FakePve):
    """Part of LabPve, below HaManager. The files lie where user.cfg does; without that folder nothing is managed."""

    def _routes_labharules(self) -> list[tuple[str, str, Any]]:
        one = _RULES + '/{rule}'
        return [
            ('GET', _RULES, self._ha_rule_list),
            ('POST', _RULES, self._ha_rule_add),
            ('GET', one, self._ha_rule_read),
            ('PUT', one, self._ha_rule_update),
            ('DELETE', one, self._ha_rule_delete),
        ]

    # ------------------------------------------------------------------ files
    def _ha_path(self, name: str) -> Path | None:
        return None if self.access_dir is None else self.access_dir / 'ha' / f'{name}.cfg'

    def ha_sections(self, name: str) -> dict[str, dict[str, str]]:
        path = self._ha_path(name)
        found: dict[str, dict[str, str]] = {}
        entry: dict[str, str] = {}
        for line in path.read_text().splitlines() if path is not None and path.exists() else ():
            if line[:1].strip():
                entry = found.setdefault(line.replace(': ', ':'), {})
            elif line.strip():
                key, _space, value = line.strip().partition(' ')
                entry[key] = value
        return found

    def ha_write(self, name: str, sections: dict[str, dict[str, str]]) -> None:
        path = self._ha_path(name)
        if path is None:
            raise PveError(500, 'this control plane keeps no files for HA')
        texts = []
        for sid, entry in sections.items():
            lines = ''.join(f'\t{key} {value}\n' for key, value in entry.items())
            texts.append(f'{sid.replace(":", ": ", 1)}\n{lines}')
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(path.name + '.new')
        temporary.write_text('\n'.join(texts))
        temporary.rename(path)

    # ------------------------------------------------------------------ rules
    def _ha_rules(self, method: str) -> dict[str, tuple[str, dict[str, str]]]:
        """Name -> (type, settings)."""
        if self.pve_version < 9:
            raise PveError(501, f"Method '{method} {_RULES}' not implemented")
        heads = ((head.partition(':'), rule) for head, rule in self.ha_sections('rules').items())
        return {name: (kind, rule) for (kind, _colon, name), rule in heads}

    def _ha_rules_write(self, rules: dict[str, tuple[str, dict[str, str]]]) -> None:
        self.ha_write('rules', {f'{kind}:{name}': rule for name, (kind, rule) in rules.items()})

    def _ha_rules_digest(self) -> str:
        path = self._ha_path('rules')
        return hashlib.sha1(path.read_bytes() if path is not None and path.exists() else b'').hexdigest()

    def _ha_rule_shown(self, name: str, kind: str, rule: dict[str, str]) -> dict[str, Any]:
        return {'rule': name, 'type': kind, 'digest': self._ha_rules_digest(), **rule}

    async def _ha_rule_list(self, v: Any, _user: str) -> list[dict[str, Any]]:
        named = v.get('resource')
        rules = self._ha_rules('GET').items()
        return [
            self._ha_rule_shown(name, kind, rule)
            for name, (kind, rule) in rules
            if v.get('type') in (None, kind) and (named is None or named in _ids(rule))
        ]

    async def _ha_rule_read(self, v: Any, _user: str) -> dict[str, Any]:
        found = self._ha_rules('GET').get(v['rule'])
        if found is None:
            raise PveError(500, f"no such ha rule '{v['rule']}'")
        return self._ha_rule_shown(v['rule'], *found)

    async def _ha_rule_add(self, v: Any, _user: str) -> None:
        rules, name, kind = self._ha_rules('POST'), v['rule'], v['type']
        if name in rules:
            raise PveError(500, f"create ha rule failed: HA rule '{name}' already defined")
        after = {**rules, name: (kind, self._ha_rule_settings(v, kind))}
        self._ha_rule_check(after, name, 'create ha rule failed')
        self._ha_rules_write(after)

    async def _ha_rule_update(self, v: Any, _user: str) -> None:
        rules, name = self._ha_rules('PUT'), v['rule']
        if v.get('digest') and v['digest'] != self._ha_rules_digest():
            raise PveError(500, f'update HA rules failed: {STALE}')
        if name not in rules:
            raise PveError(500, f"update HA rules failed: HA rule '{name}' does not exist")
        kind, rule = rules[name]
        if v.get('type') != kind:
            raise PveError(400, 'Parameter verification failed.', {'type': f"expected '{kind}'"})
        after = {**rules, name: (kind, {**rule, **self._ha_rule_settings(v, kind)})}
        self._ha_rule_check(after, name, 'update HA rules failed')
        self._ha_rules_write(after)

    async def _ha_rule_delete(self, v: Any, _user: str) -> None:
        self._ha_rules_write({name: each for name, each in self._ha_rules('DELETE').items() if name != v['rule']})

    def _ha_rule_settings(self, v: Any, kind: str) -> dict[str, str]:
        given = {key: str(v[key]) for key in (*_TYPES[kind], *_SHARED) if v.get(key) is not None}
        if 'resources' in given:
            given['resources'] = ','.join(sorted(_ids(given)))
        return given

    def _ha_rule_check(self, rules: dict[str, tuple[str, dict[str, str]]], name: str, doing: str) -> None:
        """What keeps PVE from writing a rule: resources that HA does not have, and other rules."""
        kind, rule = rules[name]
        managed = self.ha_sections('resources')
        if not _ids(rule):
            raise PveError(500, f'{doing}: no resources were specified')
        unmanaged = [sid for sid in sorted(_ids(rule)) if sid not in managed]
        if unmanaged:
            raise PveError(500, f'{doing}: cannot use unmanaged resource(s) {", ".join(unmanaged)}.')
        wrong = [
            f"resource '{sid}' is already used in another node affinity rule"
            for other, (its_kind, its) in rules.items()
            if other != name and kind == its_kind == 'node-affinity'
            for sid in sorted(_ids(rule) & _ids(its))
        ]
        if kind == 'resource-affinity':
            if len(_ids(rule)) < 2:
                wrong.append('rule is ineffective as there are less than two resources')
            against = 'negative' if rule.get('affinity') == 'positive' else 'positive'
            if any(its.get('affinity') == against and len(_ids(rule) & _ids(its)) > 1 for _kind, its in rules.values()):
                wrong.append(f'rule shares two or more resources with a {against} resource affinity rule')
        if wrong:
            # An exception of PVE that is wrapped becomes its text: the status within and the faults by parameter.
            raise PveError(500, f"{doing}: 400 Rule '{name}' is invalid.\nresources: {', '.join(wrong)}\n")

    def ha_unruled(self, sid: str) -> None:
        """The rules lose a resource, and one that has nothing else goes."""
        rules = self.ha_sections('rules')
        left = {head: {**rule, 'resources': ','.join(sorted(_ids(rule) - {sid}))} for head, rule in rules.items()}
        left = {head: rule for head, rule in left.items() if rule['resources']}
        if left != rules:
            self.ha_write('rules', left)


def _ids(rule: dict[str, str]) -> set[str]:
    return set(rule.get('resources', '').replace(' ', ',').split(',')) - {''}
