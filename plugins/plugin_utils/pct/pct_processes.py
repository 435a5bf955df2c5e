# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the relay on the node knows of processes: how they end, and how they are ended with all that descends from them.

In Perl without modules, parts of the relay's program. Pure.
"""

from __future__ import annotations

# What all parts of the program know.
#
# $pid is the process that the relay started, or one that it found running: then $born is the time of its start. A
# process is known by its number and the time of its start, and remembered, so that one whose parent ends is still
# found. When the helper between the guard and a task was killed, the task's processes have the guard's group and
# session, and a parent outside: they are younger than the relay, or still have the helper's program. Before any is
# killed all are stopped: a shell whose command is killed first would start its next one and die, and nobody would know
# whose child that was. A relay that the guard has forked (pct_listen.py) is none of them.
BEGINNING = r"""
use strict;
my ($most_out, $most_err, $seconds, $warm, $busy, $run, $fence, $size, $python, $helper, @words) = @ARGV;
my $until = time + $seconds;
my ($EINTR, $EAGAIN) = (4, 11);  # Linux's; Perl's own names take a millisecond to load
my ($pid, $born, $code, $session, %known, $lock, $to, $from, $ends, %streams, $client, $hold, $told);
open my $said, '>&=', 3 or die "descriptor 3: $!\n";
"""

PROCESSES = r"""
sub reap {
    if (!defined $born && !defined $code && waitpid($pid, 1) == $pid) { $code = $? & 127 ? 128 + ($? & 127) : $? >> 8 }
}
sub is_task {
    my ($one, $start) = @_;
    return 1 if $start >= ((look($$))[19] // 0);
    open my $file, '<', "/proc/$one/cmdline" or return 0;
    local $/;
    return index(<$file> // '', $helper) >= 0;
}
sub living {
    my (%now, %below, %group);
    opendir my $all, '/proc' or return;
    for my $one (grep { /^[0-9]+$/ } readdir $all) {
        my @fields = look($one) or next;
        $now{$one} = $fields[19];
        push @{ $below{$fields[1]} }, $one;
        $group{$one} = $fields[1] if defined $session && "$fields[2] $fields[3]" eq "$pid $session";
    }
    delete $known{$_} for grep { ($now{$_} // '') ne $known{$_} } keys %known;
    for my $one (grep { !exists $group{$group{$_}} && $_ != $pid } keys %group) {
        $known{$one} = $now{$one} if is_task($one, $now{$one});
    }
    my $is_it = !defined $born || ($now{$pid} // '') eq $born;
    my @open = (keys %known, $is_it ? $pid : ());
    while (defined(my $one = shift @open)) {
        for my $child (grep { $_ != $$ } @{ $below{$one} // [] }) {
            push @open, $child if !exists $known{$child};
            $known{$child} = $now{$child};
        }
    }
    $known{$pid} = $now{$pid} if exists $now{$pid} && $is_it && (defined $born || !defined $code);
    return keys %known;
}
sub sweep {
    for my $how (@_) {
        my ($over, %told, %held) = (time + $how->[1]);
        if ($how->[0] eq 'KILL') {
            while (my @new = grep { !$held{$_}++ } living()) {
                kill 'STOP', @new;
                last if time > $over;
            }
        }
        while (my @left = living()) {
            kill $how->[0], $_ for grep { !$told{$_}++ } @left;
            last if time > $over;
            select undef, undef, undef, 0.03;
            reap();
        }
    }
}
sub stop {
    my ($why) = @_;
    syswrite $said, $why if !$client;
    sweep(['TERM', 5], ['KILL', 3]);
    frame($why eq 'late' ? 'l' : 'f', 137) if $client;
    exit 137;
}
"""
