"""The step that tells whether the files of examples are still the same, as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("sampling"), install_kfp_package=False)
def fingerprint(
    calibration_examples: list[str], evaluation_examples: list[str], preprocess: str, preprocess_source: str
) -> str:
    """Returns what identifies the files of examples, and the code that reads them: names, sizes and times, not contents.

    Args:
        calibration_examples: Patterns of the files to calibrate on.
        evaluation_examples: Patterns of the files to evaluate on; empty: a disjoint split of the calibration files.
        preprocess: FILE.py:function or package.module:function that makes model inputs; empty: none.
        preprocess_source: The text of FILE.py; empty for a module of the image.

    Returns:
        A digest for the cache key of sample.
    """
    from edgequant.sampling.fingerprint import of_examples
    from edgequant.steps import step

    with step("fingerprint"):
        return of_examples(calibration_examples, evaluation_examples, preprocess, preprocess_source)
