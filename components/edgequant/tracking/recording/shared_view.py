"""The view of an experiment's runs table that links open: what decides, side by side, and charts of it.

MLflow's UI keeps views as tags of the experiment. It writes the same JSON when somebody saves one: a name, times, and the state of
the page with its columns and charts. Seen in MLflow 3.17; a server that does not know a part of it shows its own default instead.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException

from edgequant.artifacts.result import LoadedResult
from edgequant.mlflow_access.failures import is_transient
from edgequant.mlflow_access.retries import first_line
from edgequant.tracking import tags
from edgequant.variants import REFERENCE

TAG = "mlflow.sharedViewState."
_KEY_CHARACTERS = 16
_SECTION = "edgequant"
_RUN_NAME, _CREATED = "attributes.`Run Name`", "runDateAndNestInfo"
# The columns in their order, with widths in pixels, around that of the metric: those up to the number of examples fit on a screen
# of 1440 pixels.
_BEFORE = {f"tags.`{tags.VERDICT}`": 96}
_METRIC_PIXELS = 96
_AFTER = {
    "metrics.`drop_points`": 84,
    "metrics.`drop_low_points`": 88,
    "metrics.`drop_high_points`": 88,
    "metrics.`size_bytes`": 92,
    "metrics.`latency_p50_ms`": 100,
    "metrics.`examples`": 84,
    "attributes.`Models`": 160,
    "attributes.`Dataset`": 160,
}
_AGREEMENT = "agreement_percent"
_BARS = ("drop_points", "size_bytes", "latency_p50_ms")
_SCATTERS = (("size_bytes", "drop_points"), ("latency_p50_ms", "drop_points"))
# MLflow adds a chart of every other metric to these sections of its own, and drops them from the page if the view has none.
_OF_MLFLOW = ("Model metrics", "System metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedView:
    """A view of an experiment's runs table.

    Attributes:
        key: What identifies it in a link: the same for the same columns and charts.
        name: Its name in the UI's list of views.
        state: The state of the page, as MLflow's UI keeps it.
    """

    key: str
    name: str
    state: str

    @property
    def tag(self) -> str:
        """The tag of the experiment that holds it."""
        return f"{TAG}{self.key}"

    def value(self, now: int) -> str:
        """Returns the tag's value.

        Args:
            now: The time, in milliseconds since 1970.
        """
        return json.dumps({"name": self.name, "createdAt": now, "updatedAt": now, "state": self.state})


def share_view(client: MlflowClient, experiment: Experiment, result: LoadedResult, tell: Callable[[str], None]) -> str:
    """Adds the view for a result's main metric to an experiment that does not have it, and returns its key.

    Recording goes on without a view if MLflow refuses it: the right to add runs may be given without that to tag an experiment.

    Args:
        client: MLflow's client.
        experiment: The experiment.
        result: The result.
        tell: Called with a sentence if the view is refused.

    Returns:
        The key; "" if MLflow refuses the view.
    """
    view = shared_view(tags.main_metric(result, REFERENCE))
    if view.tag in experiment.tags:
        return view.key
    try:
        client.set_experiment_tag(experiment.experiment_id, view.tag, view.value(int(time.time() * 1000)))
    except MlflowException as error:
        if is_transient(error):
            raise
        tell(f"the columns of the experiment's page could not be saved, and stay MLflow's own ({first_line(error)})")
        return ""
    return view.key


def shared_view(metric: str) -> SharedView:
    """Returns the view with the verdict, a metric, the drop and its bounds, size, latency and number of examples.

    Args:
        metric: The MLflow name of the main metric; "" for none, which shows the agreement instead.
    """
    metric = metric or _AGREEMENT
    columns = {**_BEFORE, f"metrics.`{metric}`": _METRIC_PIXELS, **_AFTER}
    state = json.dumps(
        {
            "selectedColumns": list(columns),
            "columnOrder": [_RUN_NAME, _CREATED, *columns, "duration"],
            "columnWidths": {_RUN_NAME: 285, _CREATED: 86, **columns},
            "runsHiddenMode": "FIRST_20_RUNS",
            "compareRunCharts": _charts(metric),
            "compareRunSections": [_section(_SECTION), *map(_section, _OF_MLFLOW)],
        },
        separators=(",", ":"),
    )
    key = hashlib.sha256(state.encode()).hexdigest()[:_KEY_CHARACTERS]
    return SharedView(key=key, name=f"edgequant: {metric}", state=state)


def _charts(metric: str) -> Sequence[dict[str, Any]]:
    bars = [
        {"type": "BAR", "metricKey": name, "displayName": name, "runsCountToCompare": 20}
        for name in dict.fromkeys((*_BARS[:1], metric, *_BARS[1:]))
    ]
    scatters = [
        {"type": "SCATTER", "xaxis": _axis(across), "yaxis": _axis(up), "runsCountToCompare": 100}
        for across, up in _SCATTERS
    ]
    common = {"metricSectionId": _SECTION, "deleted": False, "isGenerated": False}
    return [{**chart, **common, "uuid": f"{_SECTION}-{number}"} for number, chart in enumerate([*bars, *scatters])]


def _axis(metric: str) -> dict[str, str]:
    return {"key": metric, "type": "METRIC"}


def _section(name: str) -> dict[str, Any]:
    own = name == _SECTION
    return {
        "uuid": name,
        "name": name,
        "display": True,
        "isReordered": False,
        "deleted": False,
        "isGenerated": not own,
    }
