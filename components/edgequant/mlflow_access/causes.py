"""Why MLflow did not do what it was asked, where its client's own message does not say it."""

from edgequant.connection_errors import no_answer

# How MLflow 3 answers, with status 403, a request whose Host header is none that it allows.
_INVALID_HOST = "Invalid Host header"
_ALLOW_HOST = (
    "it refuses requests for this host name (403 Invalid Host header); add the name, with its port, to `--allowed-hosts` of "
    "`mlflow server`, or to MLFLOW_SERVER_ALLOWED_HOSTS"
)


def known_cause(error: BaseException | None) -> str:
    """Returns the cause of an error in words: a host name that MLflow does not allow, or no answer; "" for any other error."""
    return _ALLOW_HOST if error is not None and _INVALID_HOST in str(error) else no_answer(error)
