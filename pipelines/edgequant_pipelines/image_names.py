"""Checks of image names against the grammar of registries."""

import re

from edgequant.errors import ConfigError

# The grammar of image names in the package distribution/reference. A host may have a port and dots; no path component is empty.
_FOLDER = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]+)?"
_PREFIX = re.compile(rf"(?:{_HOST}/)?{_FOLDER}(?:/{_FOLDER})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_EXAMPLE = "such as registry.example.com/team"


def check_image_tag(key: str, tag: str) -> str:
    """Returns an image tag after checking that it is valid.

    Args:
        key: The name of the setting, for the message.
        tag: The tag.

    Raises:
        ConfigError: It is empty or too long, or has a character that is not allowed.
    """
    if not _TAG.fullmatch(tag):
        raise ConfigError(
            f"{key}: {tag!r} is not allowed; letters, digits, '_', '.' and '-', at most 128, not beginning with '.' or '-', are"
        )
    return tag


def check_image_prefix(key: str, prefix: str, tag_as: str) -> str:
    """Returns an image prefix after checking that it is valid.

    Args:
        key: The name of the setting, for the message.
        prefix: The prefix.
        tag_as: How to set a tag, such as "--tag ", for the message.

    Raises:
        ConfigError: It has a scheme, a tag, a digest, upper case, or a character that is not allowed.
    """
    wrong = f"{key}: {prefix!r}"
    if not prefix:
        raise ConfigError(f"{key}: is empty; a registry and a path are needed, {_EXAMPLE}")
    if "://" in prefix:
        raise ConfigError(f"{wrong} has a scheme; leave out {prefix.partition('://')[0] + '://'!r}")
    if "@" in prefix:
        raise ConfigError(f"{wrong} has a digest or credentials; a registry and a path are needed, {_EXAMPLE}")
    if prefix.endswith("/"):
        raise ConfigError(f"{wrong} ends with '/'; leave it out")
    if prefix != prefix.lower():
        hint = f"; write {prefix.lower()!r}" if _PREFIX.fullmatch(prefix.lower()) else ""
        raise ConfigError(f"{wrong} has upper case, which registries refuse{hint}")
    _, slash, last = prefix.rpartition("/")
    if ":" in last:
        tag = last.partition(":")[2]
        port = "" if slash or not tag.isdigit() else "; after a registry with a port a path is needed"
        raise ConfigError(f"{wrong} has a tag; give it as {tag_as}{tag}{port}")
    if not _PREFIX.fullmatch(prefix):
        raise ConfigError(f"{wrong} is not the beginning of an image's name; a registry and a path are, {_EXAMPLE}")
    return prefix
