"""The step that tells whether the files of examples are still the same, as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("sampling"), install_kfp_package=False)
def fingerprint(
    calibration_examples: list[str], evaluation_examples: list[str], classes_file: str, preprocess: str
) -> str:
    """Returns what identifies the files of examples, and the code that reads them: names, sizes and times, not contents.

    Args:
        calibration_examples: Patterns of the files to calibrate on.
        evaluation_examples: Patterns of the files to evaluate on; empty: a disjoint split of the calibration files.
        classes_file: The text file with the names of the classes; empty: none.
        preprocess: FILE.py:function, s3://BUCKET/FILE.py:function or package.module:function that makes model inputs; empty: none.

    Returns:
        A digest for the cache key of sample.
    """
    from edgequant.sampling.fingerprint import of_examples
    from edgequant.steps import step

    with step("fingerprint"):
        return of_examples(calibration_examples, evaluation_examples, classes_file, preprocess)
