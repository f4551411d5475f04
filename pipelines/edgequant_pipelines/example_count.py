"""Checks the configured number of evaluation examples against what the gate needs."""

from edgequant.errors import ConfigError
from edgequant.validation.gate.data_warnings import least_examples
from edgequant_pipelines.config import Config


def check_example_count(config: Config) -> None:
    """Checks that the number of evaluation examples configured can bless a variant at all.

    Raises:
        ConfigError: A limit needs more examples, even of a variant that decides all of them as float32 does.
    """
    gate = config.parsed_gate()
    count = config.sampling.evaluation
    few = [
        f"gate.{key}: {getattr(gate, key):g} needs {needed:,} evaluation examples or more"
        for key, needed in least_examples(gate, config.task, labelled=bool(config.examples.label)).items()
        if needed > count
    ]
    if few:
        raise ConfigError(
            f"sampling.evaluation: {count:,} can bless no variant, even one that decides as float32 does: {'; '.join(few)}"
        )
