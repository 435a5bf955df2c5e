# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on the node between a container's command and the controller, and bounds what comes out. Pure.

In Perl without modules: every PVE node has it, and it starts in two milliseconds. It keeps 64 KiB at a time in memory.
"""

from __future__ import annotations

from .pct_listen import LISTEN
from .pct_processes import BEGINNING, PROCESSES
from .pct_warm import START, WARM

FLOOD = "flood"
LATE = "late"

# Arguments: bytes that standard output and standard error may each have (0: any number), seconds; seven words that
# pct_warm.py explains, the first one empty for a command that starts in the container as it is; the command's words.
#
# It exits as the command did, 128 + n for signal n. Past a bound it writes FLOOD or LATE to descriptor 3 and ends the
# command with all that descends from it: killing lxc-attach alone would leave what it started in the container.
#
# What a command left in the background may hold the streams open. Then this process ends as the command did, and a
# child of it goes on with the streams, within the same bounds; what it serves lives on by itself.
_COLD = r"""pipe my $out, my $to_out or die "pipe: $!\n";
pipe my $err, my $to_err or die "pipe: $!\n";
pipe my $woken, my $wake or die "pipe: $!\n";
$SIG{CHLD} = sub { syswrite $wake, '.' };
$pid = fork;
defined $pid or die "fork: $!\n";
if (!$pid) {
    $SIG{CHLD} = 'DEFAULT';
    close $said;
    open STDOUT, '>&', $to_out or die "$!\n";
    open STDERR, '>&', $to_err or die "$!\n";
    exec { $words[0] } @words or do { print STDERR "$words[0]: $!\n"; exit 127 };
}
$SIG{PIPE} = 'IGNORE';
close $to_out;
close $to_err;
my @streams = ([$out, \*STDOUT, $most_out, 0], [$err, \*STDERR, $most_err, 0]);
sub relay {
    my ($stream) = @_;
    my ($from, $to, $most) = @$stream;
    my $got = sysread $from, my $data, 65536;
    return 1 if !defined $got && $! == $EINTR;
    return 0 if !$got;
    return -1 if $most && ($stream->[3] += $got) > $most;
    my $at = 0;
    while ($at < $got) {
        my $put = syswrite $to, $data, $got - $at, $at;
        next if !defined $put && $! == $EINTR;
        return 0 if !defined $put;
        $at += $put;
    }
    return 1;
}
sub turn {
    my ($wait) = @_;
    my $bits = '';
    vec($bits, fileno $_->[0], 1) = 1 for @streams;
    vec($bits, fileno $woken, 1) = 1 if !defined $code;
    my $ready = select my $found = $bits, undef, undef, $wait;
    return 0 if $ready <= 0;
    sysread $woken, my $dots, 64 if vec $found, fileno $woken, 1;
    my @readable = grep { vec $found, fileno $_->[0], 1 } @streams;
    for my $stream (@readable) {
        my $state = relay($stream);
        return -1 if $state < 0;
        if (!$state) { close $stream->[0]; @streams = grep { $_ != $stream } @streams }
    }
    return 1;
}
while (1) {
    reap();
    last if defined $code && !@streams;
    my $left = $until - time;
    stop('late') if $left <= 0;
    my $state = turn(defined $code ? 0 : $left < 0.5 ? $left : 0.5);
    stop('flood') if $state < 0;
    last if !$state && defined $code;
}
if (@streams) {
    my $child = fork;
    if (defined $child && !$child) {
        close $said;
        while (@streams && time < $until) { last if turn(1) < 0 }
        exit 0;
    }
}
exit $code;
"""

# Compiling all of it takes longer than a task's output: the rest is compiled when the first of its functions is called.
_LATER = r"""
our $AUTOLOAD;
sub AUTOLOAD {
    my $name = $AUTOLOAD;
    die "no $name\n" if $rest eq '';
    eval $rest;
    die $@ if $@;
    $rest = '';
    goto &{\&$name};
}
"""

RELAY = f"""{BEGINNING}my $rest = <<'REST';
{PROCESSES}{START}{LISTEN}REST
my $cold = <<'COLD';
{_COLD}COLD
{_LATER}{WARM}eval $cold;
die $@ if $@;
"""
