#!/bin/sh
# The application of container 950, run inside it after all features. Its exit code is obeyed; run again, it must do no harm.
# Serves one page; put your own service here.
set -eu
mkdir -p /srv/www
printf 'served by %s (%s)\n' "$PHOENIX_NAME" "$PHOENIX_CTID" >/srv/www/index.html
cat >/etc/systemd/system/page.service <<'UNIT'
[Service]
ExecStart=/usr/bin/python3 -m http.server 8000 --directory /srv/www
DynamicUser=yes
Restart=on-failure
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable page.service
systemctl restart page.service
