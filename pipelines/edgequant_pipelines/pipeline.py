"""The pipeline: sample, convert, evaluate every variant, benchmark, validate, track.

KFP reads parameters from a function's signature, so `quantize` lists all of them: the fields of KFP's run page, each with type,
default and description. `quantize_model` has the same parameters except for the model.
"""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from edgequant.artifacts.champion_set import CHAMPION
from edgequant.benchmarking.component import benchmark
from edgequant.champion.component import fetch_champion
from edgequant.conversion.component import convert
from edgequant.description.component import describe
from edgequant.evaluation.component import evaluate
from edgequant.resolution.component import resolve
from edgequant.sampling.component import sample
from edgequant.tracking.component import track
from edgequant.validation.component import validate
from edgequant_pipelines.pipeline_parameters import Parameter, make_pipeline, parameters_of
from edgequant_pipelines.step_defaults import PARALLELISM

VARIANTS = ["float32", "float16", "weights_only", "full_int8", "integer_only"]
BEAM_OPTIONS = ["--runner=FnApiRunner"]


@dsl.pipeline(name="quantize", description="Makes, measures, judges and records every quantized variant of a model.")
def quantize(
    saved_model: dsl.Input[dsl.Model],
    name: str,
    calibration_examples: list[str],
    experiment: str,
    signature: str = "serving_default",
    evaluation_examples: list[str] = [],  # noqa: B006 - KFP takes defaults as they are
    inputs: dict = {},  # noqa: B006
    label: str = "",
    classes: list[str] = [],  # noqa: B006
    classes_file: str = "",
    slices: list[str] = [],  # noqa: B006
    group: str = "",
    sequence: dict = {},  # noqa: B006
    keep: list[str] = [],  # noqa: B006
    preprocess: str = "",
    preprocess_source: str = "",
    calibration_count: int = 500,
    evaluation_count: int = 10000,
    stratify: str = "auto",
    minimum_per_class: int = 1,
    weight: str = "",
    extremes: float = 0.0,
    allow_calibration_mismatch: bool = False,
    check_stability: bool = False,
    seed: int = 17,
    variants: list[str] = VARIANTS,
    task: str = "classification",
    task_digest: str = "",
    task_source: str = "",
    resolver: str = "xnnpack",
    evaluation_budget_seconds: float = 0.0,
    gate: dict = {},  # noqa: B006
    reference: dict = {},  # noqa: B006
    training_metrics: dict = {},  # noqa: B006
    champion: str = "",
    champion_digest: str = "",
    tracking_uri: str = "",
    registered_model: str = "",
    alias: str = "",
    register: str = "best",
    tracking_retry_seconds: float = 120.0,
    beam_options: list[str] = BEAM_OPTIONS,
    examples_digest: str = "",
    model_uri: str = "",
    pipeline_run: str = "",
    configuration: str = "",
) -> dsl.Artifact:
    """Quantizes the model that an earlier step trained.

    Args:
        saved_model: A SavedModel directory, or a directory with a .keras file.
        name: The name of the quantization.
        calibration_examples: Patterns of the files to calibrate on: .tfrecord[.gz], .parquet or .npz.
        experiment: The MLflow experiment; "" for one by the quantization's name.
        signature: The key of the signature to convert.
        evaluation_examples: Patterns of the files to evaluate on; empty: a disjoint split of the calibration files.
        inputs: By model input, the feature that feeds it, or a mapping of feature, decode, jpeg, resize, scale, offset, normalize.
        label: The feature that holds the label; empty: agreement with float stands in for accuracy.
        classes: The names that a label in text may have, in the order of the model's outputs.
        classes_file: A text file with these names, one on each line: a path, s3:// or gs://; empty: as in classes.
        slices: Features to keep beside the examples, so that metrics can be told apart by their values.
        group: The feature whose values are groups of dependent examples, such as the speaker; empty: none.
        sequence: The features key and order of sequences, whose examples run in order; empty: none.
        keep: Features that are kept for a metric of one's own.
        preprocess: FILE.py:function, s3://BUCKET/FILE.py:function or package.module:function that makes model inputs; empty: none.
        preprocess_source: The text of FILE.py; empty for a module of the image, and for a file in a bucket.
        calibration_count: How many calibration examples to draw.
        evaluation_count: How many evaluation examples to draw.
        stratify: How calibration examples are divided among classes: equal, proportional, false, or auto.
        minimum_per_class: With proportional, the least of each class.
        weight: The feature by which calibration examples are weighted.
        extremes: The share of calibration examples taken for their least and greatest values.
        allow_calibration_mismatch: Whether to make calibrated variants even if the calibration set does not match the evaluation set.
        check_stability: Whether to calibrate on each half of the set as well, and compare.
        seed: The seed of the draw.
        variants: The variants to make; float32 is among them.
        task: classification, binary, multilabel, regression, none, or FILE.py:function or package.module:function.
        task_digest: Identifies the code behind a task of one's own, for the cache key.
        task_source: The text of the task's FILE.py; empty: none.
        resolver: Which kernels run the variants: xnnpack, builtin (the runtime's optimized ones) or reference.
        evaluation_budget_seconds: Cuts all variants to the examples that each is run on within this time; 0: all examples.
        gate: What a variant must hold, such as max_drop_points; empty: nothing is judged.
        reference: What float32 must reach, such as accuracy: 0.87, within_points: 1; empty: what the training run logged.
        training_metrics: The metrics that the training run of the model logged; empty: none is known.
        champion: The quantized model in production, to compare with: models:/NAME@ALIAS; empty: none.
        champion_digest: Identifies its content, for the cache key.
        tracking_uri: The MLflow server; empty: that of the environment.
        registered_model: The registered model that gets the best blessed variant; empty: none.
        alias: The alias to give the new version; empty: none.
        register: Which blessed variants become versions: best, blessed (all of them) or none.
        tracking_retry_seconds: How long to retry while MLflow does not answer.
        beam_options: Options for Beam.
        examples_digest: Identifies the examples' contents, for the cache key.
        model_uri: The URI of the source model, for the record.
        pipeline_run: Identifies the pipeline run; empty: KFP's run, on this machine the results.
        configuration: The configuration as YAML, for the record, which tells what ran where that differs; empty: what the steps know.

    Returns:
        The result: variants, verdict, report and result.json.
    """
    described = describe(model=saved_model, signature=signature)
    fetched = fetch_champion(champion_uri=champion, champion_digest=champion_digest, tracking_uri=tracking_uri)
    sampled = sample(
        signature=described.output,
        calibration_examples=calibration_examples,
        evaluation_examples=evaluation_examples,
        inputs=inputs,
        label=label,
        classes=classes,
        classes_file=classes_file,
        slices=slices,
        group=group,
        sequence=sequence,
        keep=keep,
        preprocess=preprocess,
        preprocess_source=preprocess_source,
        task=task,
        calibration_count=calibration_count,
        evaluation_count=evaluation_count,
        stratify=stratify,
        minimum_per_class=minimum_per_class,
        weight=weight,
        extremes=extremes,
        seed=seed,
        beam_options=beam_options,
        examples_digest=examples_digest,
    )
    # A champion that cannot be fetched fails the run early.
    sampled.after(fetched)
    converted = convert(
        model=saved_model,
        signature=signature,
        variants=variants,
        calibration_set=sampled.outputs["calibration_set"],
        evaluation_set=sampled.outputs["evaluation_set"],
        allow_mismatch=allow_calibration_mismatch,
        check_stability=check_stability,
    )
    with dsl.ParallelFor(variants, name="variants", parallelism=PARALLELISM) as variant:
        evaluated = evaluate(
            variant=variant,
            variant_set=converted.outputs["variant_set"],
            evaluation_set=sampled.outputs["evaluation_set"],
            task=task,
            task_digest=task_digest,
            task_source=task_source,
            budget_seconds=evaluation_budget_seconds,
            resolver=resolver,
        )
    champion_evaluated = evaluate(
        variant=CHAMPION,
        variant_set=fetched.outputs["champion"],
        evaluation_set=sampled.outputs["evaluation_set"],
        task=task,
        task_digest=task_digest,
        task_source=task_source,
        budget_seconds=evaluation_budget_seconds,
        resolver=resolver,
    )
    champion_evaluated.set_display_name("evaluate-champion")
    # Keeps the order of steps in a local run's progress.
    champion_evaluated.after(converted)
    measured = benchmark(
        variant_set=converted.outputs["variant_set"],
        evaluation_set=sampled.outputs["evaluation_set"],
        resolver=resolver,
    )
    validated = validate(
        name=name,
        task=task,
        task_source=task_source,
        gate=gate,
        reference=reference,
        training_metrics=training_metrics,
        variant_set=converted.outputs["variant_set"],
        evaluations=dsl.Collected(evaluated.outputs["evaluation"]),
        latencies=measured.outputs["latencies"],
        champion=fetched.outputs["champion"],
        champion_evaluation=champion_evaluated.outputs["evaluation"],
        calibration_set=sampled.outputs["calibration_set"],
        evaluation_set=sampled.outputs["evaluation_set"],
        model_uri=model_uri,
    )
    tracked = track(
        variant_set=converted.outputs["variant_set"],
        verdict=validated.outputs["verdict"],
        calibration_set=sampled.outputs["calibration_set"],
        evaluation_set=sampled.outputs["evaluation_set"],
        tracking_uri=tracking_uri,
        experiment=experiment,
        registered_model=registered_model,
        alias=alias,
        register=register,
        retry_seconds=tracking_retry_seconds,
        model_uri=model_uri,
        pipeline_run=pipeline_run,
        kfp_run=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        configuration=configuration,
    )
    # It has side effects, and is idempotent by itself.
    tracked.set_caching_options(enable_caching=False)
    return tracked.outputs["result"]


def _quantize_model(parameters: Mapping[str, Any]) -> Any:
    """Creates the tasks of `quantize_model`, and returns its output."""
    passed = dict(parameters)
    uri, digest = passed.pop("model"), passed.pop("model_digest")
    resolved = resolve(model_uri=uri, model_digest=digest, tracking_uri=parameters["tracking_uri"])
    return quantize(saved_model=resolved.outputs["model"], model_uri=uri, **passed).output


quantize_model = make_pipeline(
    "quantize-model",
    "Fetches a model by its URI and quantizes it.",
    [
        Parameter(
            name="model", annotation=str, meaning="A path, models:/NAME/VERSION, models:/NAME@ALIAS or runs:/ID/PATH."
        ),
        Parameter(
            name="model_digest",
            annotation=str,
            meaning="Identifies the model's content, for the cache key.",
            default="",
        ),
        *(item for item in parameters_of(quantize) if item.name not in ("saved_model", "model_uri")),
    ],
    _quantize_model,
)
"""The pipeline `quantize` for a model's URI: `model` and `model_digest` in place of `saved_model` and `model_uri`, all else the same."""
