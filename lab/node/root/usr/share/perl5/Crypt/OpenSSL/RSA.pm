# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
package Crypt::OpenSSL::RSA;

# A key that signs. The signature is a hash with the key's text, which the lab's control plane knows too; a real one has
# the public key.

use strict;
use warnings;

use Digest::SHA;

sub new_private_key {
    my ($class, $text) = @_;
    die "unrecognized key format\n" if $text !~ m/^-----BEGIN (?:RSA )?PRIVATE KEY-----/;
    return bless({ text => $text }, $class);
}

sub sign {
    my ($self, $plain) = @_;
    return Digest::SHA::hmac_sha256($plain, $self->{text});
}

1;
