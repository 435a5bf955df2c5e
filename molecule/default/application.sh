#!/bin/sh
# Appends, so that a second run of it would show.
set -eu
echo "application of ${PHOENIX_CTID}" >> /srv/molecule
