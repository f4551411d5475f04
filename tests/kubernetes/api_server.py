"""A Kubernetes API: etcd and kube-apiserver as processes of a test run, on free ports of this machine and in a folder of their own.

Nothing runs pods: what is admitted stays an object.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import urllib3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.kfp_server.serving import free_port
from tests.kubernetes.installed import run, tool

from kubernetes import client

# They are untyped.
crypt: Any = import_module("google.auth.crypt")
jwt: Any = import_module("google.auth.jwt")

_ADMIN_TOKEN = "of-the-administrator"  # noqa: S105 - of a server on this machine
_START_SECONDS = 120.0
_POLL_SECONDS = 0.1
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesApi:
    """An API server that answers.

    Attributes:
        url: Where it is.
        folder: Where its certificates, keys and log are.
    """

    url: str
    folder: Path

    @property
    def certificate(self) -> Path:
        """What the server proves with who it is."""
        return self.folder / "certificates" / "apiserver.crt"

    def administrator(self) -> client.ApiClient:
        """Returns a client that may do everything."""
        configuration = client.Configuration(host=self.url)
        configuration.ssl_ca_cert = str(self.certificate)
        configuration.api_key = {"authorization": f"Bearer {_ADMIN_TOKEN}"}
        return client.ApiClient(configuration)

    def kubectl(self, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        """Runs kubectl as an administrator to its end, with a text to read."""
        options = ("--server", self.url, "--token", _ADMIN_TOKEN, "--certificate-authority", str(self.certificate))
        places = ("--kubeconfig", os.devnull, "--cache-dir", str(self.folder / "kubectl"))
        return run(tool("kubernetes-api"), "kubectl", *arguments, *options, *places, given=given)

    def apply(self, text: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """Applies manifests on the server's side, where no field may be one that it does not know."""
        return self.kubectl("apply", "--server-side", "--validate=strict", "--filename=-", *options, given=text)

    def token(self, account: str, namespace: str, audience: str, lifetime: timedelta = timedelta(minutes=10)) -> str:
        """Returns a token of a service account; Kubernetes issues none for less than ten minutes."""
        spec = client.V1TokenRequestSpec(audiences=[audience], expiration_seconds=int(lifetime.total_seconds()))
        core = client.CoreV1Api(self.administrator())
        made = core.create_namespaced_service_account_token(
            account, namespace, client.AuthenticationV1TokenRequest(spec=spec)
        )
        return str(made.status.token)

    def signed(self, token: str, shift: timedelta) -> str:
        """Returns a token of the server, signed anew with its times shifted."""
        claims = jwt.decode(token, verify=False)
        moved = {name: claims[name] + int(shift.total_seconds()) for name in ("iat", "nbf", "exp")}
        key = jwt.decode_header(token)["kid"]
        signer = crypt.RSASigner.from_string(_private_key(self.folder).read_bytes(), key)
        made: bytes = jwt.encode(signer, {**claims, **moved})
        return made.decode()


@contextmanager
def kubernetes_api(folder: Path) -> Iterator[KubernetesApi]:
    """Yields an API server, which has its own etcd and is gone afterwards.

    Args:
        folder: Where its files go.
    """
    _make_keys(folder)
    (folder / "tokens.csv").write_text(f"{_ADMIN_TOKEN},administrator,administrator,system:masters\n", encoding="utf-8")
    etcd, peer, port = (free_port() for _ in range(3))
    with _process(folder, "etcd", _etcd_options(folder, etcd, peer)):
        api = KubernetesApi(url=f"https://{_HOST}:{port}", folder=folder)
        with _process(folder, "kube-apiserver", _api_server_options(folder, etcd, port)) as process:
            _wait(api, process)
            yield api


def _etcd_options(folder: Path, port: int, peer: int) -> dict[str, Any]:
    client_url, peer_url = f"http://{_HOST}:{port}", f"http://{_HOST}:{peer}"
    return {
        "data-dir": folder / "etcd",
        "listen-client-urls": client_url,
        "advertise-client-urls": client_url,
        "listen-peer-urls": peer_url,
        "initial-advertise-peer-urls": peer_url,
        "initial-cluster": f"default={peer_url}",
        # The database outlives nothing.
        "unsafe-no-fsync": "true",
        "log-level": "error",
    }


def _api_server_options(folder: Path, etcd: int, port: int) -> dict[str, Any]:
    return {
        "etcd-servers": f"http://{_HOST}:{etcd}",
        "bind-address": _HOST,
        "advertise-address": _HOST,
        "secure-port": port,
        "cert-dir": folder / "certificates",
        "token-auth-file": folder / "tokens.csv",
        "authorization-mode": "RBAC",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": folder / "accounts.pub",
        "service-account-signing-key-file": _private_key(folder),
        "service-cluster-ip-range": "10.0.0.0/24",
        "endpoint-reconciler-type": "none",
    }


def _private_key(folder: Path) -> Path:
    return folder / "accounts.key"


def _make_keys(folder: Path) -> None:
    """Makes the keys that sign the tokens of service accounts."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _private_key(folder).write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    (folder / "accounts.pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@contextmanager
def _process(folder: Path, name: str, options: dict[str, Any]) -> Iterator["subprocess.Popen[bytes]"]:
    command = [tool("kubernetes-api"), name, *(f"--{key}={value}" for key, value in options.items())]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _wait(api: KubernetesApi, process: "subprocess.Popen[bytes]") -> None:
    """Returns when the server is ready."""
    limit = time.monotonic() + _START_SECONDS
    while not _is_ready(api):
        log = (api.folder / "kube-apiserver.log").read_text(errors="replace")[-4000:]
        assert process.poll() is None, log
        assert time.monotonic() < limit, log
        time.sleep(_POLL_SECONDS)


def _is_ready(api: KubernetesApi) -> bool:
    # Written when the server starts.
    if not api.certificate.is_file():
        return False
    with suppress(client.ApiException, urllib3.exceptions.HTTPError):
        version = client.VersionApi(api.administrator()).get_code()
        ready = api.administrator().call_api("/readyz", "GET", auth_settings=["BearerToken"], response_type="str")
        return bool(version.major) and ready[1] == 200
    return False
