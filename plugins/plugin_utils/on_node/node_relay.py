# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on the node between the start of a module and the warm interpreter there, and how it is started. Pure.

In Perl without modules, as the relay of the containers (pct_relay.py). It hands its own streams over, waits for the
module's exit code, and ends with it. Where no interpreter takes the module, it becomes the command that Ansible wanted:
nothing has been read yet.
"""

from __future__ import annotations

import hashlib
import pathlib
import shlex

from ..pct.pct_warm import joined, warm

FOLDER = "/run/phoenix_hypervisor_warm"
START = "start"
WAIT = "wait"
"""For the interpreter that another module of the run starts."""

# Arguments: the interpreter's named pipe, what to do where none waits, the module's size, the Python, its program, and
# the command's words.
#
# Who does not take the request in time must not take it later: its descriptor is closed first, and what was said
# before that counts. Of those that come at once, one starts the interpreter, and the others wait five seconds for it:
# each would load what that loads once. The interpreter has pipes, as the modules will, so that its streams behave the
# same.
_RELAY = r"""use strict;
my ($path, $start, $size, $python, $program, @words) = @ARGV;
my ($answers, $to, $started, $buffer) = (undef, undef, 0, '');
my $EINTR = 4;  # Linux's; Perl's own name takes a millisecond to load
sub plain { $SIG{PIPE} = 'DEFAULT'; delete $ENV{PERL_BADLANG}; exec { $words[0] } @words; exit 127 }
sub answer {
    my ($patience) = @_;
    my $over = $patience ? time + $patience : 0;
    while (index($buffer, "\n") < 0) {
        my $bits = '';
        vec($bits, fileno $answers, 1) = 1;
        if ($over && select($bits, undef, undef, 0.2) <= 0) {
            return '' if time > $over || ($started && waitpid($started, 1) == $started);
            next;
        }
        my $got = sysread $answers, $buffer, 4096, length $buffer;
        return '' if defined $got ? !$got : $! != $EINTR;
    }
    my $said = substr $buffer, 0, index $buffer, "\n";
    substr($buffer, 0, 1 + length $said) = '';
    return $said;
}
sub request {
    pipe $answers, $to or plain();
    open my $stat, '<', "/proc/$$/stat" or plain();
    my $text = <$stat>;
    my $born = (split ' ', substr $text, 1 + rindex $text, ')')[19];
    return join(' ', $$, $born, $size, fileno $to, (stat $to)[1]) . "\n";
}
sub taken {
    my ($patience) = @_;
    my $said = answer($patience);
    close $to;
    $said = answer(0) if $said ne 'ok';
    return if $said ne 'ok';
    my $pid = answer(0);
    my $code = answer(0);
    exit $code if $code =~ /\A[0-9]+\z/;
    kill 'KILL', $pid, -$pid if $pid =~ /\A[1-9][0-9]*\z/;
    print STDERR "the interpreter on the node ended before its module\n";
    exit 137;
}
plain() if $>;
$SIG{PIPE} = 'IGNORE';
my $line = request();
for my $left (reverse 0 .. ($start eq 'wait' ? 250 : 0)) {
    if (sysopen my $pipe, $path, 2049) {
        if (-p $pipe && (syswrite($pipe, $line) // 0) == length $line) { taken(10); $line = request() }
        last;
    }
    select undef, undef, undef, 0.02 if $left;
}
plain() if $start ne 'start';
$started = fork;
if (defined $started && !$started) {
    $SIG{PIPE} = 'DEFAULT';
    delete $ENV{PERL_BADLANG};
    pipe my $in, my $never or exit 127;
    pipe my $nobody, my $out or exit 127;
    open STDIN, '<&', $in;
    open STDOUT, '>&', $out;
    open STDERR, '>&', $out;
    exec { $python } $python, '-c', $program, $path, $line;
    exit 127;
}
taken(10) if $started;
plain();
"""


#: Here, so that the processes of a run that are forked from the one that loads this need not read it again.
_PROGRAM = joined(pathlib.Path(__file__).with_name("node_helper.py"))


def warm_command(command: str, data: bytes, run: str, otherwise: str, folder: str = FOLDER) -> str | None:
    """Return a command for the node that runs a module in the warm interpreter of this run, None for another command.

    It does what the command would have done: the same output, exit code, environment and directory. ``otherwise``: what
    to do where no interpreter waits, START or WAIT, or run the command as it is.
    """
    found = warm(command, data)
    if found is None:
        return None
    key = hashlib.sha256("\0".join((run, found.python, _PROGRAM)).encode()).hexdigest()[:16]
    words = ["perl", "-e", _RELAY, "--", f"{folder}/{key}", otherwise, str(found.size), found.python, _PROGRAM]
    # Perl complains of a locale that the node does not have.
    return f"PERL_BADLANG=0 exec {shlex.join([*words, *shlex.split(command)])}"
