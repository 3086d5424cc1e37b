"""Setting up a clone keeps its word: nothing outside of it, or one sentence on what is missing.

A loopback server is the package index, with a certificate of an authority of its own, as behind a
proxy that opens TLS. uv is the real one, and the home directory is none.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import ssl
import subprocess
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).parents[1]
SCRIPT = "source scripts/_env && python -c 'import tiny, matinv; print(matinv.__file__)'"

# A project that needs nothing to be built, in place of ours.
PYPROJECT = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "matinv"
version = "1"
"""
BACKEND = """import zipfile
from pathlib import Path

def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "matinv-1.dist-info"
    with zipfile.ZipFile(Path(folder) / "matinv-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("matinv.pth", str(Path.cwd() / "functions"))
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: matinv\\nVersion: 1\\n")
        tags = "Root-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\\n{tags}")
        wheel.writestr(f"{info}/RECORD", "")
    return "matinv-1-py3-none-any.whl"
"""


def wheel_of_tiny() -> bytes:
    info = "tiny-1.dist-info"
    files = {
        "tiny.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return content.getvalue()


WHEEL = wheel_of_tiny()
WHEEL_NAME = "tiny-1-py3-none-any.whl"


class Index(BaseHTTPRequestHandler):
    """A package index with one package."""

    def do_GET(self) -> None:
        if self.path.endswith(WHEEL_NAME):
            self._answer(WHEEL, "application/zip")
        elif self.path == "/simple/tiny/":
            self._answer(f'<a href="/{WHEEL_NAME}">{WHEEL_NAME}</a>'.encode(), "text/html")
        else:
            self.send_error(404)

    def _answer(self, content: bytes, media_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def signed(folder: Path) -> tuple[Path, Path]:
    """Write an authority, and a certificate of it for 127.0.0.1 with its key."""
    now = datetime.now(UTC)

    def certificate(
        name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        names = [
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (name, issuer)
        ]
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(name == issuer, None), critical=True)
        )
        if name != issuer:
            address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
            builder = builder.add_extension(address, critical=False)
        return builder.sign(by, hashes.SHA256())

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = serialization.Encoding.PEM
    authority, served = folder / "authority.pem", folder / "served.pem"
    authority.write_bytes(certificate("proxy", ca_key, "proxy", ca_key).public_bytes(pem))
    served.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate("index", key, "proxy", ca_key).public_bytes(pem)
    )
    return authority, served


@dataclass(frozen=True)
class Clone:
    """A clone in a folder of its own, with an index that only its authority vouches for."""

    folder: Path
    authority: Path
    index: str

    def set_up(self, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", SCRIPT],
            cwd=self.folder,
            env=self.environment(env),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        tools = f"{ROOT}/.tools/uv/bin:{os.environ['PATH']}"
        own = {"PATH": tools, "HOME": "/dev/null/none", "UV_DEFAULT_INDEX": self.index}
        return own | {"UV_HTTP_RETRIES": "0"} | more


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    authority, served = signed(tmp_path)
    folder = tmp_path / "only" / "a clone"
    (folder / "scripts").mkdir(parents=True)
    (folder / "functions").mkdir()
    (folder / "functions" / "matinv.py").touch()
    shutil.copy(ROOT / "scripts" / "_env", folder / "scripts")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    lock = f"tiny==1 --hash=sha256:{hashlib.sha256(WHEEL).hexdigest()}\n"
    (folder / "scripts" / "requirements-dev.txt").write_text(lock)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served)
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Clone(folder, authority, f"https://127.0.0.1:{server.server_port}/simple")
        server.shutdown()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_it_installs_into_the_clone_alone_and_trusts_the_authority_of_a_proxy(
    clone: Clone, variable: str
) -> None:
    done = clone.set_up(**{variable: str(clone.authority)})
    assert done.stdout.strip() == str(clone.folder / "functions" / "matinv.py"), done.stderr
    assert (clone.folder / ".cache" / "uv").is_dir()
    assert [path.name for path in clone.folder.parent.iterdir()] == ["a clone"]


def test_a_second_run_needs_no_index(clone: Clone) -> None:
    first = clone.set_up(SSL_CERT_FILE=str(clone.authority))
    again = clone.set_up(UV_DEFAULT_INDEX="https://127.0.0.1:9/simple")
    assert again.stdout == first.stdout
    assert again.stderr == ""


def test_a_certificate_that_nobody_vouches_for_is_named_in_one_sentence(clone: Clone) -> None:
    done = clone.set_up()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "matinv: installing .venv failed: the package index's certificate is not trusted; "
        "set SSL_CERT_FILE to the file of your proxy's authority"
    )


def test_a_missing_network_is_named_in_one_sentence(clone: Clone) -> None:
    done = clone.set_up(UV_DEFAULT_INDEX="https://127.0.0.1:9/simple")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "matinv: installing .venv failed: no package index can be reached; connect to a network, "
        "or name your proxy (HTTPS_PROXY) or your index (UV_DEFAULT_INDEX, PIP_INDEX_URL)"
    )


def test_a_missing_python_is_named_in_one_sentence(clone: Clone, tmp_path: Path) -> None:
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("bash", "cksum", "dirname"):
        (commands / name).symlink_to(shutil.which(name) or "")
    done = clone.set_up(PATH=str(commands))
    assert done.returncode == 1
    assert done.stderr == "matinv: needs Python 3.11 or newer on PATH; found none\n"


SCRIPTS = sorted(
    path.name
    for path in (ROOT / "scripts").iterdir()
    if os.access(path, os.X_OK) and path.is_file() and not path.name.startswith("_")
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_does(name: str) -> None:
    command = [ROOT / "scripts" / name, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"scripts/{name}" in done.stdout
    assert "#" not in done.stdout.splitlines()[0]


def test_the_scripts_are_those_of_the_readme() -> None:
    listed = re.findall(r"^\| `scripts/(\w+)", (ROOT / "scripts/README.md").read_text(), re.M)
    assert set(listed) == set(SCRIPTS)
