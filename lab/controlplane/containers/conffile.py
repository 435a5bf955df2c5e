# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of a /etc/pve/lxc/ID.conf to a config and back, with the oddities of the recorded node.

No I/O. A config is a flat dict; "lxc" holds the raw lines as [[key, value], ...]. Oddities that are facts:
a value of only blanks keeps one blank and gets another at the next write ("tags:" written twice); unknown keys of
the form "word: value" stay, any other unknown line is lost at the next write; a value that breaks its type stays text.
The option env, one text with NUL between its pairs, is one raw line a pair in the file.
"""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

# Everything outside printable ASCII, and the two characters with a meaning, is %XX in a description.
_SAFE = ''.join(chr(c) for c in range(0x20, 0x7F) if chr(c) not in '%:')

_PENDING = re.compile(r'\[pve:pending\]\s*$', re.IGNORECASE)
_SNAPSHOT = re.compile(r'\[([a-z][a-z0-9_-]+)\]\s*$', re.IGNORECASE)
_RAW = re.compile(r'(lxc\.[a-z0-9_.-]+)(?::|\s*=)\s*(.*?)\s*$')
_ENVIRONMENT = re.compile(r'lxc\.environment\.runtime(?::|\s*=)\s*(.*?)\s*$')
_DESCRIPTION = re.compile(r'description:\s*(.*\S)\s*$')
_SNAPSTATE = re.compile(r'snapstate:\s*(prepare|delete)\s*$')
_DELETE = re.compile(r'delete:\s*(.*\S)\s*$')
_OPTION = re.compile(r'([a-z][a-z_]*\d*):\s*(.+?)\s*$')

# Options whose JSON answer is a number when the text is one; all others are strings, cpulimit too.
_INTEGERS = frozenset(
    (
        'cores',
        'memory',
        'swap',
        'cpuunits',
        'tty',
        'onboot',
        'protection',
        'console',
        'debug',
        'template',
        'unprivileged',
        'snaptime',
    )
)

# Raw keys that PVE keeps; it drops all others when it writes the file again.
_RAW_KEYS = frozenset(
    re.findall(
        r'\S+',
        '''
    lxc.apparmor.profile lxc.apparmor.allow_incomplete lxc.apparmor.allow_nesting lxc.apparmor.raw lxc.selinux.context
    lxc.include lxc.arch lxc.uts.name lxc.signal.halt lxc.signal.reboot lxc.signal.stop lxc.init.cmd lxc.init.cwd
    lxc.init.uid lxc.init.gid lxc.pty.max lxc.console.logfile lxc.console.path lxc.tty.max lxc.devtty.dir lxc.autodev
    lxc.hook.autodev lxc.hook.pre-start lxc.hook.pre-mount lxc.hook.mount lxc.hook.start-host lxc.hook.start
    lxc.hook.stop lxc.hook.post-stop lxc.hook.clone lxc.hook.destroy lxc.kmsg lxc.mount.fstab lxc.mount.entry
    lxc.mount.auto lxc.rootfs.mount lxc.cap.drop lxc.cap.keep lxc.seccomp.profile lxc.seccomp.notify.proxy
    lxc.seccomp.notify.cookie lxc.idmap lxc.log.level lxc.log.file lxc.start.auto lxc.start.delay lxc.start.order
    lxc.group lxc.environment lxc.monitor.unshare lxc.keyring.session''',
    )
)
_RAW_PREFIXES = ('lxc.cgroup.', 'lxc.cgroup2.', 'lxc.prlimit.', 'lxc.net.', 'lxc.sysctl.', 'lxc.namespace.')


@dataclass
class Parsed:
    """A .conf: the live options, the pending values, the pending deletions and the snapshots by name.

    One key may have a pending value and a pending deletion at once (PVE facts, 'Pending changes').
    """

    config: dict[str, Any] = field(default_factory=dict)
    pending: dict[str, Any] = field(default_factory=dict)
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    deletions: set[str] = field(default_factory=set)


def digest(text: str) -> str:
    """The config digest: SHA1 of the file's text."""
    return hashlib.sha1(text.encode()).hexdigest()


def typed(key: str, value: Any) -> Any:
    """The value as GET .../config shows it: integers and booleans as numbers, the rest as text."""
    if key in _INTEGERS and isinstance(value, str) and re.fullmatch(r'-?\d+', value):
        return int(value)
    return value


def raw_key_known(key: str) -> bool:
    """Whether PVE keeps a raw line with this key."""
    return key in _RAW_KEYS or key.startswith(_RAW_PREFIXES)


def _take(section: dict[str, Any], line: str) -> str:
    """Put one line of a section into it, or drop it; what it adds to the description."""
    if line.startswith('#'):
        return urllib.parse.unquote(line[1:]) + '\n'
    if found := _ENVIRONMENT.match(line):
        section['env'] = '\0'.join(filter(None, (section.get('env'), found.group(1))))
    elif found := _RAW.match(line):
        if raw_key_known(found.group(1)):
            section.setdefault('lxc', []).append([found.group(1), found.group(2)])
    elif found := _DESCRIPTION.match(line):
        return urllib.parse.unquote(found.group(1))
    elif found := _SNAPSTATE.match(line):
        section['snapstate'] = found.group(1)
    elif found := _DELETE.match(line):
        section['delete'] = found.group(1)
    elif found := _OPTION.match(line):
        section[found.group(1)] = typed(found.group(1), found.group(2))
    return ''


def parse(text: str) -> Parsed:
    """Read a .conf; lines that PVE does not understand are dropped as it drops them."""
    out = Parsed()
    section = out.config
    descriptions: dict[int, str] = {}
    sections = [section]
    for line in text.split('\n'):
        if not line.strip():
            continue
        if _PENDING.match(line):
            section = out.pending = {}
            sections.append(section)
        elif found := _SNAPSHOT.match(line):
            section = out.snapshots[found.group(1)] = {}
            sections.append(section)
        else:
            descriptions[id(section)] = descriptions.get(id(section), '') + _take(section, line)
    for section in sections:
        if descriptions.get(id(section)):
            section['description'] = descriptions[id(section)]
        if section is not out.pending:
            section.pop('delete', None)  # PVE knows it in [pve:pending] only
    out.config.pop('snapstate', None)
    for key in re.split(r'[,;\s]+', str(out.pending.pop('delete', ''))):
        if key:
            out.deletions.add(key.lstrip('!'))
    return out


def _render(options: dict[str, Any]) -> str:
    lines = []
    descr = str(options.get('description') or '').split('\n')
    while descr and not descr[-1]:
        descr.pop()
    lines += ['#' + urllib.parse.quote(line, safe=_SAFE) for line in descr]
    for key in sorted(options):
        if key in ('description', 'lxc', 'digest', 'env'):
            continue
        value = str(options[key])
        if '\n' in value:
            raise ValueError(f"detected invalid newline inside property '{key}'")
        lines.append(f'{key}: {value}')
    lines += [f'lxc.environment.runtime: {pair}' for pair in str(options.get('env') or '').split('\0') if pair]
    lines += [f'{key}: {value}' for key, value in options.get('lxc') or []]
    return ''.join(line + '\n' for line in lines)


def render(parsed: Parsed) -> str:
    """The text PVE writes: head, [pve:pending], then the snapshots in the order of their names."""
    out = _render(parsed.config)
    if parsed.pending or parsed.deletions:
        pending = dict(parsed.pending)
        if parsed.deletions:
            pending['delete'] = ','.join(sorted(parsed.deletions))
        out += '\n[pve:pending]\n' + _render(pending)
    for name in sorted(parsed.snapshots):
        out += f'\n[{name}]\n' + _render(parsed.snapshots[name])
    return out
