# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes on the node that stand between a task and its module, and SIGKILL for them."""

from __future__ import annotations

from .site import Lab

# The node sees the processes of its guests. The arguments of each have its program, and this script looks for words of
# these. Of the node's interpreter, the modules' processes have the same arguments, and their parent does too.
_FIND = """
import os
def read(pid, name):
    try:
        return open(f'/proc/{pid}/{name}', 'rb').read()
    except OSError:
        return b''
parent, comm, words = {}, {}, {}
for pid in filter(str.isdigit, os.listdir('/proc')):
    fields = read(pid, 'stat').decode('utf-8', 'replace').rpartition(')')[2].split()
    parent[pid] = fields[1] if fields else ''
    comm[pid], words[pid] = read(pid, 'comm').strip(), read(pid, 'cmdline').split(b'\\0')
def of(pid, what):
    return comm.get(pid) == what
perls = [pid for pid in parent if of(pid, b'perl') and words[pid][1:2] == [b'-e']]
attached = [pid for pid in parent if b'lxc-attach' in words[pid][:1] and parent[pid] in perls]
guards = [parent[pid] for pid in attached]
helpers = [pid for pid in parent if parent[pid] in attached and b'warm interpreter' in b' '.join(words[pid])]
warm = [pid for pid in parent if b'warm interpreter on a node' in b' '.join(words[pid][2:3])]
found = {
    'the interpreter in the container': helpers,
    'its guard': guards,
    'the relay of the guard': [pid for pid in perls if parent[pid] in guards],
    'the relay of a command': [pid for pid in perls if of(parent[pid], b'sh') and b'.warm' in b' '.join(words[pid])],
    'the shell of a command': [parent[pid] for pid in perls if of(parent[pid], b'sh')],
    'the interpreter of the node': [pid for pid in warm if parent[pid] not in warm and of(pid, b'python3')],
    'the relay of the node': [pid for pid in perls if b'/run/phoenix_hypervisor_warm' in b' '.join(words[pid])],
}
"""
_KILL = """
import signal
victims = found[{name!r}]
for pid in victims:
    os.kill(int(pid), signal.SIGKILL)
print(*victims)
"""
IN_CONTAINER = (
    'the interpreter in the container',
    'its guard',
    'the relay of the guard',
    'the relay of a command',
    'the shell of a command',
)
"""Those of a task in a container, from the inside to the outside."""


def kill(lab: Lab, name: str) -> list[str]:
    """Kill what is called so, at least one process. Returns the numbers."""
    script = _FIND + _KILL.format(name=name)
    gone = lab.sh(f"python3 - <<'END'\n{script}\nEND").split()
    assert gone, f'{name} does not run'
    return gone
