#!/bin/sh
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The demo's first application: HTTP on port 8080 from a Docker container. Nothing is pulled, the image is made here, of
# one static program. Repeatable.
set -eu
export DEBIAN_FRONTEND=noninteractive

if ! command -v busybox >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends busybox-static
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/www"
cp /bin/busybox "$root/bin/busybox"
cat > "$root/www/index.html" <<PAGE
{"service": "phoenix-demo", "from": "docker", "host": "$(hostname)"}
PAGE
tar -C "$root" -c . | docker import - phoenix-demo:1 >/dev/null

docker rm --force phoenix-demo >/dev/null 2>&1 || true
# --init: busybox as the first process would take no notice of the signal that ends it, and a reboot wait 10 s for it.
docker run --detach --init --name phoenix-demo --restart unless-stopped --publish 8080:80 \
  phoenix-demo:1 /bin/busybox httpd -f -p 80 -h /www >/dev/null
echo 'phoenix-demo answers on port 8080, from under Docker'
