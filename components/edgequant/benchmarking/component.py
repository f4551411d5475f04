"""The benchmark step as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("evaluation"), install_kfp_package=False)
def benchmark(
    variant_set: dsl.Input[dsl.Model],
    evaluation_set: dsl.Input[dsl.Dataset],
    latencies: dsl.Output[dsl.Artifact],
    runs: int = 200,
    budget_seconds: float = 60.0,
    resolver: str = "xnnpack",
) -> None:
    """Measures the latency of all variants in one task on one node, in turn, at batch 1 on one thread.

    Args:
        variant_set: The variant set.
        evaluation_set: The evaluation set, whose first examples are the inputs.
        latencies: The latency and memory of each variant, and what they were measured on.
        runs: How many counted runs each variant gets, over 8 processes, or one for each 25 runs if these are more.
        budget_seconds: Runs end early after this time.
        resolver: Which kernels run them: xnnpack, builtin (the runtime's optimized ones) or reference (its plain ones).
    """
    from pathlib import Path

    from edgequant.benchmarking.step import benchmark as run
    from edgequant.steps import step

    with step("benchmark"):
        run(
            Path(variant_set.path),
            Path(evaluation_set.path),
            Path(latencies.path),
            runs=runs,
            budget_seconds=budget_seconds,
            resolver=resolver,
        )
