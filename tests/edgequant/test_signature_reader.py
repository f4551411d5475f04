"""Signatures read without TensorFlow, against what TensorFlow says of the same models."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgequant.errors import ModelError
from edgequant.signature import ModelSignature, TensorSpec
from edgequant.signature_reader import read_signature

_SAVED = (
    "keras_3_saved_model",
    "keras_2_saved_model",
    "tensorflow_1",
    "two_inputs",
    "two_outputs",
    "tokens",
    "two_signatures",
    "open_length",
    "fixed_batch",
)
_FILES = ("keras_3_file", "keras_2_file", "keras_file_of_many")


def _facts(specs: tuple[TensorSpec, ...]) -> dict[str, dict[str, Any]]:
    return {
        spec.name: {"dtype": spec.dtype, "shape": None if spec.shape is None else list(spec.shape)} for spec in specs
    }


@pytest.mark.parametrize("name", _SAVED)
def test_a_saved_model_is_described_as_tensorflow_does(name: str, zoo: Path) -> None:
    """Names, dtypes and shapes of every signature equal those of the signatures that TensorFlow loads."""
    signatures = json.loads((zoo / name / "signatures.json").read_text(encoding="utf-8"))
    assert signatures
    for key, facts in signatures.items():
        signature = read_signature(zoo / name / "model", key)
        assert signature.key == key
        assert _facts(signature.inputs) == facts["inputs"]
        assert _facts(signature.outputs) == facts["outputs"]


@pytest.mark.parametrize("name", _FILES)
def test_a_keras_file_is_described_by_its_input_layers(name: str, zoo: Path) -> None:
    """The inputs of a .keras file are its input layers, by name."""
    with np.load(zoo / name / "examples.npz", allow_pickle=False) as examples:
        expected = {key: {"dtype": "float32", "shape": [None, *examples[key].shape[1:]]} for key in examples}
    signature = read_signature(zoo / name / "model.keras", "serving_default")
    assert _facts(signature.inputs) == expected
    assert [spec.name for spec in signature.inputs] == sorted(expected)
    # Those of one output end with a dense layer of four units.
    one = {"output_0": {"dtype": "float32", "shape": [None, 4]}}
    assert _facts(signature.outputs) == ({} if name == "keras_file_of_many" else one)


def test_tensorflow_is_not_imported(zoo: Path) -> None:
    """Neither TensorFlow nor Keras is loaded to read a SavedModel or a .keras file."""
    script = (
        "import sys; from pathlib import Path; from edgequant.signature_reader import read_signature\n"
        "for path in sys.argv[1:]: print(read_signature(Path(path), 'serving_default').to_json())\n"
        "print(sorted({'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)))"
    )
    paths = [str(zoo / "two_inputs" / "model"), str(zoo / "keras_3_file" / "model.keras")]
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True)
    *signatures, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    assert [ModelSignature.from_json(text) for text in signatures] == [
        read_signature(Path(path), "serving_default") for path in paths
    ]


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        (
            "strings",
            "serving_default",
            "input 'text' is a string; allowed are float32, float64, float16, int8, uint8, int16, int32, int64, bool"
            " (move string handling out of the exported signature)",
        ),
        ("strings", "nothing", "signature 'nothing' takes no input; one or more are needed"),
        ("strings", "scalar", "input 'x' has no batch dimension: x float32 []"),
        (
            "batch_of_four",
            "serving_default",
            "input 'features' has a fixed batch of 4: features float32 [4, 48]; it must be open or 1",
        ),
    ],
)
def test_an_input_that_cannot_be_used_is_named(name: str, key: str, message: str, zoo: Path) -> None:
    """Text, no input at all, no batch dimension, a batch of four: refused before anything is sampled or converted."""
    with pytest.raises(ModelError) as caught:
        read_signature(zoo / name / "model", key)
    assert str(caught.value) == f"model: {zoo / name / 'model'}: {message}"


def test_an_unknown_signature_names_the_nearest(zoo: Path) -> None:
    """The message lists the signatures there are; TensorFlow's own bookkeeping signatures are not among them."""
    path = zoo / "two_signatures" / "model"
    with pytest.raises(ModelError) as caught:
        read_signature(path, "serving_defualt")
    assert str(caught.value) == (
        f"signature: 'serving_defualt' is not in {path}; it has see, serving_default; did you mean 'serving_default'?"
    )
    with pytest.raises(ModelError, match=r"a \.keras file has one signature, 'serving_default'"):
        read_signature(zoo / "keras_3_file" / "model.keras", "see")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds graphs with the tags []; exactly one tagged 'serve' is needed"),
        (b"just text, no protocol buffer", "is not a SavedModel protocol buffer"),
    ],
)
def test_a_damaged_saved_model_is_described(content: bytes, message: str, tmp_path: Path) -> None:
    """A saved_model.pb that is empty or something else ends in one line with its path."""
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ModelError, match="model: ") as caught:
        read_signature(tmp_path, "serving_default")
    assert str(tmp_path / "saved_model.pb") in str(caught.value)
    assert message in str(caught.value)


def _broken_deflate(path: Path) -> None:
    """A .keras file whose compressed config was overwritten."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", '{"class_name": "Functional"}' * 50)
    content = bytearray(path.read_bytes())
    content[45:60] = b"\xff" * 15
    path.write_bytes(content)


def _config(text: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", text)

    return make


def _no_config(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.txt", "")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_no_config, "is not a Keras model file"),
        (_broken_deflate, "is not a Keras model file"),
        (_config("not json"), "is not a Keras model file"),
        (_config("[]"), "is not a Keras model file"),
        (_config("{}"), "is not a Keras model file"),
        (_config('{"config": null}'), "is not a Keras model file"),
        (
            _config('{"class_name": "MyModel", "config": {}}'),
            "is a MyModel without input layers; a Functional or a built Sequential model is needed,"
            " or a SavedModel made with model.export()",
        ),
        (_config('{"class_name": "Sequential", "config": {"layers": []}}'), "is a Sequential without input layers"),
    ],
)
def test_a_keras_file_that_cannot_be_used_is_described(
    make: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    """A damaged file, and a model whose inputs are not written in it, end in one line with the path."""
    path = tmp_path / "model.keras"
    make(path)
    with pytest.raises(ModelError) as caught:
        read_signature(path, "serving_default")
    assert str(caught.value).startswith(f"model: {path} {message}")
