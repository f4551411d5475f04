"""The sample step as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("sampling"), install_kfp_package=False)
def sample(
    signature: str,
    calibration_examples: list[str],
    evaluation_examples: list[str],
    inputs: dict,
    label: str,
    classes: list[str],
    classes_file: str,
    slices: list[str],
    group: str,
    sequence: dict,
    keep: list[str],
    preprocess: str,
    preprocess_source: str,
    task: str,
    calibration_count: int,
    evaluation_count: int,
    stratify: str,
    minimum_per_class: int,
    weight: str,
    extremes: float,
    seed: int,
    beam_options: list[str],
    examples_digest: str,
    calibration_set: dsl.Output[dsl.Dataset],
    evaluation_set: dsl.Output[dsl.Dataset],
) -> None:
    """Draws a calibration set and a disjoint evaluation set from the examples, on Apache Beam.

    Args:
        signature: The model's signature, as JSON text from the describe step.
        calibration_examples: Patterns of the files to calibrate on: .tfrecord[.gz], .parquet or .npz.
        evaluation_examples: Patterns of the files to evaluate on; empty: a disjoint split of the calibration files.
        inputs: By model input, the feature that feeds it, or a mapping of feature, decode, jpeg, resize, scale, offset, normalize.
        label: The feature that holds the label; empty: the examples have none.
        classes: The names that a label in text may have, in the order of the model's outputs.
        classes_file: A text file with these names, one on each line: a path, s3:// or gs://; empty: as in classes.
        slices: Features to keep beside the examples, so that metrics can be told apart by their values.
        group: The feature whose values are groups of dependent examples, such as the speaker; empty: none.
        sequence: The features key and order of sequences, whose examples run in order; empty: none.
        keep: Features that are kept for a metric of one's own.
        preprocess: FILE.py:function, s3://BUCKET/FILE.py:function or package.module:function that makes model inputs; empty: none.
        preprocess_source: The text of FILE.py; empty for a module of the image, and for a file in a bucket.
        task: classification, binary, multilabel, regression, none, or FILE.py:function or package.module:function.
        calibration_count: How many calibration examples to draw.
        evaluation_count: How many evaluation examples to draw.
        stratify: How calibration examples are divided among classes: equal, proportional, false, or auto: equal where the
            task has classes.
        minimum_per_class: With proportional, the least of each class.
        weight: The feature by which calibration examples are weighted; empty: none.
        extremes: The share of calibration examples taken because they hold the inputs' least and greatest values.
        seed: The seed of the draw.
        beam_options: Options for Beam, such as --runner=FnApiRunner.
        examples_digest: Identifies the files' contents, for the cache key.
        calibration_set: The calibration set.
        evaluation_set: The evaluation set.
    """
    from pathlib import Path

    from edgequant.sampling.settings import ExampleSources
    from edgequant.sampling.step import sample as run
    from edgequant.signature import ModelSignature
    from edgequant.steps import step

    with step("sample"):
        run(
            ExampleSources(
                signature=ModelSignature.from_json(signature),
                calibration=calibration_examples,
                evaluation=evaluation_examples,
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
            ),
            Path(calibration_set.path),
            Path(evaluation_set.path),
        )
