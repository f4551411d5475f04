"""What recordings leave on a real server, counted."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from tests.edgequant.tracking.fault_proxy import Proxy

VARIANTS = ["float32", "full_int8", "integer_only", "weights_only"]
# A process of its own that records a result.
RECORD = "from pathlib import Path; import sys; from edgequant.tracking.step import record; record(Path(sys.argv[1]))"


def held(server: str, name: str) -> dict[str, Any]:
    """Returns how many of everything a server has for a model."""
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    experiments = [str(client.get_experiment_by_name(name).experiment_id)]
    runs = client.search_runs(experiments)
    models = client.search_logged_models(experiments)
    versions = client.search_model_versions(f"name = '{name}'")
    return {
        "variants": Counter(run.data.tags.get("edgequant.variant", "summary") for run in runs),
        "statuses": {run.info.status for run in runs},
        "models": Counter(model.tags["edgequant.variant"] for model in models),
        "ready": {str(model.status) for model in models},
        "files": {len(client.list_logged_model_artifacts(model.model_id)) for model in models},
        "outputs": {len(run.outputs.model_outputs) for run in runs if "edgequant.variant" in run.data.tags},
        "versions": len(versions),
        "aliases": dict(client.get_registered_model(name).aliases) if versions else {},
    }


def is_empty(database: Path) -> bool:
    """Tells whether nothing was recorded in a database, which a test found empty: no experiment, run or registered model."""
    client = MlflowClient(tracking_uri=f"sqlite:///{database}", registry_uri=f"sqlite:///{database}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return len(experiments) == 1 and not client.search_runs(experiments) and not client.search_registered_models()


def whole(best_only: int = 1) -> dict[str, Any]:
    """Returns what a server has of one recording, made once."""
    return {
        "variants": Counter([*VARIANTS, "summary"]),
        "statuses": {"FINISHED"},
        "models": Counter(VARIANTS),
        "ready": {"READY"},
        "files": {9},
        "outputs": {1},
        "versions": best_only,
        "aliases": {"candidate": "1"},
    }


def write(results: Callable[..., Path], name: str, before: Proxy, **settings: Any) -> Path:
    """Returns a result that goes through the proxy to a model of its own."""
    given = {"retry_seconds": 60.0, **settings}
    return results(uri=before.address, experiment=name, registered_model=name, **given)
