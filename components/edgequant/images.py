"""The container image of each step, named once."""

from edgequant import __version__


def image(extra: str) -> str:
    """Returns the image that holds this version of the package with one of its extras.

    The version is part of the tag because KFP's cache key covers the image's name, not its contents.
    """
    return f"edgequant/{extra}:{__version__}"
