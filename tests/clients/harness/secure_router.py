"""A router that speaks TLS, and its certificate."""

import datetime
import re
import ssl
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .router import REFUSED, START_S, STOP_S

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def write_certificate(folder, name, authority=None):
    """A certificate for localhost and its key, in the files of the router; the authority's folder vouches for it, or it itself.
    Returns its SHA-256."""
    key = signing = ec.generate_private_key(ec.SECP256R1())
    subject = issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    if authority:
        issuer = x509.load_pem_x509_certificate((authority / "chain.pem").read_bytes()).subject
        signing = serialization.load_pem_private_key((authority / "key.pem").read_bytes(), None)
    folder.mkdir(exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=not authority, path_length=None), critical=True)
        .sign(signing, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "chain.pem").write_bytes(certificate.public_bytes(pem))
    kind = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, kind, serialization.NoEncryption()))
    return certificate.fingerprint(hashes.SHA256()).hex()


class SecureRouter:
    """A router that speaks TLS, on a port of its own."""

    def __init__(self, binary, configuration, folder, log, more=""):
        io, shards = configuration.split("-")
        self.folder, self.log = folder, log
        write_certificate(folder, "first")
        config = folder / "connectanum.toml"
        config.write_text(
            f'[router]\nlisten = ["wss://127.0.0.1:0"]\nio = "{io}"\nshards = {shards}\n'
            '[[tls.certificate]]\nchain = "chain.pem"\nkey = "key.pem"\n'
            + more
        )
        with log.open("wb") as output:
            self.process = subprocess.Popen([binary, "--config", config], stdout=output, stderr=subprocess.STDOUT)
        try:
            self.port = int(self.said(r"wss://127\.0\.0\.1:(\d+)/ws"))
        except BaseException:
            self.stop()
            raise

    def said(self, pattern):
        """What the router says once that matches; waits for it."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            output = self.log.read_text(errors="replace")
            if found := re.search(pattern, output):
                return found[1]
            if REFUSED in output:
                pytest.skip(output.strip().splitlines()[-1])
            time.sleep(0.02)
        raise AssertionError(f"{pattern} is not in\n{self.log.read_text()}")

    def trusting(self, version):
        """How a client connects that trusts the certificate of now."""
        context = ssl.create_default_context(cafile=self.folder / "chain.pem")
        context.minimum_version = context.maximum_version = VERSIONS[version]
        return context

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(STOP_S)
        finally:
            self.process.kill()
