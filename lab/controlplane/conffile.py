# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of a /etc/pve/lxc/ID.conf to a config and back, with the oddities of the recorded node.

No I/O. A config is a flat dict; "lxc" holds the raw lines as [[key, value], ...]. Oddities that are facts:
a value of only blanks keeps one blank and gets another at the next write ("tags:" written twice); unknown keys of
the form "word: value" stay, any other unknown line is lost at the next write; a value that breaks its type stays text.
"""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

# Everything outside printable ASCII, and the two characters with a meaning, is %XX in a description.
_SAFE = ''.join(chr(c) for c in range(0x20, 0x7f) if chr(c) not in '%:')

_PENDING = re.compile(r'\[pve:pending\]\s*$', re.I)
_SNAPSHOT = re.compile(r'\[([a-z][a-z0-9_-]+)\]\s*$', re.I)
_RAW = re.compile(r'(lxc\.[a-z0-9_.-]+)(?::|\s*=)\s*(.*?)\s*$')
_DESCRIPTION = re.compile(r'description:\s*(.*\S)\s*$')
_SNAPSTATE = re.compile(r'snapstate:\s*(prepare|delete)\s*$')
_DELETE = re.compile(r'delete:\s*(.*\S)\s*$')
_OPTION = re.compile(r'([a-z][a-z_]*\d*):\s*(.+?)\s*$')

# Options whose JSON answer is a number when the text is one; all others are strings, cpulimit too.
_INTEGERS = frozenset(('cores', 'memory', 'swap', 'cpuunits', 'tty', 'onboot', 'protection', 'console', 'debug',
                       'template', 'unprivileged', 'snaptime'))

# Raw keys that PVE keeps; it drops all others when it writes the file again.
_RAW_KEYS = frozenset('lxc.' + key for key in (
    'apparmor.profile apparmor.allow_incomplete apparmor.allow_nesting apparmor.raw selinux.context include arch '
    'uts.name signal.halt signal.reboot signal.stop init.cmd init.cwd init.uid init.gid pty.max console.logfile '
    'console.path tty.max devtty.dir hook.autodev hook.pre-start hook.pre-mount hook.mount hook.start-host hook.start '
    'hook.stop hook.post-stop hook.clone hook.destroy autodev kmsg mount.fstab mount.entry mount.auto rootfs.mount '
    'cap.drop cap.keep seccomp.profile seccomp.notify.proxy seccomp.notify.cookie idmap log.level log.file start.auto '
    'start.delay start.order group environment monitor.unshare keyring.session').split())
_RAW_PREFIXES = ('lxc.cgroup.', 'lxc.cgroup2.', 'lxc.prlimit.', 'lxc.net.', 'lxc.sysctl.', 'lxc.namespace.')


@dataclass
class Parsed:
    """A .conf: the live options, the pending ones (None: delete) and the snapshots by name."""

    config: dict[str, Any] = field(default_factory=dict)
    pending: dict[str, Any] = field(default_factory=dict)
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)


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


def parse(text: str) -> Parsed:
    """Read a .conf; lines that PVE does not understand are dropped as it drops them."""
    out = Parsed()
    section: dict[str, Any] = out.config
    kind = 'head'
    descr = ''

    def close() -> None:
        if descr:
            section['description'] = descr

    for line in text.split('\n'):
        if not line.strip():
            continue
        if _PENDING.match(line):
            close()
            section, kind, descr = {}, 'pending', ''
            out.pending = section
            continue
        found = _SNAPSHOT.match(line)
        if found:
            close()
            section, kind, descr = {}, 'snapshot', ''
            out.snapshots[found.group(1)] = section
            continue
        if line.startswith('#'):
            descr += urllib.parse.unquote(line[1:]) + '\n'
            continue
        found = _RAW.match(line)
        if found:
            if raw_key_known(found.group(1)):
                section.setdefault('lxc', []).append([found.group(1), found.group(2)])
            continue
        found = _DESCRIPTION.match(line)
        if found:
            descr += urllib.parse.unquote(found.group(1))
            continue
        found = _SNAPSTATE.match(line)
        if found:
            section['snapstate'] = found.group(1)
            continue
        found = _DELETE.match(line)
        if found:
            if kind == 'pending':
                section['delete'] = found.group(1)
            continue
        found = _OPTION.match(line)
        if found:
            section[found.group(1)] = typed(found.group(1), found.group(2))
    close()
    out.config.pop('snapstate', None)
    for key in re.split(r'[,;\s]+', str(out.pending.pop('delete', ''))):
        if key:
            out.pending[key.lstrip('!')] = None
    return out


def _render(options: dict[str, Any]) -> str:
    lines = []
    descr = str(options.get('description') or '').split('\n')
    while descr and not descr[-1]:
        descr.pop()
    lines += ['#' + urllib.parse.quote(line, safe=_SAFE) for line in descr]
    for key in sorted(options):
        if key in ('description', 'lxc', 'digest'):
            continue
        value = str(options[key])
        if '\n' in value:
            raise ValueError("detected invalid newline inside property '{0}'".format(key))
        lines.append('{0}: {1}'.format(key, value))
    lines += ['{0}: {1}'.format(key, value) for key, value in options.get('lxc') or []]
    return ''.join(line + '\n' for line in lines)


def render(parsed: Parsed) -> str:
    """The text PVE writes: head, [pve:pending], then the snapshots in the order of their names."""
    out = _render(parsed.config)
    if parsed.pending:
        pending = dict((k, v) for k, v in parsed.pending.items() if v is not None)
        deletes = sorted(k for k, v in parsed.pending.items() if v is None)
        if deletes:
            pending['delete'] = ','.join(deletes)
        out += '\n[pve:pending]\n' + _render(pending)
    for name in sorted(parsed.snapshots):
        out += '\n[{0}]\n'.format(name) + _render(parsed.snapshots[name])
    return out
