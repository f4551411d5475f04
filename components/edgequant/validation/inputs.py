"""The inputs of a verdict, and the checks that they belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgequant.artifacts.benchmark import Benchmark, load_benchmark
from edgequant.artifacts.champion_set import CHAMPION, ChampionFacts, load_champion
from edgequant.artifacts.evaluation import EVALUATED, Evaluation, load_evaluation
from edgequant.artifacts.example_set import ExampleSet, check_disjoint, check_groups_disjoint, load_example_set
from edgequant.artifacts.variant_set import VariantSet, load_variant_set
from edgequant.errors import ArtifactError
from edgequant.reference import Expected
from edgequant.variants import REFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The directories of the earlier steps that a verdict is made from.

    Attributes:
        variant_set: The variant set.
        evaluations: The evaluation of each variant.
        benchmark: The benchmark.
        calibration_set: The calibration set.
        evaluation_set: The evaluation set.
        champion: The champion; None if none is configured.
        champion_evaluation: The champion's evaluation; None if none is configured.
        model_uri: The URI of the source model, for the record; "" if it is unknown.
        task_source: The text of the file that a metric of one's own is in; "" for none.
        expected: What the configuration expects of the reference.
        training_metrics: The metrics that the run that trained the model logged; empty where none is known.
    """

    variant_set: Path
    evaluations: Sequence[Path]
    benchmark: Path
    calibration_set: Path
    evaluation_set: Path
    champion: Path | None = None
    champion_evaluation: Path | None = None
    model_uri: str = ""
    task_source: str = ""
    expected: Expected = field(default_factory=Expected)
    training_metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedChampion:
    """The champion, as it was fetched and evaluated.

    Attributes:
        facts: The model version that it is.
        variants: The variant set with its file only.
        evaluation: Its evaluation.
    """

    facts: ChampionFacts
    variants: VariantSet
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The loaded inputs of a verdict.

    Attributes:
        task: The task.
        variants: The variant set.
        evaluations: The evaluation of each variant.
        benchmark: The latencies of all variants.
        calibration: The calibration set.
        examples: The evaluation set.
        champion: The champion; None if none is configured.
        compared: How many examples all of them were evaluated on: the first ones, and the only ones in the evaluations' outputs.
        task_source: The text of the file that a metric of one's own is in; "" for none.
    """

    task: str
    variants: VariantSet
    evaluations: dict[str, Evaluation]
    benchmark: Benchmark
    calibration: ExampleSet
    examples: ExampleSet
    champion: LoadedChampion | None
    compared: int
    task_source: str = ""


def load(task: str, inputs: Inputs) -> Loaded:
    """Returns the loaded inputs of a verdict.

    Raises:
        ArtifactError: An input directory is not a valid artifact, or the inputs do not belong together.
    """
    variants = load_variant_set(inputs.variant_set)
    evaluations: dict[str, Evaluation] = {}
    for evaluation in map(load_evaluation, inputs.evaluations):
        of = evaluation.content.variant
        if of in evaluations:
            raise ArtifactError(f"validate: there are two evaluations of {of!r}; one is needed")
        evaluations[of] = evaluation
    check_together(task, variants, evaluations)
    calibration, examples = (
        load_example_set(path, verify=False) for path in (inputs.calibration_set, inputs.evaluation_set)
    )
    check_sets(calibration, examples, variants, evaluations[REFERENCE])
    benchmark = load_benchmark(inputs.benchmark)
    if benchmark.model_sha256 != {variant: variants[variant].sha256 for variant in variants.converted}:
        raise ArtifactError("validate: the benchmark is of another variant set than the one given")
    champion = _load_champion(task, inputs, examples)
    check_kernels([*evaluations.values(), *([champion.evaluation] if champion else [])], benchmark)
    compared = common_prefix([*evaluations.values(), *([champion.evaluation] if champion else [])])
    return Loaded(
        task=task,
        variants=variants,
        evaluations={name: _first(evaluation, compared) for name, evaluation in evaluations.items()},
        benchmark=benchmark,
        calibration=calibration,
        examples=examples,
        champion=champion and replace(champion, evaluation=_first(champion.evaluation, compared)),
        compared=compared,
        task_source=inputs.task_source,
    )


def common_prefix(evaluations: Sequence[Evaluation]) -> int:
    """Returns how many of the first examples all models were evaluated on; those that failed do not count.

    Each model runs in a task of its own, so that a time budget ends each at another example. Metrics over different examples do not
    compare, whether in a table, a chart or a gate.
    """
    return min(evaluation.content.examples for evaluation in evaluations if evaluation.content.status == EVALUATED)


def _first(evaluation: Evaluation, count: int) -> Evaluation:
    """Returns an evaluation whose outputs are those of the first examples only."""
    return replace(evaluation, outputs={name: values[:count] for name, values in evaluation.outputs.items()})


def _load_champion(task: str, inputs: Inputs, examples: ExampleSet) -> LoadedChampion | None:
    """Returns the champion with its evaluation; None if none is configured."""
    if inputs.champion is None or inputs.champion_evaluation is None:
        return None
    facts, variants = load_champion(inputs.champion)
    if not facts.uri:
        return None
    evaluation = load_evaluation(inputs.champion_evaluation)
    content = evaluation.content
    if (content.variant, content.task) != (CHAMPION, task) or content.model_sha256 != variants[CHAMPION].sha256:
        raise ArtifactError(f"validate: the evaluation of the champion is not of {facts.uri} for the task {task!r}")
    if content.evaluation_sha256 != examples.digest:
        raise ArtifactError("validate: the evaluation of the champion is over another evaluation set")
    return LoadedChampion(facts=facts, variants=variants, evaluation=evaluation)


def check_together(task: str, variants: VariantSet, evaluations: dict[str, Evaluation]) -> None:
    """Checks that the evaluations are of these variants' files, for this task, over one evaluation set.

    Raises:
        ArtifactError: They are not, one is missing, or the reference failed.
    """
    for name in evaluations:
        if name not in variants.content.variants:
            known = ", ".join(variants.content.variants)
            raise ArtifactError(f"validate: {name!r} is evaluated and not in the variant set, which holds {known}")
    for name, variant in variants.content.variants.items():
        if name not in evaluations:
            raise ArtifactError(
                f"validate: the evaluation of {name!r} is missing; the evaluations are of {', '.join(evaluations)}"
            )
        if evaluations[name].content.model_sha256 != variant.sha256:
            raise ArtifactError(f"validate: the evaluation of {name!r} is of another file than the variant set's")
        if evaluations[name].content.task != task:
            evaluated_task = evaluations[name].content.task
            raise ArtifactError(
                f"validate: the evaluation of {name!r} is for the task {evaluated_task!r}, not {task!r}"
            )
    sets = {evaluation.content.evaluation_sha256 for evaluation in evaluations.values()}
    if len(sets) > 1:
        raise ArtifactError(
            f"validate: evaluations are over {len(sets)} different evaluation sets; one is needed to compare"
        )
    reference = evaluations[REFERENCE].content
    if reference.status != EVALUATED:
        raise ArtifactError(f"validate: the reference {REFERENCE!r} is not evaluated: {reference.reason}")


def check_sets(calibration: ExampleSet, evaluation: ExampleSet, variants: VariantSet, reference: Evaluation) -> None:
    """Checks that the variants were calibrated and evaluated on these sets, and that the two sets are disjoint.

    Raises:
        ArtifactError: They were not, or the sets share examples.
    """
    if calibration.digest != variants.content.calibration_sha256:
        raise ArtifactError(f"validate: {calibration.path} is not the calibration set that the variants were made with")
    if evaluation.digest != reference.content.evaluation_sha256:
        raise ArtifactError(f"validate: {evaluation.path} is not the evaluation set that the variants were run on")
    check_disjoint(calibration.identities, evaluation)
    check_groups_disjoint(calibration, evaluation)


def check_kernels(evaluations: Sequence[Evaluation], benchmark: Benchmark) -> None:
    """Checks that evaluations and benchmark ran with the same kernels, whose outputs differ; the verdict records one resolver.

    Raises:
        ArtifactError: They ran with different resolvers.
    """
    measured = benchmark.environment.resolver
    for evaluation in evaluations:
        content = evaluation.content
        if content.status == EVALUATED and content.resolver != measured:
            raise ArtifactError(
                f"validate: {content.variant!r} was evaluated with the resolver {content.resolver!r}, and the benchmark "
                f"ran with {measured!r}; run one of them again with the other's"
            )
