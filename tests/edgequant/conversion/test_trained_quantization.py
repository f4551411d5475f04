"""Models that are quantized at their source."""

import json
import zipfile
from pathlib import Path

import pytest

from edgequant.conversion.trained_quantization import quantized_in_training, reference_note
from edgequant.conversion.withheld import withheld
from edgequant.errors import ModelError
from edgequant.inspection import inspect_model
from edgequant.model_files import find_model


def test_fake_quantize_nodes_are_recognized_at_the_source(tflite: Path) -> None:
    """In the graph of a SavedModel, inside of its functions; a model without such nodes is not quantized."""
    assert quantized_in_training(find_model(tflite / "trained"))
    assert not quantized_in_training(find_model(tflite / "network"))


def test_the_references_pairs_are_reported(tflite: Path) -> None:
    """The float32 file of such a model rounds as int8 does: its QUANTIZE and DEQUANTIZE pairs are counted."""
    note = reference_note(inspect_model(tflite / "trained.tflite"))
    assert note.startswith("holds 3 pairs of QUANTIZE and DEQUANTIZE from quantization-aware training: ")


def test_float_weights_are_not_possible() -> None:
    """`weights_only` and `float16` are not converted, and say why; nothing else is withheld."""
    names = ["float32", "float16", "weights_only", "full_int8", "integer_only", "int16x8"]
    results = withheld(names, None, trained=True)
    assert list(results) == ["float16", "weights_only"]
    assert all(
        str(result.reason).startswith("not possible: the model is quantized in training") for result in results.values()
    )
    assert withheld(names, None, trained=False) == {}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"class_name": "QuantizeWrapperV2"}, "is a .keras file of a model quantized in training"),
        ({"dtype": {"class_name": "QuantizedDTypePolicy"}}, "is quantized already, by Keras's quantize()"),
        ({"dtype": {"class_name": "QuantizedFloat8DTypePolicy"}}, "is quantized already, by Keras's quantize()"),
    ],
)
def test_quantized_keras_files_are_refused_with_the_way_out(
    layer: dict[str, object], message: str, tmp_path: Path
) -> None:
    """Before a converter fails on them with an error of its own."""
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": [layer]}}))
    with pytest.raises(ModelError, match=message):
        quantized_in_training(find_model(tmp_path / "model.keras"))
