"""What a compilation depends on."""

from dataclasses import dataclass

from edgequant import __version__
from edgequant.images import PREFIX, image
from edgequant_pipelines.config import Config
from edgequant_pipelines.deployment import Kubeflow
from edgequant_pipelines.image_names import check_image_prefix, check_image_tag


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
        check_image_prefix("image prefix", self._prefix, "--tag ")
        check_image_tag("tag", self._tag)

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
