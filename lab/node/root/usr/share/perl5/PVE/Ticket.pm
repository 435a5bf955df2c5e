# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
package PVE::Ticket;

# Signs what it is handed with the key that it is handed, in the form that the lab's control plane checks
# (controlplane/api/signed.py).

use strict;
use warnings;

use Digest::SHA;
use MIME::Base64;
use PhoenixLab;

PhoenixLab::work('perl-ticket-seconds');

sub assemble_rsa_ticket {
    my ($key, $prefix, $user) = @_;
    my $plain = sprintf('%s:%s:%08X', $prefix, $user, time());
    return $plain . '::' . encode_base64($key->sign($plain), '');
}

sub assemble_csrf_prevention_token {
    my ($secret, $user) = @_;
    my $begin = sprintf('%08X', time());
    return "$begin:" . Digest::SHA::hmac_sha256_base64("$begin:$user", $secret);
}

1;
