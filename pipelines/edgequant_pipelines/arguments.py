"""The pipeline's arguments, made from a configuration, with the digests that KFP's cache needs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from edgequant.errors import ConfigError
from edgequant.mlflow_access.lookup import Waiting
from edgequant.model_uri import PinnedModel, pin, pin_champion, training_metrics
from edgequant.sampling.fingerprint import code_digest, of_examples
from edgequant.sampling.referenced_files import remote_file
from edgequant.steps import say
from edgequant.tracking_uri import tracking_uri
from edgequant_pipelines.config import Config

# The step that does these look-ups on a cluster.
_PIN = "pin"


def pipeline_arguments(config: Config, tracking_uri: str, show: Callable[[str, str], None] = say) -> dict[str, Any]:
    """Returns the arguments of `quantize_model`.

    Args:
        config: The configuration.
        tracking_uri: The MLflow tracking URI to use.
        show: Called with a step's name and a message while MLflow does not answer.

    Raises:
        ConfigError: A file that `preprocess` or `task` names cannot be read.
        ModelError: The model does not exist, or the champion cannot be looked up.
    """
    waiting = Waiting(seconds=config.tracking.retry_seconds, tell=partial(show, _PIN))
    model = pin(config.model, tracking_uri, waiting)
    champion = (
        pin_champion(config.champion, tracking_uri, waiting) if config.champion else PinnedModel(uri="", digest="")
    )
    declared = declared_arguments(config)
    return {
        **declared,
        "model": model.uri,
        "model_digest": model.digest,
        "training_metrics": training_metrics(model.uri, tracking_uri, waiting),
        "task_digest": code_digest(config.task),
        "champion": champion.uri,
        "champion_digest": champion.digest,
        "tracking_uri": tracking_uri,
        "examples_digest": of_examples(
            declared["calibration_examples"],
            declared["evaluation_examples"],
            declared["classes_file"],
            declared["preprocess"],
        ),
    }


def declared_arguments(config: Config) -> dict[str, Any]:
    """Returns the arguments of `quantize_model` that follow from the configuration, without reading the model, examples or MLflow.

    Raises:
        ConfigError: A file that `preprocess` or `task` names cannot be read.
    """
    examples = config.examples
    name, source = user_code("examples.preprocess", examples.preprocess)
    task, task_source = user_code("task", config.task)
    return {
        "model": config.model,
        "name": config.name,
        "signature": config.signature,
        "calibration_examples": examples.calibration,
        "evaluation_examples": examples.evaluation,
        "inputs": examples.inputs,
        "label": examples.label,
        "classes": examples.classes,
        "classes_file": examples.classes_file,
        "slices": examples.slice,
        "group": examples.group,
        "sequence": examples.sequence,
        "keep": examples.keep,
        "preprocess": name,
        "preprocess_source": source,
        "calibration_count": config.sampling.calibration,
        "evaluation_count": config.sampling.evaluation,
        "stratify": config.sampling.stratify,
        "minimum_per_class": config.sampling.minimum_per_class,
        "weight": config.sampling.weight,
        "extremes": config.sampling.extremes,
        "allow_calibration_mismatch": config.calibration.allow_mismatch,
        "check_stability": config.sampling.check_stability,
        "seed": config.sampling.seed,
        "variants": config.variants,
        "task": task,
        "task_source": task_source,
        "resolver": config.resolver,
        # KFP has no optional number.
        "evaluation_budget_seconds": config.evaluation.budget_seconds or 0.0,
        "gate": config.gate,
        "reference": config.reference,
        "champion": config.champion,
        "tracking_uri": config.tracking.uri,
        "experiment": config.tracking.experiment,
        "registered_model": config.tracking.registered_model,
        "alias": config.tracking.alias,
        "register": config.tracking.register,
        "tracking_retry_seconds": config.tracking.retry_seconds,
        "configuration": yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True),
        "beam_options": config.beam,
    }


def local_tracking_uri(config: Config, folder: Path) -> str:
    """Returns the tracking URI of a run on this machine: the configured one, the environment's, or a SQLite file in a folder.

    Raises:
        ConfigError: The environment's URI is used, and holds a password.
        TrackingError: No URI is set in a pod, whose files are lost when it ends.
    """
    return tracking_uri(config.tracking.uri, beside=folder)


def user_code(key: str, name: str) -> tuple[str, str]:
    """Returns the name of a user's function without its folder, and the text of its file; "" for a module or a file in a bucket.

    Args:
        key: The key of the configuration, for messages.
        name: The name, such as ``/FOLDER/FILE.py:function``.

    Raises:
        ConfigError: The file cannot be read, or is empty.
    """
    path, _, function = name.rpartition(":")
    if not path.endswith(".py") or remote_file(name):
        return name, ""
    try:
        source = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{key}: {path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}: {path} is not a text file in UTF-8 ({error})") from error
    if not source.strip():
        raise ConfigError(f"{key}: {path} is empty; it must define {function!r}")
    return f"{Path(path).name}:{function}", source
