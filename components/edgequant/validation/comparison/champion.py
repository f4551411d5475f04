"""Compares a variant with the champion."""

from dataclasses import dataclass

from edgequant.artifacts import verdict
from edgequant.artifacts.champion_set import CHAMPION
from edgequant.artifacts.evaluation import EVALUATED
from edgequant.artifacts.verdict import Champion
from edgequant.errors import EvaluationError
from edgequant.outputs import read
from edgequant.task import BINARY, DECIDING, check_answer
from edgequant.validation.comparison.compare import ComparisonSettings, Run, drops, measured_metrics
from edgequant.validation.comparison.drop_intervals import PairedDrop
from edgequant.validation.inputs import LoadedChampion


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstChampion:
    """A variant compared with the champion.

    Attributes:
        name: The URI of the champion's version.
        missing: The reason why there is no champion yet; else None.
        failed: The reason why the champion could not be evaluated; else None.
        drop: The drop of the metric from the champion to the variant; None without a comparison.
    """

    name: str
    missing: str | None = None
    failed: str | None = None
    drop: PairedDrop | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedChampion:
    """The champion with its metrics and outputs.

    Attributes:
        known: The champion as the verdict records it.
        run: Its outputs; None if it was not evaluated.
    """

    known: Champion
    run: Run | None

    def against(self, settings: ComparisonSettings, variant: Run) -> AgainstChampion:
        """Returns the comparison of a variant with the champion, over the examples that both were evaluated on."""
        name = self.known.version or self.known.uri
        if self.run is None:
            missing = self.known.status == verdict.MISSING
            reason = self.known.reason
            return AgainstChampion(name=name, missing=reason if missing else None, failed=None if missing else reason)
        return AgainstChampion(name=name, drop=drops(settings, self.run, variant, settings.metric).get(settings.metric))


def evaluated_champion(settings: ComparisonSettings, champion: LoadedChampion, reference: Run) -> EvaluatedChampion:
    """Returns the champion, measured like the variants.

    Whether its outputs are logits or probabilities is detected separately: it may differ from the new model.

    Args:
        settings: The settings of the comparison.
        champion: The model and its evaluation.
        reference: The outputs of the reference.
    """
    facts, variant, content = champion.facts, champion.variants[CHAMPION], champion.evaluation.content
    reason, status = facts.missing or content.reason, verdict.MISSING if facts.missing else verdict.FAILED
    run = None
    if content.status == EVALUATED:
        run = Run(champion.evaluation.outputs, read(settings.task, next(iter(champion.evaluation.outputs.values()))))
        reason = _incomparable(settings, run, reference)
        status = verdict.FAILED if reason else verdict.EVALUATED
    run = None if reason else run
    measures = {} if run is None else measured_metrics(settings, run, len(run))
    return EvaluatedChampion(
        known=Champion(
            uri=facts.uri,
            version=facts.version,
            status=status,
            reason=reason,
            size_bytes=variant.size_bytes,
            sha256=variant.sha256,
            examples=0 if run is None else len(run),
            metrics={name: measured.value for name, measured in measures.items()},
            measures=measures,
        ),
        run=run,
    )


def _incomparable(settings: ComparisonSettings, run: Run, reference: Run) -> str | None:
    """Returns why outputs cannot be compared without labels; None if they can."""
    if settings.labels is not None:
        return None
    try:
        check_answer(settings.task, run.outputs)
    except EvaluationError as error:
        return str(error)
    if settings.task == BINARY:
        return None
    own, new = ({name: values.shape[1:] for name, values in one.outputs.items()} for one in (run, reference))
    # Decisions do not depend on the name of the output.
    if own == new or (settings.task in DECIDING and list(own.values()) == list(new.values())):
        return None
    outputs = [", ".join(f"{name} {list(shape)}" for name, shape in shapes.items()) for shapes in (own, new)]
    return f"its outputs are {outputs[0]}; those of the new model are {outputs[1]}"
