"""The effective configuration of a run: the configured one, with the values that the run actually used.

The configuration's text is only one argument of the pipeline. A compiled pipeline has it as a default, and whoever starts a run
may change another argument without changing the text.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import yaml

from edgequant.artifacts.example_set import Provenance, recipe_of_both
from edgequant.artifacts.result import TrackingSettings
from edgequant.artifacts.variant_set import VariantSetContent
from edgequant.artifacts.verdict import Verdict
from edgequant.errors import ConfigError
from edgequant.gate import parse_gate

# The keys that a recipe omits if they are empty, in the configuration's order.
_NO_EXAMPLES: dict[str, Any] = {
    "calibration": [],
    "evaluation": [],
    "inputs": {},
    "label": "",
    "classes": [],
    "classes_file": "",
    "slice": [],
    "preprocess": "",
}
# Keys that accept a single string instead of a list.
_PATTERNS = ("examples.calibration", "examples.evaluation", "examples.slice")
# The values of `sampling.stratify` that YAML's true and false stand for.
_WORDS = {True: "auto", False: "false"}
# The key of the model, and its placeholder if the model's location is unknown.
_MODEL = "model"


def as_run(configured: str, settings: TrackingSettings, variants: VariantSetContent, verdict: Verdict) -> str:
    """Returns the effective configuration of a run as YAML; comments at its top name changed and unknown values.

    Args:
        configured: The configuration of the run, returned unchanged if the run used it as it is; "" for none.
        settings: The tracking settings of the run.
        variants: The manifest of its variant set.
        verdict: Its verdict.
    """
    values = _mapping(configured)
    known = _known(settings, variants, verdict)
    known[_MODEL] = settings.model_uri or values.get(_MODEL) or _MODEL
    if not verdict.calibration.provenance.recipe and not values.get("examples"):
        known["examples"] = _files(verdict)
    config, replaced = _merged(values, known)
    notes = [] if settings.model_uri else [_no_place(variants)]
    if not replaced:
        return _comments(notes) + configured
    first = f"Not as configured but as run: {', '.join(replaced)}." if values else _of_the_steps(configured)
    notes = [first, *notes, *_missing(config, verdict)]
    return _comments(notes) + yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _mapping(text: str) -> dict[str, Any]:
    """Returns the values of a YAML text; an empty mapping if it is not a configuration."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return values if isinstance(values, dict) else {}


def _of_the_steps(configured: str) -> str:
    why = "what was given is no YAML mapping" if configured.strip() else "none was given"
    return f"What the steps recorded of the configuration, as {why}. They do not record beam and kubeflow."


def _known(settings: TrackingSettings, variants: VariantSetContent, verdict: Verdict) -> dict[str, Any]:
    """Returns the values that the steps recorded, by the configuration's keys and in its order."""
    champion = verdict.champion
    examples, sampling = _drawn(verdict.calibration.provenance, verdict.evaluation.provenance)
    return {
        "name": verdict.name,
        _MODEL: settings.model_uri,
        "signature": variants.signature,
        "examples": examples,
        "sampling": sampling | {"check_stability": variants.stability is not None},
        "calibration": {"allow_mismatch": variants.comparison is not None and variants.comparison.allowed},
        "variants": list(verdict.variants),
        "task": verdict.task,
        "resolver": verdict.environment.resolver,
        "gate": dict(verdict.gate),
        "reference": dict(verdict.reference.configured) if verdict.reference else {},
        "champion": (champion.version or champion.uri) if champion else "",
        "tracking": {
            "uri": settings.uri,
            "experiment": settings.experiment,
            "registered_model": settings.registered_model,
            # An alias without a registered model is refused.
            "alias": settings.alias if settings.registered_model else "",
            "register": settings.register,
            "retry_seconds": settings.retry_seconds,
        },
    }


def _drawn(calibration: Provenance, evaluation: Provenance) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the sections ``examples`` and ``sampling``; the former is empty for sets without a recipe."""
    recipe = recipe_of_both(calibration, evaluation)
    if recipe:
        examples, sampling = recipe["examples"], recipe["sampling"]
        return _NO_EXAMPLES | examples, sampling | {"weight": sampling.get("weight", "")}
    return {}, {"calibration": calibration.requested, "evaluation": evaluation.requested, "seed": calibration.seed}


def _files(verdict: Verdict) -> dict[str, list[str]]:
    """Returns the files that the examples were drawn from."""
    sets = (verdict.calibration.provenance, verdict.evaluation.provenance)
    return {provenance.purpose: [file.path for file in provenance.sources] for provenance in sets}


def _merged(
    configured: Mapping[str, Any], known: Mapping[str, Any], within: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """Returns configured values, replaced by recorded ones where they differ, and the keys of the replaced ones.

    Args:
        configured: The values of a section.
        known: The recorded values.
        within: The key of the section and a dot; "" for the whole configuration.
    """
    merged, replaced = dict(configured), []
    for name, value in known.items():
        key = f"{within}{name}"
        if key in ("examples", "sampling", "calibration", "tracking"):
            section = merged.get(name)
            merged[name], inner = _merged(section if isinstance(section, dict) else {}, value, f"{key}.")
            replaced += inner
        elif not _is_same(key, configured.get(name), value):
            merged[name] = value
            replaced.append(key)
    return merged, replaced


def _is_same(key: str, configured: object, known: object) -> bool:
    """Returns whether a configured value, None if missing, is equivalent to the recorded one."""
    if configured is None:
        return known is False or known in ("", [], {})
    if configured == known:
        return True
    if key == "gate":
        return _gate(configured) == known
    if key == "variants" and isinstance(configured, list) and isinstance(known, list):
        return sorted(map(str, configured)) == sorted(known)
    if key in _PATTERNS and isinstance(configured, str):
        return [configured] == known
    if key == "examples.preprocess":
        return _without_folder(str(configured)) == known
    if key == "sampling.stratify" and isinstance(configured, bool):
        return _WORDS[configured] == known
    # An empty URI stands for the environment's, which the run used.
    return key == "tracking.uri" and configured == ""


def _gate(configured: object) -> dict[str, float | str]:
    """Returns a configured gate with its defaults, as in a verdict; empty (which a verdict's never is) for an invalid one."""
    try:
        return parse_gate(configured).settings() if isinstance(configured, dict) else {}
    except ConfigError:
        return {}


def _without_folder(preprocess: str) -> str:
    """Returns the name of a preprocess function as the sample step gets it: without the folder of its file."""
    file, _, function = preprocess.rpartition(":")
    return f"{PurePath(file).name}:{function}" if file.endswith(".py") else preprocess


def _no_place(variants: VariantSetContent) -> str:
    """Returns a note on the model of a pipeline that gets it as an artifact of an earlier step."""
    return f"Where the model was is not recorded, and {_MODEL} may not be its place: the SHA-256 of its files is {variants.model_sha256}."


def _missing(config: Mapping[str, Any], verdict: Verdict) -> list[str]:
    """Returns notes on what must be added to the configuration."""
    notes = []
    file, _, _ = str(config["examples"].get("preprocess", "")).rpartition(":")
    if file.endswith(".py") and PurePath(file).name == file:
        notes.append(f"Put {file} beside this file.")
    if not verdict.calibration.provenance.recipe:
        notes.append("Of the examples, the files that were read and their number are recorded, and nothing else.")
    return notes


def _comments(notes: list[str]) -> str:
    return "".join(f"# {note}\n" for note in notes)
