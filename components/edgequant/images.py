"""The container image of each step, named once."""

from edgequant import __version__

PREFIX = "edgequant"


def image(extra: str, prefix: str = PREFIX, tag: str = __version__) -> str:
    """Returns the image that holds this package with one of its extras.

    Args:
        extra: The extra.
        prefix: What comes before the image's name: a registry and a path.
        tag: The tag. The version is part of it because KFP's cache key covers the image's name, not its contents.
    """
    return f"{prefix}/{extra}:{tag}"
