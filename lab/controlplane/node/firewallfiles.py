# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls kept as files, /etc/pve/firewall/<CTID>.fw, cluster.fw and host.fw, where fakepve keeps them in memory.

The files are the truth, as the .conf files are: root may edit one, and the next request obeys. A line of the rules that
can't be read is skipped, as pve-firewall skips it, and lost at the next write. What reaches the node itself is filtered
by the lab's pve-firewall, which reads these files; guests are not.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from fakepve.firewall import RULE_KEYS, empty_conf
from fakepve.server import FakePve

_HEADER = re.compile(r'\[(options|rules|aliases|ipset|group)(?:\s+(\S+))?\](?:\s*#\s*(.*?))?\s*$', re.IGNORECASE)
_OPTION = re.compile(r'([a-z0-9_]+):\s*(.*\S)\s*$', re.IGNORECASE)
_MACRO = re.compile(r'(\S+)\((ACCEPT|DROP|REJECT)\)$')
_FLAGS = {'i': 'iface', 'p': 'proto', 'proto': 'proto'}
_FLAGS.update({key: key for key in ('source', 'dest', 'dport', 'sport', 'log', 'icmp-type')})
_ORDER = [('-i', 'iface'), ('-source', 'source'), ('-dest', 'dest'), ('-p', 'proto'), ('-dport', 'dport')]
_ORDER += [('-sport', 'sport'), ('-log', 'log'), ('-icmp-type', 'icmp-type')]


def rule_from(line: str) -> dict[str, Any] | None:
    """One line as fakepve keeps a rule; None for a line that can't be read."""
    body, mark, comment = line.partition('#')
    rule: dict[str, Any] = {'enable': 0 if body.startswith('|') else 1}
    words = body.lstrip('|').split()
    if len(words) < 2 or len(words) % 2:
        return None
    rule['type'], rule['action'] = words[0].lower(), words[1]
    macro = _MACRO.match(words[1])
    if macro and rule['type'] in ('in', 'out'):
        rule['macro'], rule['action'] = macro.groups()
    for flag, value in zip(words[2::2], words[3::2], strict=True):
        name = _FLAGS.get(flag.lstrip('-'))
        if name is None or not flag.startswith('-'):
            return None
        rule[name] = value
    if mark:
        rule['comment'] = comment.strip()
    return rule if rule['type'] in ('in', 'out', 'forward', 'group') else None


def rule_line(rule: dict[str, Any]) -> str:
    """A rule as pve-firewall writes it."""
    off = '|' if not rule.get('enable', 1) else ''
    what = '{macro}({action})'.format(**rule) if rule.get('macro') else rule['action']
    text = '{}{} {}'.format(off, rule['type'].upper(), what)
    text += ''.join(f' {flag} {rule[key]}' for flag, key in _ORDER if rule.get(key))
    return text + (' # {}'.format(rule['comment']) if str(rule.get('comment') or '').strip() else '')


def parse(text: str) -> dict[str, Any]:
    """The text of a file as fakepve keeps a firewall."""
    conf: dict[str, Any] = empty_conf()
    section, name = '', ''
    for raw in text.splitlines():
        line = raw.strip()
        header = _HEADER.match(line)
        if header:
            # pve-firewall reads the names of sets and groups in lower case.
            section, name, comment = header.group(1).lower(), (header.group(2) or '').lower(), header.group(3)
            if section in ('ipset', 'group'):
                conf[{'ipset': 'ipset', 'group': 'groups'}[section]].setdefault(name, [])
                if comment:
                    conf[f'{section}_comments'][name] = comment
            continue
        if not line or line.startswith('#'):
            continue
        _take(conf, section, name, line)
    return conf


def _take(conf: dict[str, Any], section: str, name: str, line: str) -> None:
    body, _mark, comment = line.partition('#')
    remark = {'comment': comment.strip()} if comment.strip() else {}
    if section == 'options':
        option = _OPTION.match(line)
        if option:
            value = option.group(2)
            conf['options'][option.group(1).lower()] = int(value) if value.isdigit() else value
    elif section in ('rules', 'group'):
        rule = rule_from(line)
        if rule is not None:
            (conf['rules'] if section == 'rules' else conf['groups'][name]).append(rule)
    elif section == 'aliases' and len(body.split()) == 2:
        alias, cidr = body.split()
        conf['aliases'][alias.lower()] = {
            'name': alias,
            'cidr': _without_length(cidr),
            'ipversion': 6 if ':' in cidr else 4,
            **remark,
        }
    elif section == 'ipset':
        entry = {'cidr': _without_length(body.strip().lstrip('!').strip()), **remark}
        conf['ipset'][name].append({**entry, 'nomatch': 1} if body.startswith('!') else entry)


def _without_length(cidr: str) -> str:
    """An address or a network as pve-firewall reads it from a file."""
    return cidr.removesuffix('/128' if ':' in cidr else '/32')


def render(conf: dict[str, Any]) -> str:
    """The text of a firewall, '' when there is nothing in it: PVE removes the file then."""
    parts = []
    if conf['options']:
        parts.append(['[OPTIONS]', '', *(f'{key}: {_text(value)}' for key, value in conf['options'].items())])
    if conf['aliases']:
        aliases = (('{name} {cidr}'.format(**entry), entry) for entry in conf['aliases'].values())
        parts.append(['[ALIASES]', '', *(text + _remark(entry) for text, entry in aliases)])
    for name in sorted(conf['ipset']):
        title = f'[IPSET {name}]' + _remark({'comment': conf['ipset_comments'].get(name)})
        parts.append([title, '', *map(_entry_line, conf['ipset'][name])])
    if conf['rules']:
        parts.append(['[RULES]', '', *map(rule_line, conf['rules'])])
    for name in sorted(conf['groups']):
        title = f'[group {name}]' + _remark({'comment': conf['group_comments'].get(name)})
        parts.append([title, '', *map(rule_line, conf['groups'][name])])
    return ''.join('\n'.join(part) + '\n\n' for part in parts)


def _entry_line(entry: dict[str, Any]) -> str:
    return ('! ' if entry.get('nomatch') else '') + entry['cidr'] + _remark(entry)


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _remark(entry: dict[str, Any]) -> str:
    return ' # {}'.format(entry['comment']) if entry.get('comment') else ''


class FirewallFiles(FakePve):
    """Part of LabPve. firewall_dir: /etc/pve/firewall, or None to keep everything in memory."""

    firewall_dir: Path | None

    def _routes_firewall(self) -> list[tuple[str, str, Any]]:
        routes = super()._routes_firewall()
        return [(method, path, self._filed_firewall(method, path, call)) for method, path, call in routes]

    def _filed_firewall(self, method: str, path: str, call: Any) -> Any:
        """The call with what it needs read from the files before, and what it changed written after."""
        if not path.startswith(('/cluster/firewall', '/nodes/{node}/lxc/', '/nodes/{node}/firewall')):
            return call

        async def filed(v: Any, user: str) -> Any:
            self.read_firewall('cluster', self.firewall_config('cluster'))
            name, conf = 'cluster', self.firewall_config('cluster')
            if '{vmid}' in path:
                conf = self.firewall_config('ct', vmid=v['vmid'])
                name = str(v['vmid'])
                self.read_firewall(name, conf)
            elif '{node}' in path:
                conf = self.firewall_config('host', node=v['node'])
                name = 'host'
                self.read_firewall(name, conf)
            result = await call(v, user)
            if method != 'GET':
                self.write_firewall(name, conf)
            return result

        return filed

    def _firewall_file(self, name: str) -> Path:
        """cluster.fw, host.fw, or a guest's by its CTID."""
        assert self.firewall_dir is not None
        folder = self.firewall_dir.parent / 'local' if name == 'host' else self.firewall_dir
        return folder / f'{name}.fw'

    def read_firewall(self, name: str, conf: dict[str, Any]) -> None:
        if self.firewall_dir is None:
            return
        try:
            text = self._firewall_file(name).read_text(encoding='utf-8', errors='replace')
        except FileNotFoundError:
            text = ''
        conf.clear()
        conf.update(parse(text))

    def write_firewall(self, name: str, conf: dict[str, Any]) -> None:
        if self.firewall_dir is None:
            return
        for rule in [*conf['rules'], *(rule for group in conf['groups'].values() for rule in group)]:
            for key in [key for key in rule if key not in RULE_KEYS]:
                del rule[key]
        target, text = self._firewall_file(name), render(conf)
        if not text:
            target.unlink(missing_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f'{target.name}.tmp.{os.getpid()}')
        temporary.write_text(text, encoding='utf-8')
        os.chmod(temporary, 0o640)
        os.replace(temporary, target)

    def copy_firewall(self, vmid: int, newid: int) -> None:
        """What PVE does when it clones: the clone has its source's file, or none."""
        self.drop_firewall(newid)
        conf = empty_conf()
        self.read_firewall(str(vmid), conf)
        self.write_firewall(str(newid), conf)

    def drop_firewall(self, vmid: int) -> None:
        """What PVE does when it destroys a container."""
        if self.firewall_dir is not None:
            (self.firewall_dir / f'{vmid}.fw').unlink(missing_ok=True)
