"""The options of a compilation."""

from dataclasses import dataclass

from edgequant import __version__
from edgequant.images import PREFIX, image
from edgequant_pipelines.config import Config
from edgequant_pipelines.deployment import Kubeflow
from edgequant_pipelines.image_names import check_image_prefix, check_image_tag


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileOptions:
    """The inputs of a compilation, besides the version of this package.

    Attributes:
        image_prefix: The prefix of image names, such as registry.example.com/team; None for the configuration's.
        tag: The images' tag; None for the configuration's, else the version of this package.
        config: The configuration that sets the defaults of parameters and the section `kubeflow`; None for the built-in ones.
        defaults: Whether the configuration sets the defaults of parameters. A run that passes every argument needs none, and
            without them the digest is the same for all configurations with the same section `kubeflow`.
    """

    image_prefix: str | None = None
    tag: str | None = None
    config: Config | None = None
    defaults: bool = True

    def __post_init__(self) -> None:
        """Checks the names.

        Raises:
            ConfigError: The prefix or the tag is invalid.
        """
        check_image_prefix("image prefix", self._prefix, "--tag ")
        check_image_tag("tag", self._tag)

    @property
    def kubeflow(self) -> Kubeflow:
        """The configuration's section `kubeflow`."""
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
