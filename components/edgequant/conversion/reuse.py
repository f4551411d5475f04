"""Keeps converted variants of a local run by what they are made of, so that other evaluation files convert nothing anew.

KFP's cache runs the whole step again when its evaluation set changes, which the converter never sees.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from edgequant.artifacts.directory import new_directory, read_manifest, tree_digest, write_manifest
from edgequant.artifacts.variant_set import CONVERTED, ConvertedVariant
from edgequant.errors import ArtifactError
from edgequant.steps import CONVERSIONS
from edgequant.variants import VARIANTS

SCHEMA = "edgequant/conversion/1"
_MODEL = "model.tflite"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionStore:
    """The variants that were converted from one model, one calibration set, and these versions of the packages.

    Attributes:
        folder: Where they are kept; None: nowhere.
        made_from: What identifies the model, its signature and the versions.
        calibration: What identifies the calibration inputs.
    """

    folder: Path | None
    made_from: str
    calibration: str

    def load(self, name: str, target: Path) -> ConvertedVariant | None:
        """Copies the file of a variant to a path and returns its facts; None when it is not kept, or is damaged."""
        entry = self._entry(name)
        if entry is None or not entry.is_dir():
            return None
        try:
            facts = read_manifest(entry, SCHEMA, ConvertedVariant)
        except ArtifactError:
            return None
        target.parent.mkdir()
        shutil.copyfile(entry / _MODEL, target)
        return facts

    def keep(self, name: str, converted: ConvertedVariant, file: Path) -> None:
        """Keeps the file and the facts of a converted variant; a failed conversion is repeated by the next run."""
        entry = self._entry(name)
        if entry is None or converted.status != CONVERTED:
            return
        shutil.rmtree(entry, ignore_errors=True)
        with new_directory(entry, SCHEMA) as draft:
            shutil.copyfile(file, draft / _MODEL)
            write_manifest(draft, SCHEMA, converted)

    def _entry(self, name: str) -> Path | None:
        if self.folder is None:
            return None
        calibration = self.calibration if VARIANTS[name].calibrated else ""
        return self.folder / hashlib.sha256(f"{self.made_from}\n{name}\n{calibration}".encode()).hexdigest()


def conversion_store(model: Path, signature: str, calibration_set: Path) -> ConversionStore:
    """Returns the store of a conversion; without the environment variable of the local runner, one that keeps nothing.

    Args:
        model: The model's files.
        signature: The key of the signature.
        calibration_set: The directory of the calibration set.
    """
    folder = os.environ.get(CONVERSIONS, "")
    if not folder:
        return ConversionStore(folder=None, made_from="", calibration="")
    versions = [version(package) for package in ("edgequant", "tensorflow", "ai-edge-litert")]
    return ConversionStore(
        folder=Path(folder),
        made_from="\n".join([tree_digest(model), signature, *versions]),
        calibration=tree_digest(calibration_set / "inputs"),
    )
