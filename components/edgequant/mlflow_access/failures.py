"""Which failures of a recording may be gone at another attempt."""

import requests
from mlflow.exceptions import InvalidUrlException, MlflowException

_TRANSIENT = (408, 429)
_SERVER_ERRORS = 500
# What another attempt meets again.
_LASTING = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
# The packages that write to artifact stores which no MLflow server stands before. They are known by name: none need be installed.
_STORES = ("boto3", "botocore", "google", "s3transfer")
# Their errors of a store that could not be reached.
_NOT_REACHED = {
    "botocore.exceptions.ConnectionError",
    "botocore.exceptions.HTTPClientError",
    "google.api_core.exceptions.RetryError",
    "google.auth.exceptions.TransportError",
}
# S3 says with status 400 that a request's body came too slowly.
_TOO_SLOW = "RequestTimeout"
# MLflow counts these as 500: an answer that is none of MLflow's, as of a login page, and a certificate that is missing here or not
# that of the server.
_NEVER_PASSES = ("not in a valid JSON format", "Could not find a suitable TLS CA", "CERTIFICATE_VERIFY_FAILED")
# What MLflow passes on of its database, with status 400, when two make the same at once: an alias, say.
_AT_ONCE = ("IntegrityError", "UniqueViolation")


def is_transient(error: BaseException) -> bool:
    """Tells whether an error may be gone at another attempt: no connection, no answer in time, 408, 429, 5xx, a full disk."""
    if isinstance(error, InvalidUrlException) or any(text in str(error) for text in _NEVER_PASSES):
        return False
    if isinstance(error, MlflowException):
        # One that could not be sent, or was not answered, counts as 500.
        return _passes(error.get_http_status_code()) or any(name in str(error) for name in _AT_ONCE)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _passes(error.response.status_code)
    if isinstance(error, OSError):
        return not isinstance(error, _LASTING)
    return _is_transient_of_store(error)


def _passes(status: int) -> bool:
    return status in _TRANSIENT or status >= _SERVER_ERRORS


def _is_transient_of_store(error: BaseException) -> bool:
    """Tells the same of an error of a store's own client: it, or what it came from, has a status, or could not connect."""
    cause: BaseException | None = error
    while cause is not None and type(cause).__module__.partition(".")[0] in _STORES:
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            slow = response.get("Error", {}).get("Code") == _TOO_SLOW
            return slow or _passes(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        status = getattr(cause, "code", None) or getattr(response, "status_code", None)
        if isinstance(status, int):
            return _passes(status)
        if _NOT_REACHED & {f"{kind.__module__}.{kind.__qualname__}" for kind in type(cause).__mro__}:
            return True
        cause = cause.__cause__ or cause.__context__
    return False
