# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard of a warm interpreter does for tasks that come without a command of their own. Pure.

A module that comes as a command starts a session of sshd, two shells, `flock` and Perl, and all of them only prepare
what the guard has loaded already. So the guard listens on a socket that root alone can connect to, in the directory of
the busy files, and forks a relay for each connection. What the script on the node does, this relay does: it takes the
busy lock, looks for the run among the displaced ones, keeps the bounds, and ends what is past them. Whatever needs more
than that (the lock is taken, the run displaced, the helper gone) it refuses before anything has run; then the module
comes as a command. plugin_utils/open_ssh/guests.py is the other end.

A connection begins with a head of HEAD bytes: the bounds of both streams, the seconds, the bytes that follow, the bytes
of the whole module, and the digest of the archive that what follows leaves out, or a dash. The answers are the helper's
frames and these: `n` refused, `g` begun, `a` the whole module is wanted, `x` the exit code, `l` and `f` ended for its
time or its output, `z` both streams are closed.
"""

from __future__ import annotations

HEAD = 160

# Compiled with what only the start of an interpreter takes.
LISTEN = r"""
sub place {
    (my $path = $warm) =~ s/warm\z/$$.sock/;
    return $path;
}
sub listener {
    my $path = place();
    return if length $path > 107;
    my $mask = umask 0177;
    my $listener;
    my $is_bound = socket($listener, 1, 1, 0) && bind $listener, pack 'Sa*', 1, "$path\0";
    umask $mask;
    return $is_bound && listen($listener, 16) ? $listener : undef;
}
sub receive {
    my ($listener) = @_;
    accept $client, $listener or return;
    my $child = fork;
    if (defined $child && !$child) {
        close $listener;
        entertain();
        exit 0;
    }
    close $client;
    undef $client;
}
sub frame {
    my ($kind, $number) = @_;
    syswrite STDOUT, pack 'aN', $kind, $number // 0;
}
sub refuse {
    frame('n');
    exit 0;
}
sub over {
    return if $told++;
    $code //= 137;
    close $hold;
    frame('x', $code);
}
sub finish {
    close $lock;
    over();
    frame('z');
    exit 0;
}
sub taken {
    my ($bytes) = @_;
    my $data = '';
    while (length $data < $bytes) {
        my $got = sysread STDIN, $data, $bytes - length $data, length $data;
        exit 0 if defined $got ? !$got : $! != $EINTR;
    }
    return $data;
}
sub is_displaced {
    my ($ctid) = $warm =~ m{([^/.]*)\.[^/]*\z};
    open my $file, '<', $fence or return 0;
    while (my $line = <$file>) {
        my ($whose, $who) = split ' ', $line;
        return 1 if $run ne '' && "$whose $who" eq "$ctid $run";
    }
    return 0;
}
sub entertain {
    setpgrp 0, 0;
    $SIG{CHLD} = 'DEFAULT';
    $SIG{PIPE} = 'IGNORE';
    open STDIN, '<&', $client;
    open STDOUT, '>&', $client;
    $streams{e}[0] = \*STDOUT;
    my ($whole, $digest);
    ($most_out, $most_err, $seconds, $size, $whole, $digest) = split ' ', taken(160);
    ($streams{o}[1], $streams{e}[1], $until) = ($most_out, $most_err, time + $seconds);
    open $hold, '<', $busy or refuse();
    flock $hold, 5 or refuse();
    refuse() if is_displaced() || !claim() || find() <= 0;
    my $taken = asked(5, $digest);
    if ($taken == 2) {
        frame('a');
        taken($size);
        $size = $whole;
        $taken = asked(5);
    }
    if ($taken != 1) { abandon(); refuse() }
    frame('g');
    carry();
}
"""
