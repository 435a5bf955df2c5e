# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the connection plugin runs on the node around a container's command, and how it reads the answer. Pure.

The node runs one small POSIX shell script that enters the container and then ends standard error with a *trailer*:
a nonce that only the node and the controller know, the command's exit code and the node's verdict, which is a word
with a detail. So

- all exit codes of the container's command are exact, 255 included, which ssh keeps for its own failures;
- whether the container is stopped or missing is the node's word, never a text that the container printed;
- no trailer means that the node itself did not run the script: the connection has failed.
"""

from __future__ import annotations

import dataclasses
import re
import shlex

from ..untrusted.shown_text import printable
from .pct_relay import RELAY
from .pct_verdict import PATTERN, Ending, Verdict, parsed
from .pct_warm import Warm

#: The environment that a command in a container starts with; nothing else of the node's or the controller's.
GUEST_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}

#: Where the node's own commands are looked for, whatever the login shell there says.
NODE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SET_VARIABLES = " ".join(f"-v {name}={value}" for name, value in GUEST_ENVIRONMENT.items())
_ASSIGNMENTS = " ".join(f"{name}={value}" for name, value in GUEST_ENVIRONMENT.items())

#: Where the node keeps the displaced runs: module_utils/_node/fence.py writes it, a line each, `CTID RUN BY TIME`.
FENCE = "/var/lib/phoenix_hypervisor/leases/displaced"

# Arguments: CTID, nonce, directory of the busy files, seconds to wait for one, method, file of the displaced runs, id
# of this run, command; the relay's program, the bytes that it lets through on standard output and on standard error,
# and the seconds that the command has; the name of the warm interpreter's state file or nothing, the size of the module
# for it, its Python and its program.
#
# A displaced run does not enter. It is looked for under the lock: whoever displaces a run waits for the lock's end.
#
# The relay bounds what comes out of the container, and says on descriptor 3 when it has ended the command for that, or
# the number of the guard that serves the next ones. The method `look` runs nothing: it judges an exit code that a guard
# has told.
#
# The lock is held by this shell alone: lxc-attach hands every open descriptor on to the command, so 9 is closed for
# it. Otherwise a service started by a task would keep the container busy for as long as it runs, and the container
# would hold a descriptor of the node. `command exec` keeps a failing redirection from ending the shell (POSIX 2.14).
#
# `pct exec` keeps the node's environment or not, by version, and sets TERM: the container's own env clears it.
#
# The state is read only after a failure: it costs 5 ms. /etc/pve/lxc is where a PVE node keeps the containers
# that are its own, /etc/pve/nodes/*/lxc those of the whole cluster.
NODE_SCRIPT = f"""\
id=$1 nonce=$2 dir=$3 wait=$4 method=$5 fence=$6 run=$7 command=$8 relay=$9
shift 9
out=$1 err=$2 seconds=$3 warm=$4 size=$5 python=$6 helper=$7
PATH={NODE_PATH}
export PATH
umask 022
cd /
end() {{ printf '\\n%s %s %s %s\\n' "$nonce" "$1" "$2" "${{3:--}}" >&2; exit 0; }}
busy=$dir/$id.busy
[ -e "$busy" ] || (umask 027; mkdir -p "$dir" && umask 077 && : >>"$busy") || end - unlockable
command exec 9<"$busy" || end - unlockable
flock -s -w "$wait" 9 || end - busy
if [ -n "$run" ] && [ -s "$fence" ]; then
while read -r ctid who by _; do
[ "$ctid $who" = "$id $run" ] && end - displaced "$by"
done <"$fence"
fi
bounded() {{
LC_ALL=C perl -e "$relay" -- "$out" "$err" "$seconds" "$warm" "$busy" "$run" "$fence" "$size" "$python" "$helper" "$@" \
3>&1 1>&4 4>&- 9<&-
}}
[ -z "$warm" ] || warm=$dir/$id.$warm.warm
exec 4>&1
over= guard=
case $method in
look) (exit "$command") ;;
lxc-attach) over=$(bounded lxc-attach -n "$id" --clear-env {_SET_VARIABLES} -- /bin/sh -c "$command") ;;
pct) over=$(bounded pct exec "$id" -- /usr/bin/env -i {_ASSIGNMENTS} /bin/sh -c "$command") ;;
esac
rc=$?
case $over in [0-9]*) guard=$over ;; ?*) end "$rc" "$over" ;; esac
[ "$rc" = 0 ] && end 0 ran "$guard"
command -v lxc-info >/dev/null || end "$rc" no-lxc
state=$(lxc-info -n "$id" -sH 2>/dev/null)
case $state in RUNNING|FREEZING|FROZEN|THAWED) end "$rc" ran "$guard" ;; esac
if [ -d /etc/pve/lxc ]; then
[ -e "/etc/pve/lxc/$id.conf" ] && end "$rc" state "${{state:-STOPPED}}"
for conf in /etc/pve/nodes/*/lxc/"$id".conf; do
[ -e "$conf" ] && conf=${{conf#/etc/pve/nodes/}} && end "$rc" elsewhere "${{conf%%/*}}"
done
end "$rc" missing
fi
[ -n "$state" ] && end "$rc" state "$state"
end "$rc" missing
"""

# Runs its arguments, and ends when both streams do, as ssh does: the parent reads no further when its process has
# ended, so that the output of what a task leaves behind would be lost or not by chance. A start that fails shows in
# the missing trailer, so the exit code of a pipeline will do.
LOCAL = (
    "/bin/sh",
    "-c",
    'exec 3>&1; { "$@" 3>&- | cat >&3 3>&-; } 2>&1 | cat >&2 3>&-',
    "phoenix-pct-local",
)

LOOK = "look"
_GUEST_PREFIX = 'cd "$HOME" 2>/dev/null\n'
_CTID = re.compile(r"[1-9][0-9]{0,8}\Z")
_TRAILER = re.compile(rb" (-|[0-9]{1,3}) " + PATTERN.encode() + rb"\n")


@dataclasses.dataclass(frozen=True)
class NodeCall:
    """A command for a container, as the node is to run it."""

    ctid: int
    nonce: str
    command: str
    method: str = "lxc-attach"
    busy_dir: str = "/run/phoenix_hypervisor"
    busy_timeout: int = 300
    run: str = ""
    fence: str = FENCE
    output_limit: int = 0
    """Bytes of standard output after which the command is ended, 0 for none."""
    error_limit: int = 0
    """The same for standard error."""
    seconds: int = 7200
    """After these the command is ended."""
    warm: Warm | None = None
    """The interpreter that may be running already for this command."""

    def argv(self, name: str = "phoenix-pct", become: bool = False) -> list[str]:
        """Return the node's argument list; ``name`` becomes the script's $0, ``become`` runs it as root."""
        if not _CTID.match(str(self.ctid)):
            raise ValueError(f"not a container id: {self.ctid!r}")
        argv = ["/bin/sh", "-c", NODE_SCRIPT, name, str(self.ctid), self.nonce, self.busy_dir, str(self.busy_timeout)]
        command = self.command if self.method == LOOK else _GUEST_PREFIX + self.command
        argv += [self.method, self.fence, self.run, command, RELAY]
        argv += [str(self.output_limit), str(self.error_limit), str(self.seconds)]
        argv += self.warm.argv(self.run, self.method) if self.warm else ["", "0", "", ""]
        return ["sudo", "-n", "--", *argv] if become else argv

    def state_file(self) -> str:
        """Return the state file of the warm interpreter for this call."""
        key = self.warm.argv(self.run, self.method)[0] if self.warm else ""
        return f"{self.busy_dir}/{self.ctid}.{key}.warm"

    def guard(self, answer: NodeAnswer) -> str:
        """Return the socket on the node to which the next module may go, by what this call has told. '' for none."""
        number = answer.verdict.detail if self.warm and answer.verdict.ending is Ending.RAN else ""
        return f"{self.state_file().removesuffix('warm')}{number}.sock" if number.isdigit() else ""

    def look(self, rc: int) -> NodeCall:
        """Return the call that runs nothing and judges an exit code."""
        return dataclasses.replace(self, method=LOOK, command=str(rc), warm=None)

    def command_line(self, become: bool = False) -> str:
        """Return the same as one line for the login shell on the node."""
        return shlex.join(self.argv(become=become))


@dataclasses.dataclass(frozen=True)
class NodeAnswer:
    """What came back: the command's exit code and its own standard error, and the node's verdict.

    ``rc`` is None when the command was not started.
    """

    rc: int | None
    stderr: bytes
    verdict: Verdict

    def ended(self, call: NodeCall, node: str) -> str | None:
        """Return why the node ended the command past a bound, None when it didn't."""
        where = f"a command in container {call.ctid} on node {node}"
        if self.verdict.ending is Ending.LATE:
            return (
                f"{where} did not end within {call.seconds} s and was ended with all that it started; find out what it "
                "waits for, or give it more time with phoenix_command_timeout (seconds)"
            )
        if self.verdict.ending is Ending.FLOOD:
            limit = max(call.output_limit, call.error_limit) >> 20
            return (
                f"{where} wrote more than {limit} MiB and was ended with all that it started; let it write to a file "
                "and fetch that, or raise phoenix_output_limit_mb"
            )
        return None

    def trouble(self, ctid: int, node: str) -> str | None:
        """Return why the container could not be reached, None when the command ran in it."""
        return self.verdict.trouble(ctid, node, _text(self.stderr))


def read_answer(stderr: bytes, nonce: str) -> NodeAnswer | None:
    """Take the trailer out of standard error. Return None when there is none.

    What a process left behind in the container prints after the trailer is kept, and so is everything before it,
    byte for byte.
    """
    start, match = len(stderr), None
    while match is None:
        start = stderr.rfind(b"\n" + nonce.encode(), 0, start)
        if start < 0:
            return None
        match = _TRAILER.match(stderr, start + 1 + len(nonce))
    rc = None if match.group(1) == b"-" else int(match.group(1))
    verdict = parsed(match.group(2).decode("ascii"), match.group(3).decode("ascii"))
    return NodeAnswer(rc, stderr[:start] + stderr[match.end() :], verdict)


def put_command(path: str) -> str:
    """Return the command that writes its standard input to a file. A redirection takes any name, a dash first too."""
    return f"cat > {shlex.quote(path)}"


def fetch_command(path: str) -> str:
    """Return the command that prints a file."""
    return f"cat < {shlex.quote(path)}"


def _text(data: bytes) -> str:
    return printable(data.decode("utf-8", "replace").strip(), 4000)
