"""The connection to a Kubeflow Pipelines server: where it is, who asks, and what its refusals mean."""

import contextlib
import io
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from kfp import Client
from kfp.client import ServiceAccountTokenVolumeCredentials
from kfp_server_api import ApiException

from edgequant.errors import ConfigError, EdgequantError
from edgequant.unanswered import cause_of

TOKEN = "KF_PIPELINES_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_PATH = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105
ENDPOINT = "KF_PIPELINES_ENDPOINT"
UI_ENDPOINT = "KF_PIPELINES_UI_ENDPOINT"
# Where a pod finds its projected token when the variable is not set, and the namespace it is in.
_PROJECTED = Path("/var/run/secrets/kubeflow/pipelines/token")
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NO_KUBECONFIG = "Failed to load kube config"
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


class KubeflowError(EdgequantError):
    """Kubeflow Pipelines cannot be reached, or did not take a request.

    Args:
        message: What is wrong.
        status: The HTTP status; 0 when there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def ambiguous(self) -> bool:
        """Whether the request may have been carried out all the same."""
        return self.status in (0, 408, 409, 429) or self.status >= 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A server that has answered.

    Attributes:
        client: KFP's client.
        host: Where it is, for people.
        ui: Where its pages are; "" where that is not known, and links are relative to it.
        namespace: The user's namespace; "" on a single-user installation.
        timeout_s: How long a request may take.
        settle_s: The pauses before looking again for a run whose creation was not answered.
    """

    client: Any
    host: str
    ui: str = ""
    namespace: str = ""
    timeout_s: float = 60.0
    settle_s: tuple[float, ...] = (1.0, 3.0, 6.0)

    def run_url(self, run_id: str) -> str:
        """Returns the page of a run."""
        return f"{self.ui}/#/runs/details/{run_id}"

    def where(self) -> dict[str, str]:
        """Returns what requests that list things are given: the namespace, where there are several."""
        return {"namespace": self.namespace} if self.namespace else {}

    def request(self) -> dict[str, Any]:
        """Returns what every request is given: without a limit of its own, KFP's client waits forever."""
        return {"_request_timeout": (min(self.timeout_s, 10.0), self.timeout_s)}


class _Client(Client):  # type: ignore[misc]
    """KFP's client, but for what it does in passing.

    Its constructor asks the server five times with stack traces in the log, and writes the namespace to the home
    directory, which is read-only in a container.
    """

    timeout = (10.0, 60.0)

    def _load_config(self, *arguments: Any, **options: Any) -> Any:
        # It prints that it found no kubeconfig, and goes on with a host of its own.
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            config = super()._load_config(*arguments, **options)
        if _NO_KUBECONFIG in printed.getvalue():
            raise ConfigError(
                f"host: none is given, this is no pod, and there is no kubeconfig; give --host or set {ENDPOINT}"
            )
        # Reading is tried again; creating never is without looking first.
        config.retries = urllib3.Retry(
            total=3,
            connect=1,
            backoff_factor=0.3,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET", "HEAD", "DELETE"),
            raise_on_status=False,
        )
        return config

    def _get_config_with_default_credentials(self, config: Any) -> Any:
        # In a pod, without a host.
        token = os.environ.get(TOKEN, "").strip()
        if not token:
            return super()._get_config_with_default_credentials(config)
        config.api_key["authorization"] = token
        config.api_key_prefix["authorization"] = "Bearer"
        return config

    def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
        del sleep_duration
        return self._healthz_api.healthz_service_get_healthz(_request_timeout=self.timeout)

    def set_user_namespace(self, namespace: str) -> None:
        self._context_setting["namespace"] = namespace


def connect(host: str = "", namespace: str = "", *, timeout_s: float = 60.0) -> Connection:
    """Returns a connection to a server that answers.

    With a host, or KF_PIPELINES_ENDPOINT: by a bearer token in KF_PIPELINES_TOKEN, or the projected service account
    token at KF_PIPELINES_SA_TOKEN_PATH, which is read again at every request. Without: the service of the cluster that
    this process is in, else the cluster of the kubeconfig file.

    Args:
        host: The server's URL; "" for the environment's.
        namespace: The user's namespace on a multi-user installation; "" for the pod's own, if any.
        timeout_s: How long a request may take.

    Raises:
        ConfigError: The host is no URL, none is known, or a namespace is given or missing, which the installation has not or needs.
        KubeflowError: The server cannot be reached, or refuses the credentials.
    """
    host = _checked(host or os.environ.get(ENDPOINT, ""))
    where = host or "the cluster"
    _Client.timeout = (min(timeout_s, 10.0), timeout_s)
    with asked("cannot be asked how it is", where), warnings.catch_warnings():
        # That it works with versions from 2.0.0-beta.2 only.
        warnings.filterwarnings("ignore", category=FutureWarning)
        client = _Client(host=host or None, **_credentials(host))
        where = host or str(client._existing_config.host).rstrip("/")
        multi_user = bool(client.get_kfp_healthz().multi_user)
    if namespace and not multi_user:
        raise ConfigError(
            f"namespace: {namespace!r} is given, and {where} is a single-user installation, which has no namespaces for runs; leave it out"
        )
    if namespace:
        client.set_user_namespace(namespace)
    found = str(client.get_user_namespace() or "")
    if multi_user and not found:
        raise ConfigError(f"namespace: {where} is a multi-user installation; give --namespace")
    ui = (os.environ.get(UI_ENDPOINT) or host).rstrip("/")
    return Connection(client=client, host=where, ui=ui, namespace=found, timeout_s=timeout_s)


@contextmanager
def asked(what: str, host: str) -> Iterator[None]:
    """Turns what KFP's client raises into one line.

    Args:
        what: What could not be done, such as "the run cannot be created".
        host: Where it was asked.

    Raises:
        KubeflowError: Any of it.
    """
    try:
        yield
    except ApiException as error:
        raise KubeflowError(_refusal(what, host, error), int(error.status or 0)) from error
    except urllib3.exceptions.MaxRetryError as error:
        raise KubeflowError(f"Kubeflow Pipelines at {host} cannot be reached: {cause_of(error)}") from error
    except urllib3.exceptions.HTTPError as error:
        raise KubeflowError(f"Kubeflow Pipelines at {host}: {what}: {cause_of(error)}") from error


def _refusal(what: str, host: str, error: ApiException) -> str:
    start = f"Kubeflow Pipelines at {host}"
    if error.status == _UNAUTHORIZED:
        return f"{start} refuses the credentials (401): the token is missing, expired or of another audience; {_token_advice()}"
    if error.status == _FORBIDDEN:
        return f"{start}: {what}: the account may not (403): {_message(error)}"
    return f"{start}: {what} ({error.status}): {_message(error)}"


def _token_advice() -> str:
    if os.environ.get(TOKEN):
        return f"{TOKEN} is set: renew it"
    path = _token_path()
    return f"it was read from {path}" if path else f"set {TOKEN}, or {TOKEN_PATH} to the file of a projected token"


def _message(error: ApiException) -> str:
    """Returns the sentence of the server's answer."""
    try:
        body = json.loads(error.body)
        text = str(body.get("message") or body.get("error") or error.reason)
    except (TypeError, ValueError, AttributeError):
        text = str(error.reason or error.body)
    return " ".join(text.split()) or "no reason given"


def _checked(host: str) -> str:
    if not host:
        return ""
    try:
        parts = urlsplit(host)
        password = parts.password
    except ValueError as error:
        raise ConfigError(f"host: {host!r} is not a URL ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(f"host: {host!r} is not a URL; one that begins with http:// or https:// is needed")
    if password is not None:
        raise ConfigError(f"host: holds a password; give a token in {TOKEN}")
    return host.rstrip("/")


def _token_path() -> Path | None:
    named = os.environ.get(TOKEN_PATH)
    if named:
        return Path(named)
    return _PROJECTED if _PROJECTED.is_file() else None


def _credentials(host: str) -> dict[str, Any]:
    """Returns what KFP's client is given to prove who asks."""
    token = os.environ.get(TOKEN, "").strip()
    if token and host:
        # Given a token and no host, KFP's client asks localhost, and looks for neither a pod's cluster nor a kubeconfig.
        return {"existing_token": token}
    path = _token_path()
    if path is None or not host:
        # In a pod, KFP's client finds the token by itself.
        return {}
    if not path.is_file():
        raise ConfigError(f"{TOKEN_PATH}: {path} is not a file")
    # With a host, KFP's client looks for no token unless it is told to.
    return {"credentials": ServiceAccountTokenVolumeCredentials(path=str(path))}
