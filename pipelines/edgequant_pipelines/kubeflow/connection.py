"""The connection to a Kubeflow Pipelines server: its address, the credentials, and its errors."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from kfp_server_api import ApiException
from kfp_server_api.exceptions import OpenApiException

from edgequant.connection_errors import cause_of
from edgequant.errors import ConfigError, EdgequantError
from edgequant_pipelines.kubeflow.credentials import TOKEN, TokenFileError, credentials, token_advice
from edgequant_pipelines.kubeflow.kfp_client import ENDPOINT, NotKubeflowError, QuietClient
from edgequant_pipelines.kubeflow.refusals import Refusal, read_refusal

UI_ENDPOINT = "KF_PIPELINES_UI_ENDPOINT"
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
# gRPC's status code NOT_FOUND, in the body of KFP's own answers.
_NO_SUCH_THING = 5


class KubeflowError(EdgequantError):
    """Kubeflow Pipelines cannot be reached, or refused a request.

    Args:
        message: The message.
        status: The HTTP status; 0 if there was no answer, 401 if a login page answered. KFP's upload endpoints answer 400 to every
            error, which becomes 403 for missing rights and 503 for transient errors.
        code: The gRPC code in KFP's own answer; 0 for an answer of another server, such as a gateway.
    """

    def __init__(self, message: str, status: int = 0, code: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def forbidden(self) -> bool:
        """Whether the account lacks the right."""
        return self.status == _FORBIDDEN

    @property
    def not_found(self) -> bool:
        """Whether KFP itself answered that the object does not exist; a gateway's 404 may mean that KFP is down."""
        return self.status == _NOT_FOUND and self.code == _NO_SUCH_THING

    @property
    def ambiguous(self) -> bool:
        """Whether the request may have been executed although it failed."""
        return self.status in (0, 408, 409, 429) or self.status >= 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection to a server that has answered.

    Attributes:
        client: KFP's client.
        host: The server's address, for messages.
        ui: The address of its UI; "" if unknown, and links are paths.
        namespace: The user's namespace; "" on a single-user installation.
        timeout_s: The timeout of a request.
        settle_s: The pauses between look-ups after a creation that was not answered.
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

    def schedule_url(self, schedule_id: str) -> str:
        """Returns the page of a recurring run."""
        return f"{self.ui}/#/recurringrun/details/{schedule_id}"

    def where(self) -> dict[str, str]:
        """Returns the arguments of list requests: the namespace on a multi-user installation."""
        return {"namespace": self.namespace} if self.namespace else {}

    def request(self) -> dict[str, Any]:
        """Returns the arguments of every request: the timeout, without which KFP's client waits forever."""
        return {"_request_timeout": (min(self.timeout_s, 10.0), self.timeout_s)}


def connect(host: str = "", namespace: str = "", *, timeout_s: float = 60.0) -> Connection:
    """Returns a connection to a server that answers.

    With a host, or KF_PIPELINES_ENDPOINT: by a bearer token in KF_PIPELINES_TOKEN, or the projected service account
    token at KF_PIPELINES_SA_TOKEN_PATH, which is read again at every request. Without: the service of the cluster that
    this process is in, else the cluster of the kubeconfig file.

    Args:
        host: The server's URL; "" for the environment's.
        namespace: The user's namespace on a multi-user installation; "" for the pod's own, if any.
        timeout_s: The timeout of a request.

    Raises:
        ConfigError: The host is not a URL or not set, the namespace is missing on a multi-user installation, or is set on a
            single-user one.
        KubeflowError: The server cannot be reached, or refuses the credentials.
    """
    host = _checked(host or os.environ.get(ENDPOINT, ""))
    where = host or "the cluster"
    QuietClient.timeout = (min(timeout_s, 10.0), timeout_s)
    with request_errors("cannot be asked how it is", where), warnings.catch_warnings():
        # KFP warns that its client requires a server of version 2.0.0-beta.2 or later.
        warnings.filterwarnings("ignore", category=FutureWarning)
        client = QuietClient(host=host or None, **credentials(host))
        where = host or str(client._existing_config.host).rstrip("/")
        multi_user = bool(client.get_kfp_healthz().multi_user)
    if namespace and not multi_user:
        raise ConfigError(
            f"namespace: {namespace!r} is given, and {where} is a single-user installation, which has no namespaces for runs; leave it out"
        )
    if namespace:
        client.set_user_namespace(namespace)
    user_namespace = str(client.get_user_namespace() or "")
    if multi_user and not user_namespace:
        raise ConfigError(f"namespace: {where} is a multi-user installation; give --namespace")
    ui = (os.environ.get(UI_ENDPOINT) or host).rstrip("/")
    return Connection(client=client, host=where, ui=ui, namespace=user_namespace, timeout_s=timeout_s)


@contextmanager
def request_errors(what: str, host: str) -> Iterator[None]:
    """Turns the exceptions of KFP's client into a one-line KubeflowError.

    Args:
        what: The failed operation, such as "the run cannot be created".
        host: The server's address.

    Raises:
        KubeflowError: The request failed.
    """
    start = f"Kubeflow Pipelines at {host}"
    try:
        yield
    except NotKubeflowError as error:
        raise KubeflowError(
            f"{start}: {what}: it {error.how}, which is not KFP's answer: a login or something else is in front of KFP's API; "
            f"give a token that passes it in {TOKEN}, or another host",
            _UNAUTHORIZED,
        ) from error
    except TokenFileError as error:
        raise KubeflowError(f"{start}: {what}: {error}", _UNAUTHORIZED) from error
    except ApiException as error:
        refusal = read_refusal(error)
        raise KubeflowError(_refusal_message(what, host, refusal), refusal.status, refusal.code) from error
    except urllib3.exceptions.MaxRetryError as error:
        raise KubeflowError(f"{start} cannot be reached: {cause_of(error)}") from error
    except urllib3.exceptions.HTTPError as error:
        raise KubeflowError(f"{start}: {what}: {cause_of(error)}") from error
    except (OpenApiException, ValueError) as error:
        # Their messages may hold the request, and so a token.
        raise KubeflowError(
            f"{start}: {what}: KFP's client cannot send what it is given or take what it gets ({type(error).__name__})"
        ) from error


def _refusal_message(what: str, host: str, refusal: Refusal) -> str:
    start = f"Kubeflow Pipelines at {host}"
    if refusal.status == _UNAUTHORIZED:
        return f"{start} refuses the credentials ({refusal.answered}): the token is missing, expired or of another audience; {token_advice()}"
    if refusal.status == _FORBIDDEN:
        return f"{start}: {what}: the account may not ({refusal.answered}): {refusal.reason}"
    return f"{start}: {what} ({refusal.answered}): {refusal.reason}"


def _checked(host: str) -> str:
    if not host:
        return ""
    try:
        parts = urlsplit(host)
        user, password = parts.username, parts.password
    except ValueError as error:
        raise ConfigError(f"host: {host!r} is not a URL ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(f"host: {host!r} is not a URL; one that begins with http:// or https:// is needed")
    if user is not None or password is not None:
        held = "a user, which may be a token" if password is None else "a password"
        raise ConfigError(f"host: holds {held}; give a token in {TOKEN}")
    if re.search(r"\s", host):
        raise ConfigError(f"host: {host!r} is not a URL; it holds white space")
    return host.rstrip("/")
