"""The champion: a variant set of one model, so that it is evaluated like the variants (champion → evaluate, validate)."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from edgequant.artifacts.directory import file_digest, new_directory, parse, read_json, write_json, write_manifest
from edgequant.artifacts.variant_set import (
    ABSENT,
    CONVERTED,
    SCHEMA,
    ConvertedVariant,
    VariantSet,
    VariantSetContent,
    load_variant_set,
)

CHAMPION = "champion"
_FILE = "champion.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionFacts:
    """Which model is the champion.

    Attributes:
        uri: The URI that the step received; "" when none is configured.
        version: The URI of the version that it resolved to, or None.
        missing: Why there is none yet, or None.
    """

    uri: str
    version: str | None = None
    missing: str | None = None


def write_champion(target: Path, facts: ChampionFacts, copy: Callable[[Path], None] | None) -> None:
    """Writes the directory of the champion.

    Args:
        target: The directory to make.
        facts: Which model it is.
        copy: Writes its ``.tflite`` file to a path; None when there is none.
    """
    with new_directory(target, SCHEMA) as draft:
        digest = None
        if copy is None:
            champion = ConvertedVariant(status=ABSENT, reason=facts.missing, seconds=0.0)
        else:
            model = draft / CHAMPION / "model.tflite"
            model.parent.mkdir()
            copy(model)
            digest = file_digest(model)
            champion = ConvertedVariant(status=CONVERTED, size_bytes=model.stat().st_size, sha256=digest, seconds=0.0)
        content = VariantSetContent(
            signature="",
            converter="",
            model_sha256=digest or "",
            calibration_sha256=None,
            variants={CHAMPION: champion},
        )
        write_json(draft / _FILE, asdict(facts))
        write_manifest(draft, SCHEMA, content)


def load_champion(path: Path) -> tuple[ChampionFacts, VariantSet]:
    """Returns which model is the champion, and the variant set of its file alone.

    Raises:
        ArtifactError: The directory is missing, damaged or of another kind.
    """
    variants = load_variant_set(path)
    return parse(read_json(path / _FILE), ChampionFacts, path / _FILE), variants
