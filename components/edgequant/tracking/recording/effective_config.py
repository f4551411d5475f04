"""The configuration that a run had: the one that it was given, with what it did otherwise in its place.

That text is one argument of many: a compiled pipeline has it as a default beside those of its other arguments, and whoever
starts a run may replace one of these and not the text.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import yaml

from edgequant.artifacts.example_set import Provenance
from edgequant.artifacts.result import TrackingSettings
from edgequant.artifacts.variant_set import VariantSetContent
from edgequant.artifacts.verdict import Verdict
from edgequant.errors import ConfigError
from edgequant.gate import parse_gate

# What a recipe leaves out, as it is empty, in the configuration's order.
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
# Keys whose lists may be written as one text.
_PATTERNS = ("examples.calibration", "examples.evaluation", "examples.slice")
# YAML's true and false as the words of `sampling.stratify` that they stand for.
_WORDS = {True: "auto", False: "false"}
# Where nothing tells the place of the model.
_MODEL = "model"


def as_run(given: str, settings: TrackingSettings, variants: VariantSetContent, verdict: Verdict) -> str:
    """Returns the configuration of a run as YAML; comments at its top name what is not as configured, and what is not known.

    Args:
        given: The configuration that the run was given, returned as it is where the run did what it says; "" for none.
        settings: Where the run is recorded.
        variants: The manifest of its variant set.
        verdict: Its verdict.
    """
    values = _mapping(given)
    known = _known(settings, variants, verdict)
    known[_MODEL] = settings.model_uri or values.get(_MODEL) or _MODEL
    if not verdict.calibration.provenance.recipe and not values.get("examples"):
        known["examples"] = _files(verdict)
    config, replaced = _merged(values, known)
    notes = [] if settings.model_uri else [_no_place(variants)]
    if not replaced:
        return _comments(notes) + given
    first = f"Not as configured but as run: {', '.join(replaced)}." if values else _of_the_steps(given)
    notes = [first, *notes, *_missing(config, verdict)]
    return _comments(notes) + yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _mapping(text: str) -> dict[str, Any]:
    """Returns the values of a YAML file's text; none where it is not one of a configuration."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return values if isinstance(values, dict) else {}


def _of_the_steps(given: str) -> str:
    why = "what was given is no YAML mapping" if given.strip() else "none was given"
    return f"What the steps recorded of the configuration, as {why}. They do not record beam and kubeflow."


def _known(settings: TrackingSettings, variants: VariantSetContent, verdict: Verdict) -> dict[str, Any]:
    """Returns what the steps recorded, in the configuration's words and order."""
    champion = verdict.champion
    examples, sampling = _drawn(verdict.calibration.provenance, verdict.evaluation.provenance)
    return {
        "name": verdict.name,
        _MODEL: settings.model_uri,
        "signature": variants.signature,
        "examples": examples,
        "sampling": sampling | {"check_stability": variants.stability is not None},
        "variants": list(verdict.variants),
        "task": verdict.task,
        "resolver": verdict.environment.resolver,
        "gate": dict(verdict.gate),
        "champion": (champion.version or champion.uri) if champion else "",
        "tracking": {
            "uri": settings.uri,
            "experiment": settings.experiment,
            "registered_model": settings.registered_model,
            # Without a model to register it stands for nothing, and is refused.
            "alias": settings.alias if settings.registered_model else "",
            "register": settings.register,
            "retry_seconds": settings.retry_seconds,
        },
    }


def _drawn(calibration: Provenance, evaluation: Provenance) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the sections ``examples`` and ``sampling``; of the former, sets without a recipe tell nothing that can replace it."""
    if calibration.recipe:
        examples, sampling = calibration.recipe["examples"], calibration.recipe["sampling"]
        return _NO_EXAMPLES | examples, sampling | {"weight": sampling.get("weight", "")}
    return {}, {"calibration": calibration.asked, "evaluation": evaluation.asked, "seed": calibration.seed}


def _files(verdict: Verdict) -> dict[str, list[str]]:
    """Returns the files that the examples were drawn from."""
    sets = (verdict.calibration.provenance, verdict.evaluation.provenance)
    return {provenance.purpose: [file.path for file in provenance.sources] for provenance in sets}


def _merged(given: Mapping[str, Any], known: Mapping[str, Any], within: str = "") -> tuple[dict[str, Any], list[str]]:
    """Returns given values with what is known in the place of what differs from it, and the keys of these.

    Args:
        given: The values of a section.
        known: What is known of them.
        within: The key of the section, with a dot behind it; "" for the whole.
    """
    merged, replaced = dict(given), []
    for name, value in known.items():
        key = f"{within}{name}"
        if key in ("examples", "sampling", "tracking"):
            section = merged.get(name)
            merged[name], inner = _merged(section if isinstance(section, dict) else {}, value, f"{key}.")
            replaced += inner
        elif not _is_same(key, given.get(name), value):
            merged[name] = value
            replaced.append(key)
    return merged, replaced


def _is_same(key: str, given: object, known: object) -> bool:
    """Tells whether a configured value, None where there is none, asks for what the run had."""
    if given is None:
        return known is False or known in ("", [], {})
    if given == known:
        return True
    if key == "gate":
        return _gate(given) == known
    if key == "variants" and isinstance(given, list) and isinstance(known, list):
        return sorted(map(str, given)) == sorted(known)
    if key in _PATTERNS and isinstance(given, str):
        return [given] == known
    if key == "examples.preprocess":
        return _without_folder(str(given)) == known
    if key == "sampling.stratify" and isinstance(given, bool):
        return _WORDS[given] == known
    # Empty, this stands for the environment's, which the run found.
    return key == "tracking.uri" and given == ""


def _gate(given: object) -> dict[str, float | str]:
    """Returns a configured gate with its defaults, as a verdict tells it; empty, which no verdict's is, for one that is wrong."""
    try:
        return parse_gate(given).settings() if isinstance(given, dict) else {}
    except ConfigError:
        return {}


def _without_folder(preprocess: str) -> str:
    """Returns a function's name as the sample step gets it: of a file, without its folder."""
    file, _, function = preprocess.rpartition(":")
    return f"{PurePath(file).name}:{function}" if file.endswith(".py") else preprocess


def _no_place(variants: VariantSetContent) -> str:
    """Returns a sentence on the model of a pipeline that gets it from the step before."""
    return f"Where the model was is not recorded, and {_MODEL} may not be its place: the SHA-256 of its files is {variants.model_sha256}."


def _missing(config: Mapping[str, Any], verdict: Verdict) -> list[str]:
    """Returns sentences on what the configuration needs besides."""
    notes = []
    file, _, _ = str(config["examples"].get("preprocess", "")).rpartition(":")
    if file.endswith(".py") and PurePath(file).name == file:
        notes.append(f"Put {file} beside this file.")
    if not verdict.calibration.provenance.recipe:
        notes.append("Of the examples, the files that were read and their number are recorded, and nothing else.")
    return notes


def _comments(notes: list[str]) -> str:
    return "".join(f"# {note}\n" for note in notes)
