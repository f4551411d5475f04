"""Where MLflow's pages are, for whoever opens a stored link."""

import os

from edgequant.errors import ConfigError
from edgequant.tracking_uri import check_tracking_uri

PUBLIC_URI = "EDGEQUANT_MLFLOW_PUBLIC_URI"
# Of the server that `mlflow server` starts.
_LOCAL = "http://127.0.0.1:5000"
_WEB = ("http://", "https://")


def public_uri() -> str:
    """Returns the address of MLflow's pages where it is not the tracking URI, as inside a cluster; "" where none is given.

    Raises:
        ConfigError: It is no address of the web that a page's can follow, or holds a password.
    """
    uri = os.environ.get(PUBLIC_URI, "")
    check_tracking_uri(PUBLIC_URI, uri)
    if uri and not uri.startswith(_WEB):
        raise ConfigError(f"{PUBLIC_URI}: {uri!r} is not allowed; an address that begins with http:// or https:// is")
    if "#" in uri:
        raise ConfigError(
            f"{PUBLIC_URI}: {uri!r} holds '#', with which the addresses of pages go on; give what is before it"
        )
    return uri


def base(tracking_uri: str) -> str:
    """Returns what the addresses of MLflow's pages begin with; where MLflow is a file, of the server that would show it.

    Args:
        tracking_uri: The MLflow tracking URI.

    Raises:
        ConfigError: The public address that is given is none.
    """
    address = public_uri() or (tracking_uri if tracking_uri.startswith(_WEB) else _LOCAL)
    return address.rstrip("/")
