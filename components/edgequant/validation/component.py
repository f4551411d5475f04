"""The validate step as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("evaluation"), install_kfp_package=False)
def validate(
    name: str,
    task: str,
    gate: dict,
    variant_set: dsl.Input[dsl.Model],
    evaluations: dsl.Input[list[dsl.Artifact]],
    latencies: dsl.Input[dsl.Artifact],
    calibration_set: dsl.Input[dsl.Dataset],
    evaluation_set: dsl.Input[dsl.Dataset],
    verdict: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
    confusion: dsl.Output[dsl.ClassificationMetrics],
    # Not Optional[dsl.Input[…]]: of artifacts whose type the backend leaves open, KFP would make an instance of typing.Union.
    champion: dsl.Input[dsl.Model] = None,
    champion_evaluation: dsl.Input[dsl.Artifact] = None,
    model_uri: str = "",
    task_source: str = "",
    reference: dict = {},  # noqa: B006 - KFP takes defaults as they are
    training_metrics: dict = {},  # noqa: B006
) -> None:
    """Compares every variant with the float32 reference, example by example, and gives its verdict.

    Args:
        name: The name of the quantization.
        task: classification, binary, multilabel, regression, none, or FILE.py:function or package.module:function.
        gate: The limits for a variant: the keys of gate in docs/configuration.md; empty: nothing is judged.
        variant_set: The variant set.
        evaluations: The evaluation of each variant.
        latencies: The benchmark.
        calibration_set: The calibration set.
        evaluation_set: The evaluation set.
        verdict: The verdict of each variant, the best variant, and the report.
        report: The report, for the KFP page.
        summary: The headline and the table of variants, for the KFP page.
        metrics: Each variant's main metric, drop and size, for the KFP page.
        confusion: The confusion matrix of the best variant, for the KFP page; empty for tasks without exclusive classes.
        champion: The champion, or the reason why there is none.
        champion_evaluation: The champion's evaluation.
        model_uri: The URI of the source model, for the report's configuration; empty: the report does not name the model.
        task_source: The text of the task's FILE.py; empty: none.
        reference: The metrics that float32 must reach, and within_points; empty: those that the training run logged.
        training_metrics: The metrics that the training run of the model logged; empty: none is known.
    """
    import shutil
    from pathlib import Path

    from edgequant.gate import parse_gate
    from edgequant.reference import parse_reference
    from edgequant.steps import step
    from edgequant.validation import kfp_view
    from edgequant.validation.inputs import Inputs
    from edgequant.validation.step import validate as run

    with step("validate"):
        inputs = Inputs(
            variant_set=Path(variant_set.path),
            evaluations=[Path(evaluation.path) for evaluation in evaluations],
            benchmark=Path(latencies.path),
            calibration_set=Path(calibration_set.path),
            evaluation_set=Path(evaluation_set.path),
            champion=Path(champion.path) if champion else None,
            champion_evaluation=Path(champion_evaluation.path) if champion_evaluation else None,
            model_uri=model_uri,
            task_source=task_source,
            expected=parse_reference(reference),
            training_metrics=training_metrics,
        )
        result = run(name, task, parse_gate(gate), inputs, Path(verdict.path))
        metrics.metadata.update(kfp_view.metrics(result, Path(metrics.path)))
        confusion.metadata.update(kfp_view.confusion(result, Path(confusion.path)))
        shutil.copyfile(Path(verdict.path) / "report.html", report.path)
        shutil.copyfile(Path(verdict.path) / "summary.md", summary.path)
