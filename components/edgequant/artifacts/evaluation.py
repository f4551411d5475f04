"""The evaluation of one variant: its outputs and metrics (evaluate → validate, track)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgequant.artifacts.directory import file_name, inside, load_array, manifest_digest, read_manifest

SCHEMA = "edgequant/evaluation/1"
EVALUATED = "evaluated"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFinite:
    """Outputs that hold NaN or infinity.

    Attributes:
        output: The name of the output.
        examples: How many examples produced them.
        first_example: The row of the first of those.
        operator: The type of the operator where they start; "" where an input of the example holds them; None where that
            is not known.
        tensor: The name of the tensor that it writes, or of the input; or None.
    """

    output: str
    examples: int
    first_example: int
    operator: str | None = None
    tensor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationContent:
    """The manifest of an evaluation.

    Attributes:
        variant: The variant's name.
        task: The task.
        status: ``evaluated``; ``failed`` when the variant was not converted or could not be run; ``absent`` when there
            is no champion.
        reason: Why it is not evaluated, or None.
        model_sha256: The digest of the evaluated file, or None.
        evaluation_sha256: The digest of the evaluation set's manifest.
        examples: How many examples were run: the first ones of the evaluation set.
        available: How many examples the evaluation set holds.
        seconds: How long the run took.
        metrics: The task's main metric, or all of a custom one's, for a first look: its outputs are interpreted by themselves,
            whereas the verdict interprets all outputs as the reference's.
        outputs: The names of the outputs.
        runtime: The interpreter's name and version.
        resolver: Which kernels ran it: ``xnnpack``, ``builtin`` or ``reference``.
        threads: How many single-threaded interpreters ran concurrently.
        batch: The batch size: 1, unless a larger one was faster and gave the same outputs bit for bit.
        not_finite: The outputs that hold NaN or infinity, when that is why it failed.
    """

    variant: str
    task: str
    status: str
    reason: str | None = None
    model_sha256: str | None = None
    evaluation_sha256: str
    examples: int = 0
    available: int
    seconds: float = 0.0
    metrics: dict[str, float]
    outputs: tuple[str, ...] = ()
    runtime: str
    resolver: str = "xnnpack"
    threads: int = 1
    batch: int = 1
    not_finite: NotFinite | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A loaded evaluation.

    Attributes:
        path: Its directory.
        digest: The SHA-256 of its manifest.
        content: Its manifest.
        outputs: Memory-mapped float arrays by output name; the first axis is the example.
    """

    path: Path
    digest: str
    content: EvaluationContent
    outputs: dict[str, NDArray[Any]]


def load_evaluation(path: Path) -> Evaluation:
    """Returns the evaluation in a directory.

    Raises:
        ArtifactError: It is missing, damaged or not an evaluation.
    """
    content = read_manifest(path, SCHEMA, EvaluationContent)
    outputs = {name: load_array(inside(path, f"outputs/{file_name(name)}")) for name in content.outputs}
    return Evaluation(
        path=path,
        digest=manifest_digest(path),
        content=content,
        outputs=outputs,
    )
