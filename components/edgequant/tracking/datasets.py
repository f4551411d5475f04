"""The example sets of a result as MLflow's datasets."""

import json

from mlflow.entities import Dataset, DatasetInput, InputTag

from edgequant.artifacts.example_set import DatasetFacts
from edgequant.artifacts.result import ResultContent
from edgequant.tracking import entries


def datasets(content: ResultContent) -> list[DatasetInput]:
    """Returns the inputs of a run, first the one that the UI's table of runs shows: what the figures are of."""
    return [
        DatasetInput(_dataset(facts), [InputTag("mlflow.data.context", facts.provenance.purpose)])
        for facts in (content.evaluation, content.calibration)
    ]


def _dataset(facts: DatasetFacts) -> Dataset:
    source_files = {"files": [file.path for file in facts.provenance.sources], "rule": facts.provenance.rule}
    profile = {"examples": facts.examples, "records_read": facts.provenance.records_read}
    return Dataset(
        name=facts.provenance.purpose,
        digest=entries.dataset_digest(facts),
        source_type="local",
        source=json.dumps(source_files),
        profile=json.dumps(profile),
    )
