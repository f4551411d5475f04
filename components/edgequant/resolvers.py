"""The choice of the kernels that run a model."""

from edgequant.errors import ConfigError, did_you_mean
from edgequant.litert_interpreter import RESOLVERS


def check_resolver(resolver: str) -> str:
    """Returns the resolver if it is a known one.

    Raises:
        ConfigError: It is unknown.
    """
    if resolver not in RESOLVERS:
        raise ConfigError(
            f"resolver: unknown resolver {resolver!r}; choose from {', '.join(RESOLVERS)}{did_you_mean(resolver, RESOLVERS)}"
        )
    return resolver
