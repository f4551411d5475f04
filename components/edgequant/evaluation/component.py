"""The evaluate step as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("evaluation"), install_kfp_package=False)
def evaluate(
    variant: str,
    variant_set: dsl.Input[dsl.Model],
    evaluation_set: dsl.Input[dsl.Dataset],
    task: str,
    task_digest: str,
    evaluation: dsl.Output[dsl.Artifact],
    budget_seconds: float = 0.0,
    resolver: str = "xnnpack",
    task_source: str = "",
) -> None:
    """Runs one variant on the LiteRT interpreter over the evaluation set, as a device would.

    Args:
        variant: The variant's name.
        variant_set: The variant set.
        evaluation_set: The evaluation set.
        task: classification, binary, multilabel, regression, none, or FILE.py:function or package.module:function.
        task_digest: Identifies the code behind a task of one's own, for the cache key.
        evaluation: The variant's outputs and metrics.
        budget_seconds: After this time no further examples are begun, and all variants are compared over those that each was run on;
            0: all examples, however long that takes.
        resolver: Which kernels run it: xnnpack, builtin (the runtime's optimized ones) or reference (its plain ones).
        task_source: The text of the task's FILE.py; empty: none.
    """
    from pathlib import Path

    from edgequant.artifacts.champion_set import CHAMPION
    from edgequant.evaluation.step import evaluate as run
    from edgequant.steps import step

    # Without a champion this one has nothing to do; with one, its line of results says that it is done.
    with step("evaluate", quiet=variant == CHAMPION):
        run(
            variant,
            Path(variant_set.path),
            Path(evaluation_set.path),
            Path(evaluation.path),
            task=task,
            budget_seconds=budget_seconds or None,
            resolver=resolver,
            task_source=task_source,
        )
