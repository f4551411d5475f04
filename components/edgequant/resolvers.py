"""Which kernels run a model."""

from edgequant.errors import ConfigError, did_you_mean
from edgequant.litert_interpreter import RESOLVERS


def check_resolver(resolver: str) -> str:
    """Returns the resolver once it is known.

    Raises:
        ConfigError: It is not.
    """
    if resolver not in RESOLVERS:
        raise ConfigError(
            f"resolver: unknown resolver {resolver!r}; choose from {', '.join(RESOLVERS)}{did_you_mean(resolver, RESOLVERS)}"
        )
    return resolver
