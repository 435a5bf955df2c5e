#!/bin/sh
# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The demo's second application: a plain web service, an HTTP server on port 8080 that answers one line of JSON. Repeatable.
set -eu
export DEBIAN_FRONTEND=noninteractive

# The Python modules that the service imports: a guest may only have the interpreter's core.
if ! python3 -c 'import http.server, json' 2>/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3
fi

cat > /usr/local/bin/phoenix-clock <<'PYTHON'
#!/usr/bin/python3
import http.server
import json
import socket
import time

STARTED = time.time()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        line = json.dumps({'service': 'phoenix-clock', 'host': socket.gethostname(), 'up_seconds': round(time.time() - STARTED)})
        body = line.encode() + b'\n'
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


http.server.ThreadingHTTPServer(('0.0.0.0', 8080), Handler).serve_forever()
PYTHON
chmod 0755 /usr/local/bin/phoenix-clock

cat > /etc/systemd/system/phoenix-clock.service <<'UNIT'
[Unit]
Description=Phoenix clock
After=network.target

[Service]
ExecStart=/usr/local/bin/phoenix-clock
DynamicUser=yes
Restart=on-failure

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now phoenix-clock.service
systemctl restart phoenix-clock.service
echo 'phoenix-clock answers on port 8080'
