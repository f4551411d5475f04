"""Links to the pages of MLflow's UI."""

import os
from dataclasses import dataclass
from urllib.parse import quote

from edgequant.errors import ConfigError
from edgequant.tracking_uri import check_tracking_uri

PUBLIC_URI = "EDGEQUANT_MLFLOW_PUBLIC_URI"
# The default address of `mlflow server`.
_LOCAL = "http://127.0.0.1:5000"
_WEB = ("http://", "https://")
# Without it, MLflow opens the pages for generative models.
_WORKFLOW = "workflowType=machine_learning"
_VIEW = "viewStateShareKey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a recording left in MLflow, as its pages need it.

    Attributes:
        experiment_id: The experiment.
        summary_run_id: The summary run.
        run_ids: The variants' runs.
        version: ``NAME/VERSION`` of the registered version; "" for none.
        view: The key of the experiment's shared view; "" for none.
    """

    experiment_id: str
    summary_run_id: str
    run_ids: tuple[str, ...]
    version: str = ""
    view: str = ""


def public_uri() -> str:
    """Returns the public address of MLflow's UI if it differs from the tracking URI, as in a cluster; "" if not set.

    Raises:
        ConfigError: It is not an http(s) URL, has a fragment, or holds a password.
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
    """Returns the base URL of MLflow's UI; for a database file, that of a local `mlflow server`.

    Args:
        tracking_uri: The MLflow tracking URI.

    Raises:
        ConfigError: The public address is invalid.
    """
    address = public_uri() or (tracking_uri if tracking_uri.startswith(_WEB) else _LOCAL)
    return address.rstrip("/")


def run_page(base: str, experiment_id: str, run_id: str) -> str:
    """Returns the page of a run."""
    return f"{base}/#/experiments/{experiment_id}/runs/{run_id}?{_WORKFLOW}"


def experiment_page(base: str, experiment_id: str, view: str = "") -> str:
    """Returns the page of an experiment's runs.

    Args:
        base: The server's address.
        experiment_id: The experiment.
        view: The key of a shared view of the table; "" for MLflow's own columns.
    """
    share = f"{_VIEW}={view}&" if view else ""
    return f"{base}/#/experiments/{experiment_id}/runs?{share}{_WORKFLOW}"


def links(base: str, recorded: Recorded) -> dict[str, str]:
    """Returns pages of the MLflow UI by name.

    Args:
        base: The server's address.
        recorded: What the pages show.
    """
    runs = quote("[" + ",".join(f'"{run_id}"' for run_id in recorded.run_ids) + "]")
    experiments = quote(f'["{recorded.experiment_id}"]')
    pages = {
        "experiment": experiment_page(base, recorded.experiment_id, recorded.view),
        "summary": run_page(base, recorded.experiment_id, recorded.summary_run_id),
        "compare": f"{base}/#/compare-runs?runs={runs}&experiments={experiments}&{_WORKFLOW}",
    }
    if recorded.version:
        name, _, number = recorded.version.rpartition("/")
        pages["version"] = f"{base}/#/models/{quote(name, safe='')}/versions/{number}?{_WORKFLOW}"
    return pages
