"""Requests that were not answered: which server it was, and why, without what urllib3 and MLflow wrap it in."""

import re

_LONGEST = 500
# How urllib3's causes begin: "HTTPConnection(host='…', port=…): …", or "<… object at 0x…>: …".
_CONNECTION = re.compile(r"^(?:\w+\(.*?\)|<.*?>): ")


def no_answer(error: BaseException | None) -> str:
    """Returns the server that did not answer and the cause, if that is what an error came from; "" for any other error."""
    from urllib3.exceptions import PoolError

    while error is not None:
        if isinstance(error, PoolError):
            return f"{error.pool.host}:{error.pool.port} does not answer: {cause_of(error)}"
        error = error.__cause__ or error.__context__
    return ""


def cause_of(error: BaseException) -> str:
    """Returns why one of urllib3's errors came about."""
    from urllib3.exceptions import ConnectTimeoutError

    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, BaseException) else error
    # Its text is that of a tuple, with the connection's address in memory, which is another one each time.
    text = str(cause.args[-1] if isinstance(cause, ConnectTimeoutError) and cause.args else cause)
    return " ".join(_CONNECTION.sub("", text).split())[:_LONGEST]
