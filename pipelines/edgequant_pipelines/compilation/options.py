"""What a compilation depends on."""

import re
from dataclasses import dataclass

from edgequant import __version__
from edgequant.errors import ConfigError
from edgequant.images import PREFIX, image
from edgequant_pipelines.config import Config
from edgequant_pipelines.deployment import Kubeflow

# The grammar of an image's name: distribution/reference. A host may have a port, and dots; folders may not be empty.
_FOLDER = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]+)?"
_PREFIX = re.compile(rf"(?:{_HOST}/)?{_FOLDER}(?:/{_FOLDER})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileOptions:
    """What a compiled pipeline depends on, beside the version of this package.

    Attributes:
        image_prefix: What comes before an image's name, such as registry.example.com/team; None: as configured.
        tag: The images' tag; None: as configured, else the version of this package.
        config: Gives parameters their defaults, and says where and with what steps run; None: neither.
        defaults: Whether it gives parameters their defaults; a run that is given every argument needs none, and without them
            the digest is the same for all configurations that run alike.
    """

    image_prefix: str | None = None
    tag: str | None = None
    config: Config | None = None
    defaults: bool = True

    def __post_init__(self) -> None:
        """Checks the names.

        Raises:
            ConfigError: The prefix or the tag is not one that a registry takes.
        """
        check_image_prefix(self._prefix)
        if not _TAG.fullmatch(self._tag):
            raise ConfigError(
                f"tag: {self._tag!r} is not allowed; letters, digits, '_', '.' and '-', at most 128, not beginning with '.' or '-', are"
            )

    @property
    def kubeflow(self) -> Kubeflow:
        """What the configuration says of Kubeflow."""
        return self.config.kubeflow if self.config else Kubeflow()

    @property
    def _prefix(self) -> str:
        return (self.kubeflow.image_prefix or PREFIX) if self.image_prefix is None else self.image_prefix

    @property
    def _tag(self) -> str:
        return (self.kubeflow.image_tag or __version__) if self.tag is None else self.tag

    def image(self, name: str) -> str:
        """Returns the image to use for one that a component names."""
        return image(name.rpartition("/")[2].partition(":")[0], self._prefix, self._tag)


def check_image_prefix(prefix: str) -> str:
    """Returns an image prefix once it is one that a registry takes.

    Raises:
        ConfigError: It has a scheme, a tag, a digest, upper case, or a character that is not allowed.
    """
    wrong = f"image prefix: {prefix!r}"
    example = "such as registry.example.com/team"
    if not prefix:
        raise ConfigError("image prefix: is empty; a registry and a path are needed, " + example)
    if "://" in prefix:
        raise ConfigError(f"{wrong} has a scheme; leave out {prefix.partition('://')[0] + '://'!r}")
    if "@" in prefix:
        raise ConfigError(f"{wrong} has a digest or credentials; a registry and a path are needed, {example}")
    if prefix.endswith("/"):
        raise ConfigError(f"{wrong} ends with '/'; leave it out")
    if prefix != prefix.lower():
        hint = f"; write {prefix.lower()!r}" if _PREFIX.fullmatch(prefix.lower()) else ""
        raise ConfigError(f"{wrong} has upper case, which registries refuse{hint}")
    _, slash, last = prefix.rpartition("/")
    if ":" in last:
        tag = last.partition(":")[2]
        port = "" if slash or not tag.isdigit() else "; after a registry with a port a path is needed"
        raise ConfigError(f"{wrong} has a tag; give it as --tag {tag}{port}")
    if not _PREFIX.fullmatch(prefix):
        raise ConfigError(f"{wrong} is not the beginning of an image's name; a registry and a path are, {example}")
    return prefix
