"""Which failures are retried."""

import errno
from importlib import import_module
from typing import Any

import pytest
import requests
from mlflow.exceptions import InvalidUrlException, MlflowException, RestException

from edgequant.mlflow_access.failures import is_transient

# They are untyped.
google: Any = import_module("google.api_core.exceptions")
google_auth: Any = import_module("google.auth.exceptions")


def refused(status: int) -> requests.HTTPError:
    """Returns what an upload to MLflow's server raises when it is answered with a status."""
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(response=response)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MlflowException("API request failed"), True),
        (RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": ""}), True),
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ""}), False),
        (RestException({"error_code": "BAD_REQUEST", "message": "(sqlite3.IntegrityError) UNIQUE constraint"}), True),
        (RestException({"error_code": "BAD_REQUEST", "message": "no such column"}), False),
        (InvalidUrlException("no URL"), False),
        (MlflowException("API request was successful but the response body was not in a valid JSON format."), False),
        (MlflowException("API request failed with exception Could not find a suitable TLS CA certificate"), False),
        (requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), False),
        (OSError("Could not find a suitable TLS CA certificate bundle, invalid path: /none"), False),
        (requests.exceptions.SSLError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred"), True),
        *((refused(status), True) for status in (408, 429, 500, 503, 507)),
        *((refused(status), False) for status in (400, 401, 403, 404, 413)),
        (requests.ConnectionError(), True),
        (requests.ReadTimeout(), True),
        (OSError(errno.ENOSPC, "no space left"), True),
        (FileNotFoundError(), False),
        (PermissionError(), False),
        (ValueError(), False),
        (google.ServiceUnavailable("busy"), True),
        (google.TooManyRequests("slower"), True),
        (google.RetryError("took too long", None), True),
        (google_auth.TransportError("no token"), True),
        (google.Forbidden("no"), False),
        (google.NotFound("no such bucket"), False),
        (google_auth.DefaultCredentialsError("none"), False),
        (ModuleNotFoundError("No module named 'boto3'"), False),
    ],
    ids=repr,
)
def test_what_may_be_gone_at_another_attempt(error: Exception, expected: bool) -> None:
    """A server that fails or does not answer, and a full disk; not what it refuses, nor what is missing here."""
    assert is_transient(error) == expected
