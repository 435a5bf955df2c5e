# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's side of the warm interpreter: one Python for each container and run, that forks for each module. Pure.

pct_helper.py is the side in the container. Every module still comes with a command of its own, which takes the busy
lock, has its bounds and ends with its trailer. Only lxc-attach and the start of Python are left out: the relay hands
the module to a *helper* that an earlier command left, or starts one.

A *guard* on the node is the helper's parent by way of lxc-attach. It holds the node's ends of the helper's two pipes,
has the busy file open and the run's id among its arguments, as leftovers.py looks for them, and ends the helper when
nobody has used it for half a minute. Its state file in the directory of the busy files says `idle` or `used`, its
number, the time of its start and its two descriptors. Who has the file locked has the helper. It opens the pipes
through /proc, which nobody but root can. The guard itself serves tasks, too (pct_listen.py).

Nothing that comes from the helper is trusted more than a command's output: a task begins when a token of its own
comes back, a frame has at most 64 KiB, and what breaks the rules ends the helper. A helper that does not take the task
within some seconds is ended, and the command runs as without one, since nothing of its input has been read yet.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib
import re

# Arguments: the state file, the busy file, the run's id, the file of the displaced runs, the module's size, the Python,
# and the helper's program.
#
# A task found `used` without a lock was left by a relay that died: the guard ends the helper. A helper that could not
# be started is not tried again for a minute (`off`).
WARM = r"""
sub look {
    my ($one) = @_;
    open my $file, '<', "/proc/$one/stat" or return;
    my $text = do { local $/; <$file> } // return;
    my @fields = split ' ', substr $text, 1 + rindex $text, ')';
    return @fields < 20 || $fields[0] =~ /[ZX]/ ? () : @fields;
}
sub birth {
    my @fields = look(@_) or return '';
    $session = $fields[3];
    return $fields[19];
}
sub claim {
    for (1 .. 3) {
        sysopen $lock, $warm, 66, 0600 or return 0;
        flock $lock, 6 or return 0;
        return 1 if (stat $lock)[3];
    }
    return 0;
}
sub note {
    my ($state) = @_;
    sysseek $lock, 0, 0;
    truncate $lock, 0;
    syswrite $lock, "$state $pid $born $ends\n";
}
sub find {
    sysread $lock, my $text, 200;
    (my $state, $pid, $born, my ($in, $out)) = split ' ', $text // '';
    return -1 if ($state // '') eq 'off' && time - (stat $lock)[9] < 60;
    return 0 if ($state // '') ne 'idle' || birth($pid) ne $born;
    sysopen $to, "/proc/$pid/fd/$in", 2049 or return 0;
    sysopen $from, "/proc/$pid/fd/$out", 2048 or return 0;
    $ends = "$in $out";
    note('used');
    return 1;
}
sub asked {
    my ($patience, $digest) = @_;
    open my $random, '<', '/dev/urandom' or return 0;
    sysread $random, my $bytes, 16;
    my $token = unpack 'H*', $bytes;
    my $line = "$token $size " . ($digest // '-') . "\n";
    return 0 if (syswrite($to, $line) // 0) != length $line;
    my ($got, $over) = ('', time + $patience);
    while (length $got < length "$token ok\n") {
        my $left = ($over < $until ? $over : $until) - time;
        return 0 if $left <= 0;
        my $bits = '';
        vec($bits, fileno $from, 1) = 1;
        next if select($bits, undef, undef, $left) <= 0;
        my $more = sysread $from, $got, length("$token ok\n") - length $got, length $got;
        return 0 if defined $more ? !$more : $! != $EINTR && $! != $EAGAIN;
    }
    return 0 if substr($got, 0, 33, '') ne "$token " || $got !~ /\A(ok|wt)\n\z/;
    return $1 eq 'ok' ? 1 : 2;
}
%streams = (o => [\*STDOUT, $most_out, 0], e => [\*STDERR, $most_err, 0]);
sub deliver {
    my ($kind, $data) = @_;
    my $stream = $streams{$kind};
    return 0 if $stream->[1] && ($stream->[2] += length $data) > $stream->[1];
    $data = pack('aN', $kind, length $data) . $data if $client;
    my $at = 0;
    while ($at < length $data) {
        my $put = syswrite $stream->[0], $data, length($data) - $at, $at;
        next if !defined $put && $! == $EINTR;
        last if !defined $put;
        $at += $put;
    }
    return 1;
}
sub serves {
    (my $path = $warm) =~ s/warm\z/$pid.sock/;
    syswrite $said, $pid if -S $path;
}
sub carry {
    my ($pending, $buffer, $closed, $later) = ('', '', 0, 0);
    while (!$closed) {
        my $left = $until - time;
        if ($left <= 0) { $later ? exit 0 : stop('late') }
        my ($read, $write) = ('', '');
        vec($read, fileno $from, 1) = 1;
        vec($read, fileno STDIN, 1) = 1 if $size && $pending eq '';
        vec($write, fileno $to, 1) = 1 if $pending ne '';
        next if select($read, $write, undef, $left) <= 0;
        if ($size && $pending eq '' && vec $read, fileno STDIN, 1) {
            my $got = sysread STDIN, $pending, $size < 65536 ? $size : 65536;
            broken() if defined $got ? !$got : $! != $EINTR;
            $size -= $got // 0;
        }
        if ($pending ne '') {
            my $put = syswrite $to, $pending;
            broken() if !defined $put && $! != $EAGAIN && $! != $EINTR;
            substr($pending, 0, $put // 0) = '';
        }
        next if !vec $read, fileno $from, 1;
        my $got = sysread $from, $buffer, 65536, length $buffer;
        broken() if defined $got ? !$got : $! != $EINTR && $! != $EAGAIN;
        while (length $buffer >= 5) {
            my ($kind, $number) = unpack 'aN', $buffer;
            if ($kind eq 'o' || $kind eq 'e') {
                broken() if $number < 1 || $number > 65536;
                last if length $buffer < 5 + $number;
                my $data = substr $buffer, 5, $number;
                substr($buffer, 0, 5 + $number) = '';
                deliver($kind, $data) or $later ? exit 0 : stop('flood');
                next;
            }
            substr($buffer, 0, 5) = '';
            broken() if $size || $pending ne '';
            if ($kind eq 'x' && $number < 256 && !defined $code) { $code = $number }
            elsif ($kind eq 'z' && defined $code && $buffer eq '') { $closed = 1 }
            else { broken() }
        }
        if (defined $code && !$closed && !$later) {
            $later = 1;
            if ($client) { over(); next }
            serves();
            my $child = fork;
            exit $code if !defined $child || $child;
            close $said;
        }
    }
    note('idle');
    finish() if $client;
    serves() if !$later;
    exit($later ? 0 : $code);
}
sub warm_task {
    return if !claim();
    local $SIG{PIPE} = 'IGNORE';
    my $found = find();
    if ($found > 0) { carry() if asked(5) == 1; abandon() }
    if ($found >= 0 && begin()) { carry() if asked(10) == 1; abandon(); ($pid, $born, $ends) = (0, 0, ''); note('off') }
    undef $born;
    %known = ();
    close $lock;
}
warm_task() if $warm ne '';
"""

# What a task does not need that an interpreter takes.
START = r"""
sub begin {
    pipe my $in, $to or return 0;
    pipe $from, my $out or return 0;
    $pid = fork;
    return 0 if !defined $pid;
    guard($in, $out) if !$pid;
    close $in;
    close $out;
    $born = birth($pid);
    $ends = fileno($to) . ' ' . fileno $from;
    fcntl $_, 4, 2048 for $to, $from;
    note('used');
    return 1;
}
sub waits_for_another {
    my ($file) = @_;
    sysread $file, my $text, 200;
    my ($state, $whose) = split ' ', $text // '';
    return 0 if ($state // '') ne 'idle' || ($whose // '') !~ /^[0-9]+\z/;
    open my $arguments, '<', "/proc/$whose/cmdline" or return 1;
    my $words = do { local $/; <$arguments> } // '';
    return index("\0$words", "\0$run\0") < 0;
}
sub guard {
    my ($in, $out) = @_;
    setpgrp 0, 0;
    close $_ for $said, $lock;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    open my $held, '<', $busy;
    (my $folder = $warm) =~ s{/[^/]*\z}{};
    opendir my $all, $folder;
    my ($ctid) = $warm =~ m{([^/.]*)\.[^/]*\z};
    for my $name (readdir $all) {
        my $old = "$folder/$name";
        unlink $old if $name =~ /\.([0-9]+)\.sock\z/ && !look($1);
        next if $name !~ /\.warm\z/;
        my $is_old = time - ((stat $old)[9] // time) >= 600;
        next if !$is_old && ($old eq $warm || index($name, "$ctid.") != 0);
        sysopen(my $file, $old, 0) or next;
        flock $file, 6 or next;
        unlink $old if $is_old || waits_for_another($file);
    }
    $SIG{CHLD} = sub { };
    my $child = fork;
    exit 1 if !defined $child;
    if (!$child) {
        $SIG{$_} = 'DEFAULT' for qw(CHLD PIPE);
        open STDIN, '<&', $in;
        open STDOUT, '>&', $out;
        my $shell = "cd \"\$HOME\" 2>/dev/null\nexec /bin/sh -c 'exec \"\$0\" -c \"\$1\"' \"\$0\" \"\$1\"";
        exec { $words[0] } @words[0 .. $#words - 1], $shell, $python, $helper;
        exit 127;
    }
    close $in;
    close $out;
    my ($seen, $looks, $ended, $pause) = (0, 0, 0, 5);
    my $listener = listener();
    while (!$ended) {
        my $bits = '';
        vec($bits, fileno $listener, 1) = 1 if $listener;
        my $news = select $bits, undef, undef, $pause;
        receive($listener) if $news > 0;
        while ((my $done = waitpid -1, 1) > 0) { $ended = 1 if $done == $child }
        next if $news && !$ended;
        sysopen(my $file, $warm, 2) or last;
        flock $file, 6 or next;
        sysread $file, my $text, 200;
        my ($state, $whose) = split ' ', $text // '';
        last if ($whose // 0) != $$;
        my $last = (stat $file)[9];
        $looks = $last == $seen ? $looks + 1 : 1;
        $seen = $last;
        next if !$ended && $state eq 'idle' && $looks < 7;
        unlink $warm;
        last;
    }
    unlink place() if $listener;
    $pid = $child;
    undef $born;
    sweep(['TERM', 2], ['KILL', 3]);
    exit 0;
}
sub abandon {
    sweep(['KILL', 3]);
    close $_ for $to, $from;
}
sub broken {
    sweep(['TERM', 5], ['KILL', 3]);
    unlink $warm;
    if (!defined $code) { deliver('e', "the interpreter in the container ended before its task\n") }
    over() if $client;
    exit($code // 137);
}
"""


# How Ansible starts a module that it sends through standard input; the second in ansible-core 2.19.
_COMMAND = re.compile(r"/bin/sh -c (?:(/[\w./+-]+)|'(/[\w./+-]+) && sleep 0')")
_MODULE = b"_ANSIBALLZ_WRAPPER = True"
_HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Warm:
    """The interpreter for a module, and how many bytes the module has."""

    python: str
    size: int

    def argv(self, run: str, method: str) -> list[str]:
        """Return the arguments for the script on the node."""
        text = program()
        key = hashlib.sha256("\0".join((run, method, self.python, text)).encode()).hexdigest()[:16]
        return [key, str(self.size), self.python, text]


def warm(command: str, data: bytes) -> Warm | None:
    """Return the interpreter that a command starts to run a module, None when the command does anything else."""
    found = _COMMAND.fullmatch(command)
    if found is None or _MODULE not in data[:20000]:
        return None
    return Warm(found.group(1) or found.group(2), len(data))


@functools.cache
def program() -> str:
    """Return the program of the warm interpreter in a container."""
    return joined(_HERE.joinpath("pct_helper.py"))


def joined(last: pathlib.Path) -> str:
    """Return a program of the files that both warm interpreters have, and one more."""
    paths = (*(_HERE.joinpath(f"pct_{name}.py") for name in ("library", "task")), last)
    first, *others = (path.read_text(encoding="utf-8") for path in paths)
    return first + re.sub(r"^from (?:__future__|\.[\w.]+) .*\n", "", "".join(others), flags=re.MULTILINE)
