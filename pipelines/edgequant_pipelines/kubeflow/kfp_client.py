"""KFP's client without its side effects, and with a check that KFP answered."""

import contextlib
import io
import json
from typing import Any
from urllib.parse import urlsplit

import urllib3
from kfp import Client
from kfp_server_api import ApiException
from kfp_server_api.rest import RESTClientObject

from edgequant.errors import ConfigError
from edgequant_pipelines.kubeflow.credentials import TokenFile, environment_token, token_path
from edgequant_pipelines.kubeflow.kubeconfig import kubeconfigs, wrong_with

ENDPOINT = "KF_PIPELINES_ENDPOINT"
_NO_KUBECONFIG = "Failed to load kube config"


class NotKubeflowError(Exception):
    """The answer is not from KFP's API but from a server in front of it, such as a login page.

    Args:
        how: The kind of answer, as a predicate of "it".
    """

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class _JsonClient(RESTClientObject):  # type: ignore[misc]
    """Accepts only JSON objects as answers, as KFP sends them: a login page has status 200, too."""

    def request(self, *arguments: Any, **options: Any) -> Any:
        try:
            answer = super().request(*arguments, **options)
        except ApiException as error:
            if not error.status or error.status // 100 != 3:
                raise
            where = urlsplit((error.headers or {}).get("location", ""))._replace(query="", fragment="")
            raise NotKubeflowError(
                f"leads to {where.geturl() or 'another address'} instead ({error.status})"
            ) from error
        try:
            content = json.loads(answer.data)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            kind = "a web page" if answer.data.lstrip()[:1] == b"<" else "something else"
            raise NotKubeflowError(f"answers with {kind}")
        return answer


class QuietClient(Client):  # type: ignore[misc]
    """KFP's client. The original constructor tries five times, logs stack traces, and writes to the home directory.

    Attributes:
        timeout: The timeouts of the first request: to connect, and to answer.
    """

    timeout = (10.0, 60.0)

    def _load_config(self, *arguments: Any, **options: Any) -> Any:
        # If the kubeconfig cannot be loaded, KFP only prints a message and continues with a default host.
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            config = super()._load_config(*arguments, **options)
        if _NO_KUBECONFIG in printed.getvalue():
            files = kubeconfigs()
            problem = (
                f"the kubeconfig cannot be used: {wrong_with(files)}; fix it," if files else "there is no kubeconfig;"
            )
            raise ConfigError(f"host: none is given, this is no pod, and {problem} give --host or set {ENDPOINT}")
        # Only reads and deletions are retried; creations are not idempotent. KFP does not redirect.
        config.retries = urllib3.Retry(
            total=3,
            connect=1,
            redirect=0,
            raise_on_redirect=False,
            backoff_factor=0.3,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET", "HEAD", "DELETE"),
            raise_on_status=False,
            # The header may ask for hours, during which this process would neither report nor stop.
            respect_retry_after_header=False,
        )
        return config

    def _get_config_with_default_credentials(self, config: Any) -> Any:
        # In a pod, without a host.
        token, path = environment_token(), token_path()
        if token:
            config.api_key["authorization"] = token
        elif path is not None:
            config.refresh_api_key_hook = TokenFile(path).refresh_api_key_hook
        config.api_key_prefix["authorization"] = "Bearer"
        return config

    def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
        """Requests the server's health once."""
        del sleep_duration
        # The constructor creates the REST client and may send the first request, so it is replaced here.
        client = self._healthz_api.api_client
        if not isinstance(client.rest_client, _JsonClient):
            client.rest_client = _JsonClient(client.configuration)
        return self._healthz_api.healthz_service_get_healthz(_request_timeout=self.timeout)

    def set_user_namespace(self, namespace: str) -> None:
        """Sets the namespace of this client."""
        # The original method writes to the home directory, which is read-only in a container.
        self._context_setting["namespace"] = namespace
