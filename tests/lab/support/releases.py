# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site over HTTPS with an authority of its own: releases of `ollama` and `step`, a model registry, roots of step-ca.

No package registry has the two programs, so stand-ins are in the archives. They do at the edge what the real ones do:
the same command lines and environment, the same API, the same layout of the model store, the same files of a bootstrap.
They verify TLS by the trust store of the container. The stand-in of Ollama computes nothing.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
OLLAMA = '''#!/usr/bin/python3
"""A stand-in: the API and the model store of Ollama, without any computing."""
import hashlib, http.server, json, os, pathlib, sys, urllib.request

if sys.argv[1:] == ["--version"]:
    print("ollama version is @VERSION@")
    sys.exit(0)
assert sys.argv[1:] == ["serve"], sys.argv
STORE = pathlib.Path(os.environ["OLLAMA_MODELS"])
key = pathlib.Path(os.environ["HOME"], ".ollama", "id_ed25519")
key.parent.mkdir(exist_ok=True)
key.touch()  # the real one keeps a key there
for folder in ("blobs", "manifests"):
    (STORE / folder).mkdir(parents=True, exist_ok=True)


def pull(name):
    rest, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
    host, _, path = rest.partition("/")
    base = f"https://{host}/v2/{path}"
    text = urllib.request.urlopen(f"{base}/manifests/{tag}", timeout=20).read()
    manifest = json.loads(text)
    for layer in [manifest["config"], *manifest["layers"]]:
        data = urllib.request.urlopen(f"{base}/blobs/{layer['digest']}", timeout=20).read()
        assert "sha256:" + hashlib.sha256(data).hexdigest() == layer["digest"], "digest mismatch"
        (STORE / "blobs" / layer["digest"].replace(":", "-")).write_bytes(data)
    file = STORE / "manifests" / host / path / tag
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text)


class Api(http.server.BaseHTTPRequestHandler):
    def answer(self, value, code=200):
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json; charset=utf-8")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/api/version":
            return self.answer({"version": "@VERSION@"})
        root = STORE / "manifests"
        files = [file.relative_to(root) for file in root.rglob("*") if file.is_file()]
        names = [f"{file.parent}:{file.name}" for file in sorted(files)]
        self.answer({"models": [{"name": name, "model": name} for name in names] or None})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert self.path == "/api/pull" and asked["stream"] is False
        try:
            pull(asked["model"])
        except (OSError, AssertionError) as error:
            return self.answer({"error": f"pull model manifest: {error}"}, 500)
        self.answer({"status": "success"})


host, _, port = os.environ["OLLAMA_HOST"].rpartition(":")
http.server.ThreadingHTTPServer((host.strip("[]"), int(port)), Api).serve_forever()
'''
STEP = '''#!/usr/bin/python3
"""A stand-in: the version, the bootstrap and the fingerprint of step."""
import hashlib, json, os, pathlib, ssl, sys, urllib.request


def fingerprint(text):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()


words = sys.argv[1:]
if words == ["version"]:
    print("Smallstep CLI/@VERSION@ (linux/amd64)")
elif words[:2] == ["certificate", "fingerprint"]:
    print(fingerprint(pathlib.Path(words[2]).read_text().strip()))
elif words[:2] == ["ca", "bootstrap"]:
    given = dict(zip(words[2:6:2], words[3:6:2]))
    url, wanted = given["--ca-url"], given["--fingerprint"]
    unverified = ssl._create_unverified_context()  # the fingerprint is what counts
    with urllib.request.urlopen(f"{url}/root/{wanted}", context=unverified, timeout=20) as answer:
        root = json.load(answer)["ca"]
    if fingerprint(root.strip()) != wanted:
        sys.exit("error downloading root certificate: root certificate SHA256 fingerprint does not match")
    home = pathlib.Path(os.environ["STEPPATH"])
    place, config = home / "certs" / "root_ca.crt", home / "config" / "defaults.json"
    if config.exists() and "--force" not in words:
        sys.exit("config exists, and nobody is there to ask")
    for file in (place, config):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.write_text(root)
    kept = {"ca-url": url, "fingerprint": wanted, "root": str(place), "redirect-url": ""}
    config.write_text(json.dumps(kept, indent="\\t"))
else:
    sys.exit(f"unknown command: {words}")
'''
SERVER = """
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[2])), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/../server.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@dataclass(frozen=True)
class Authority:
    """A certificate that signs others, with its key."""

    key: Path
    certificate: Path

    @property
    def text(self) -> str:
        """The certificate in PEM form."""
        return self.certificate.read_text(encoding='utf-8')

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as step writes it."""
        return hashlib.sha256(openssl('x509', '-in', str(self.certificate), '-outform', 'DER')).hexdigest()


def openssl(*words: str) -> bytes:
    """What a command of OpenSSL prints."""
    return subprocess.run(['openssl', *words], check=True, capture_output=True, timeout=60).stdout


def certificate(folder: Path, name: str, authority: bool = True, days: int = 30) -> Authority:
    """A self-signed certificate, that of an authority or not."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Authority(folder / f'{name}.key', folder / f'{name}.pem')
    key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', str(made.key)]
    kind = f'basicConstraints=critical,CA:{str(authority).upper()}'
    request = folder / f'{name}.csr'
    openssl('req', *key, '-subj', f'/CN={name}', '-addext', kind, '-out', str(request))
    # In two steps: `req -x509` makes no certificate that has expired already.
    signed = ['-signkey', str(made.key), '-copy_extensions', 'copy', '-days', str(days), '-out', str(made.certificate)]
    openssl('x509', '-req', '-in', str(request), *signed)
    return made


def server_certificate(folder: Path, authority: Authority, address: str) -> Path:
    """Key and certificate of a server at an address, in one file."""
    key, request, signed = folder / 'server.key', folder / 'server.csr', folder / 'server.crt'
    curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', str(key)]
    openssl('req', *curve, '-subj', '/CN=releases', '-addext', f'subjectAltName=IP:{address}', '-out', str(request))
    issuer = ['-CA', str(authority.certificate), '-CAkey', str(authority.key), '-CAcreateserial']
    openssl(
        'x509', '-req', '-in', str(request), *issuer, '-copy_extensions', 'copy', '-days', '30', '-out', str(signed)
    )
    whole = folder / 'server.pem'
    whole.write_text(key.read_text(encoding='utf-8') + signed.read_text(encoding='utf-8'), encoding='utf-8')
    return whole


def archive(file: Path, program: str, text: str, version: str) -> str:
    """A release with one program; its checksum as the roles take it."""
    folder = file.parent / f'{file.name}.d' / program.partition('/')[0]
    target = folder.parent / program
    target.parent.mkdir(parents=True)
    target.write_text(text.replace('@VERSION@', version), encoding='utf-8')
    target.chmod(0o755)
    with tarfile.open(file, 'w:gz') as tar:
        tar.add(folder, folder.name)
    return f'sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}'


def model(folder: Path, name: str, tag: str = 'latest') -> None:
    """A model of a few bytes in a registry that is only files."""
    layers = []
    for kind, data in (('config', b'{"model_format":"gguf"}'), ('model', f'weights of {name}'.encode())):
        digest = f'sha256:{hashlib.sha256(data).hexdigest()}'
        blob = folder / 'v2' / name / 'blobs' / digest
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        layers.append({'mediaType': f'application/{kind}', 'digest': digest, 'size': len(data)})
    text = {'schemaVersion': 2, 'mediaType': MANIFEST, 'config': layers[0], 'layers': layers[1:]}
    file = folder / 'v2' / name / 'manifests' / tag
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(text), encoding='utf-8')
