"""Checks the configured number of evaluation examples against what the gate needs."""

from math import log

from edgequant.errors import ConfigError
from edgequant.gate import Gate
from edgequant_pipelines.config import Config

# No limit needs this many times the examples of the rule of three.
_PLENTY = 5


def check_example_count(config: Config) -> None:
    """Checks that the number of evaluation examples configured can bless a variant at all.

    Raises:
        ConfigError: A limit needs more examples, even of a variant that decides all of them as float32 does.
    """
    gate = config.parsed_gate()
    count = config.sampling.evaluation
    if _is_plenty(count, gate):
        return
    try:
        # SciPy's import takes more than a second, and most runs have plenty of examples.
        from edgequant.validation.gate.data_warnings import least_examples
    except ModuleNotFoundError:
        # The watcher's image has no SciPy: the verdict then says that there are too few.
        return
    few = [
        f"gate.{key}: {getattr(gate, key):g} needs {needed:,} evaluation examples or more"
        for key, needed in least_examples(gate, config.task, labelled=bool(config.examples.label)).items()
        if needed > count
    ]
    if few:
        raise ConfigError(
            f"sampling.evaluation: {count:,} can bless no variant, even one that decides as float32 does: {'; '.join(few)}"
        )


def _is_plenty(count: int, gate: Gate) -> bool:
    """Tells whether a number of examples is far above what any limit needs where nothing changes: about log(1 / (1 - confidence)) / limit."""
    drops = [limit for limit in (gate.max_drop_points, gate.max_drop_points_vs_champion) if limit is not None]
    shares = [limit / 100 for limit in drops]
    if gate.min_agreement is not None:
        shares.append(1 - gate.min_agreement)
    return not shares or (min(shares) > 0 and count >= _PLENTY * log(1 / (1 - gate.confidence)) / min(shares))
