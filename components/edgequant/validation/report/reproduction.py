"""Instructions to reproduce a verdict: the configuration as far as it is known, and the digests of the inputs."""

import shlex
from dataclasses import dataclass
from typing import Any

import yaml

from edgequant.artifacts.example_set import DatasetFacts, Provenance, recipe_of_both
from edgequant.artifacts.verdict import Verdict
from edgequant.validation.report.number_format import number

# The files that are listed; the set's manifest has all.
_FILES = 20
# The model's path in the configuration if the verdict only knows its digest.
_MODEL = "model"
_UNKNOWN = (
    "Add what the first run had of these: under examples inputs, label,",
    "classes, slice, group, sequence, keep, preprocess; under sampling stratify, weight, extremes.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """Instructions to reproduce a verdict.

    Attributes:
        facts: What the result depends on, by name.
        config: The configuration as far as it is known, in YAML.
        command: The commands to run.
    """

    facts: dict[str, str]
    config: str
    command: str


def reproduction(verdict: Verdict) -> Reproduction:
    """Returns the instructions to reproduce a verdict."""
    environment = verdict.environment
    facts = {
        **verdict.made_from,
        "calibration draw": _draw(verdict.calibration),
        "evaluation draw": _draw(verdict.evaluation),
        "gate": ", ".join(f"{key}: {number(value)}" for key, value in verdict.gate.items()) or "none",
        "runtime": f"{environment.runtime}, kernels: {environment.resolver}",
        "latency measured on": _machine(verdict),
    }
    version = verdict.made_from.get("edgequant", "")
    # The package is on no index: it is installed from a checkout.
    checkout = f"# in a checkout of edgequant {version}".rstrip()
    file = shlex.quote(f"{verdict.name}.yaml")
    return Reproduction(
        facts=facts,
        config=_config(verdict),
        command=f"{checkout}\npip install -c constraints.txt '.[all]'\nedgequant run {file}",
    )


def _draw(facts: DatasetFacts) -> str:
    provenance = facts.provenance
    return f"{provenance.rule}; seed {provenance.seed}; {facts.examples:,} examples; manifest SHA-256 {facts.digest}"


def _machine(verdict: Verdict) -> str:
    """Returns a description of the machine of the benchmark."""
    environment = verdict.environment
    pinned = "" if environment.pinned_cpu is None else f", pinned to CPU {environment.pinned_cpu}"
    after = "" if environment.load_average_after is None else f" before, {environment.load_average_after:.2f} after"
    return (
        f"{environment.cpu}, {environment.cores} cores; {environment.threads} thread{pinned}; delegate "
        f"{environment.delegate}; load {environment.load_average:.2f}{after}"
    )


def _config(verdict: Verdict) -> str:
    """Returns the configuration as far as the verdict knows it; comments name what is missing."""
    calibration, evaluation = verdict.calibration.provenance, verdict.evaluation.provenance
    examples, sampling = _drawn(calibration, evaluation)
    if verdict.stability:
        sampling["check_stability"] = True
    model = verdict.made_from.get("model", "")
    config: dict[str, Any] = {
        "name": verdict.name,
        "model": model or _MODEL,
        "signature": verdict.made_from.get("signature", calibration.signature),
        "examples": examples,
        "sampling": sampling,
        "variants": list(verdict.variants),
        "task": verdict.task,
        "resolver": verdict.environment.resolver,
    }
    if verdict.comparison is not None and verdict.comparison.allowed:
        config["calibration"] = {"allow_mismatch": True}
    if verdict.gate:
        config["gate"] = dict(verdict.gate)
    if verdict.champion:
        config["champion"] = verdict.champion.version or verdict.champion.uri
    missing = ["Add tracking, if it is to be recorded elsewhere than in the work directory."]
    if any(uri.startswith(("models:/", "runs:/")) for uri in (model, config.get("champion", ""))):
        # A verdict does not record the tracking server.
        missing = ["Add tracking.uri, unless MLFLOW_TRACKING_URI is set: where the MLflow is that has the model."]
    if not model:
        missing.insert(0, f"Put the model at {_MODEL}, or name its place: the SHA-256 of its files is below.")
    elif "@" in model:
        missing.insert(0, "What an alias names may have changed: the SHA-256 of the model's files is below.")
    file, _, _ = str(examples.get("preprocess", "")).rpartition(":")
    if file.endswith(".py") and "://" not in file:
        missing.append(f"Put {file} beside this file.")
    if not calibration.recipe:
        missing += _UNKNOWN
        missing += [
            f"Of {len(provenance.sources):,} {provenance.purpose} files the first {_FILES} are named."
            for provenance in (calibration, evaluation)
            if len(provenance.sources) > _FILES
        ]
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110)
    return "".join(f"# {line}\n" for line in missing) + text


def _drawn(calibration: Provenance, evaluation: Provenance) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the settings of the draw, from the recorded recipe, or from files and counts for a set without a recipe."""
    recipe = recipe_of_both(calibration, evaluation)
    if recipe:
        return recipe["examples"], recipe["sampling"]
    examples: dict[str, Any] = {"calibration": _files(calibration)}
    if _files(evaluation) != _files(calibration):
        examples["evaluation"] = _files(evaluation)
    return examples, {
        "calibration": calibration.requested,
        "evaluation": evaluation.requested,
        "seed": calibration.seed,
    }


def _files(provenance: Provenance) -> list[str]:
    return [source.path for source in provenance.sources[:_FILES]]
