# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
package PVE::AccessControl;

# The two functions with which root on a node makes a ticket without a password. The real ones sign with the node's
# key; these ask the lab's control plane over a socket that only root can open.

use strict;
use warnings;

use IO::Socket::UNIX;
use JSON::PP;
use PhoenixLab;

PhoenixLab::work('perl-start-seconds');

# A token belongs to the ticket of the same user made in the same process, as on a real node.
my %made;

sub ask {
    my ($user) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => '/run/phoenix-lab/root.sock')
	or die "unable to reach the control plane: $!\n";
    $socket->autoflush(1);
    print $socket encode_json({ op => 'ticket', user => $user }), "\n";
    my $answer = decode_json(scalar <$socket>);
    die "$answer->{error}\n" if $answer->{error};
    return $answer;
}

sub assemble_ticket {
    my ($user) = @_;
    $made{$user} = ask($user);
    return $made{$user}->{ticket};
}

sub assemble_csrf_prevention_token {
    my ($user) = @_;
    $made{$user} //= ask($user);
    return $made{$user}->{csrf};
}

1;
