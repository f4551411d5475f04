"""The example sets of a result as MLflow's datasets."""

import hashlib
import json
import re
from collections.abc import Sequence
from itertools import takewhile

from mlflow.entities import Dataset, DatasetInput, InputTag

from edgequant.artifacts.example_set import DatasetFacts, SourceFile
from edgequant.artifacts.result import ResultContent
from edgequant.tracking import tags
from edgequant.tracking.mlflow_names import DATASET_SOURCE_CHARACTERS, PARAMETER_CHARACTERS, cut

_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*)://")
_LOCAL = "local"
# More paths would not be read.
_LISTED = 100
_BETWEEN = len(", ")


def datasets(content: ResultContent) -> list[DatasetInput]:
    """Returns the dataset inputs of a run, the evaluation set first: the UI's table of runs shows the first one."""
    return [
        DatasetInput(_dataset(facts), [InputTag("mlflow.data.context", facts.provenance.purpose)])
        for facts in (content.evaluation, content.calibration)
    ]


def _dataset(facts: DatasetFacts) -> Dataset:
    files = facts.provenance.sources
    profile = {"examples": facts.examples, "records_read": facts.provenance.records_read}
    return Dataset(
        name=facts.provenance.purpose,
        digest=tags.dataset_digest(facts),
        source_type=_kind(files[0].path) if files else _LOCAL,
        source=_source(files, facts.provenance.rule),
        profile=json.dumps(profile),
    )


def _kind(path: str) -> str:
    """Returns MLflow's source type of a path: its scheme."""
    scheme = _SCHEME.match(path)
    return scheme[1] if scheme else _LOCAL


def _source(files: Sequence[SourceFile], rule: str) -> str:
    """Returns the source of an example set as JSON: the URI that MLflow's parser requires, and further fields.

    MLflow limits its length, and the paths of a few thousand shards are longer: the first are listed, the digest covers all.

    Args:
        files: The files read.
        rule: The description of the sampling rule.
    """
    lines = "".join(f"{file.path} {file.size_bytes}\n" for file in files)
    source = {
        "uri": _uri([file.path for file in files]),
        "count": len(files),
        "files_digest": hashlib.sha256(lines.encode()).hexdigest(),
        "rule": cut(rule, PARAMETER_CHARACTERS),
    }
    listed: list[str] = []
    room = DATASET_SOURCE_CHARACTERS - len(json.dumps({**source, "files": []}))
    for file in files[:_LISTED]:
        room -= len(json.dumps(file.path)) + _BETWEEN
        if room < 0:
            break
        listed.append(file.path)
    return json.dumps({**source, "files": listed})


def _uri(paths: Sequence[str]) -> str:
    """Returns the common parent folder of all paths; the first path if there is only one, or no common folder."""
    if not paths:
        return ""
    folders = (path.split("/")[:-1] for path in paths)
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
    folder = "/".join(parts[0] for parts in shared)
    is_root = folder.rstrip("/") in ("", f"{_kind(paths[0])}:")
    return paths[0] if len(paths) == 1 or is_root else folder
