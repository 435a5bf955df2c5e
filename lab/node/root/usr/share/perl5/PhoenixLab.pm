# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
package PhoenixLab;

# What the stand-ins of PVE's modules share.

use strict;
use warnings;

# What loading the real module costs, as phoenix_node/perl.py has it for pct: only where a measurement asks for it.
sub work {
    my ($name) = @_;
    open(my $file, '<', "/etc/phoenix-lab/$name") or return;
    my $end = <$file> + (times)[0] + (times)[1];
    1 while (times)[0] + (times)[1] < $end;
}

1;
