"""The variant set: one ``.tflite`` file per variant (convert → evaluate, benchmark, validate, track)."""

from dataclasses import dataclass
from pathlib import Path

from edgequant.artifacts.calibration_comparison import CalibrationComparison
from edgequant.artifacts.directory import inside, manifest_digest, read_manifest
from edgequant.errors import ArtifactError
from edgequant.inspection import Inspection

SCHEMA = "edgequant/variant-set/1"
CONVERTED = "converted"
FAILED = "failed"
# The status of a calibrated variant that was not converted, since the calibration set does not match the evaluation set.
BLOCKED = "blocked"
# The status of the champion alone, when there is none.
ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedVariant:
    """The result of converting one variant.

    Attributes:
        status: ``converted``, ``failed``, ``blocked`` or ``absent``.
        reason: Why it was not converted, or None.
        notes: What a reader should know about a converted variant.
        size_bytes: The size of its file, or None.
        sha256: The digest of its file, or None.
        seconds: How long the conversion took.
        peak_memory_bytes: The conversion process's peak resident memory, or None when it crashed.
        inspection: What its flatbuffer holds, or None.
    """

    status: str
    reason: str | None = None
    notes: tuple[str, ...] = ()
    size_bytes: int | None = None
    sha256: str | None = None
    seconds: float
    peak_memory_bytes: int | None = None
    inspection: Inspection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """How much int8 models calibrated on the two halves of the calibration set differ.

    Attributes:
        examples: How many examples they are compared on; 0 when the comparison failed.
        halves_sqnr_db: The signal-to-noise ratio between their outputs; None when they are equal.
        quantization_sqnr_db: That between float32 and the first of them, to compare it with; None when they are equal.
        agreement: The share of examples for which they choose the same class; None where there is no such choice.
        sentence: Whether the calibration set is large enough.
    """

    examples: int = 0
    halves_sqnr_db: float | None = None
    quantization_sqnr_db: float | None = None
    agreement: float | None = None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSetContent:
    """The manifest of a variant set.

    Attributes:
        signature: The key of the converted signature.
        converter: The converter's name and version.
        model_sha256: The digest of the source model's files.
        calibration_sha256: The digest of the calibration set's manifest, or None when no variant needed it.
        calibration_identities: The identity of every calibration example.
        variants: The result of each variant, in the requested order.
        stability: Whether the calibration set is large enough; None when that was not requested.
        comparison: How the calibration set compares with the evaluation set; None without an evaluation set.
        notes: What a reader of the verdict should know about all variants, a sentence each.
    """

    signature: str
    converter: str
    model_sha256: str
    calibration_sha256: str | None
    calibration_identities: tuple[str, ...] = ()
    variants: dict[str, ConvertedVariant]
    stability: Stability | None = None
    comparison: CalibrationComparison | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSet:
    """A loaded variant set."""

    path: Path
    digest: str
    content: VariantSetContent

    def __getitem__(self, name: str) -> ConvertedVariant:
        if name not in self.content.variants:
            raise ArtifactError(f"{self.path}: holds no variant {name!r}; it holds {', '.join(self.content.variants)}")
        return self.content.variants[name]

    @property
    def converted(self) -> tuple[str, ...]:
        """The names of the variants that were converted, in the requested order."""
        return tuple(name for name, variant in self.content.variants.items() if variant.status == CONVERTED)

    def model(self, name: str) -> Path:
        """Returns the path of a converted variant's ``.tflite`` file."""
        if self[name].status != CONVERTED:
            raise ArtifactError(f"{self.path}: variant {name!r} has no model: {self[name].reason}")
        return inside(self.path, f"{name}/model.tflite")


def load_variant_set(path: Path) -> VariantSet:
    """Returns the variant set in a directory.

    Raises:
        ArtifactError: It is missing, damaged or not a variant set.
    """
    content = read_manifest(path, SCHEMA, VariantSetContent)
    return VariantSet(path=path, digest=manifest_digest(path), content=content)
