"""Makes one small model of every kind that people bring, and asks TensorFlow what each one answers.

Run as ``python make_models.py DIRECTORY``: a process of its own, so that the tests need no TensorFlow. For every model it
writes ``NAME/model`` (a SavedModel) or ``NAME/model.keras``, ``NAME/examples.npz`` (inputs by name, the example first),
``NAME/expected.npz`` (TensorFlow's own outputs by name) and ``NAME/signatures.json`` (what TensorFlow says of each
signature).
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray

ROWS = 24
Arrays = dict[str, NDArray[Any]]
random = np.random.default_rng(17)


def normal(*shape: int) -> NDArray[np.float32]:
    """Returns ROWS examples of a shape, normally distributed."""
    return random.standard_normal((ROWS, *shape)).astype(np.float32)


def write(path: Path, examples: Arrays, key: str = "serving_default", batch: int = 1) -> None:
    """Writes what TensorFlow says about the SavedModel in ``path/model``, row by row as a device would run it."""
    loaded = tf.saved_model.load(str(path / "model"))
    signatures = {
        name: {
            "inputs": {item: facts(spec) for item, spec in function.structured_input_signature[1].items()},
            "outputs": {item: facts(spec) for item, spec in function.structured_outputs.items()},
        }
        for name, function in loaded.signatures.items()
    }
    (path / "signatures.json").write_text(json.dumps(signatures), encoding="utf-8")
    save(path, examples, loaded.signatures[key], batch)


def save(path: Path, examples: Arrays, call: Callable[..., dict[str, Any]], batch: int = 1) -> None:
    """Writes the examples and TensorFlow's answer to each."""
    rows = [
        call(**{name: tf.constant(values[row : row + batch]) for name, values in examples.items()})
        for row in range(0, ROWS, batch)
    ]
    expected = {name: np.concatenate([np.asarray(row[name]) for row in rows]) for name in rows[0]}
    np.savez(path / "examples.npz", allow_pickle=False, **examples)
    np.savez(path / "expected.npz", allow_pickle=False, **expected)


def facts(spec: Any) -> dict[str, Any]:
    """Returns a spec's dtype and shape as JSON values; null where a dimension is open."""
    return {"dtype": spec.dtype.name, "shape": None if spec.shape.rank is None else spec.shape.as_list()}


def convolutional(library: Any) -> Any:
    """Returns an image classifier of a Keras, 2 or 3."""
    return library.Sequential(
        [
            library.layers.Input((8, 8, 2), name="image"),
            library.layers.Conv2D(16, 3, activation="relu"),
            library.layers.DepthwiseConv2D(3),
            library.layers.Conv2D(64, 1, activation="relu"),
            library.layers.GlobalAveragePooling2D(),
            library.layers.Dense(32, activation="relu"),
            library.layers.Dense(4, activation="softmax"),
        ]
    )


def keras_3_saved_model(path: Path) -> None:
    """A SavedModel as Keras 3 exports it."""
    convolutional(keras).export(str(path / "model"), verbose=False)
    write(path, {"image": normal(8, 8, 2)})


def keras_2_saved_model(path: Path) -> None:
    """A SavedModel of Keras 2 after training, with the state of its optimizer."""
    model = convolutional(tf_keras)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(normal(8, 8, 2), np.zeros(ROWS), epochs=1, verbose=0)
    model.save(str(path / "model"), save_format="tf")
    write(path, {"image": normal(8, 8, 2)})


def keras_3_file(path: Path) -> None:
    """A .keras file of Keras 3."""
    model = convolutional(keras)
    model.save(path / "model.keras")
    save(path, {"image": normal(8, 8, 2)}, lambda image: {"output_0": model(image)})


def keras_2_file(path: Path) -> None:
    """A .keras file of Keras 2."""
    model = convolutional(tf_keras)
    model.save(path / "model.keras")
    save(path, {"image": normal(8, 8, 2)}, lambda image: {"output_0": model(image)})


def keras_file_of_many(path: Path) -> None:
    """A .keras file that takes and gives dicts, not in alphabetical order, with a normalization that training has moved."""
    wide, narrow = keras.Input((64,), name="wide"), keras.Input((3,), name="narrow")
    joined = keras.layers.Concatenate()([keras.layers.Dense(32)(wide), narrow])
    outputs = {
        "rank": keras.layers.Dense(2, name="rank")(keras.layers.BatchNormalization()(joined)),
        "kind": keras.layers.Dense(5, name="kind")(joined),
    }
    model = keras.Model({"wide": wide, "narrow": narrow}, outputs)
    model.compile(optimizer="adam", loss="mse")
    targets = {"rank": normal(2), "kind": normal(5)}
    model.fit({"wide": normal(64), "narrow": normal(3)}, targets, epochs=1, verbose=0)
    model.save(path / "model.keras")
    save(path, {"wide": normal(64), "narrow": normal(3)}, lambda **inputs: dict(model(inputs)))


def tensorflow_1(path: Path) -> None:
    """A frozen-in-time TensorFlow 1 graph with reference variables."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        features = tf.compat.v1.placeholder(tf.float32, (None, 48), name="x")
        weights = tf.compat.v1.get_variable("w", (48, 32), use_resource=False)
        scores = tf.nn.relu(tf.matmul(features, weights), name="scores")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(
            session, str(path / "model"), inputs={"features": features}, outputs={"scores": scores}
        )
    write(path, {"features": normal(48)})


def two_inputs(path: Path) -> None:
    """A SavedModel with two inputs."""
    left, right = keras.Input((40,), name="left"), keras.Input((6, 6, 3), name="right")
    flat = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(48, 3)(right))
    joined = keras.layers.Concatenate()([keras.layers.Dense(48, activation="relu")(left), flat])
    keras.Model([left, right], keras.layers.Dense(16)(joined)).export(str(path / "model"), verbose=False)
    write(path, {"left": normal(40), "right": normal(6, 6, 3)})


def two_outputs(path: Path) -> None:
    """A SavedModel with two outputs of different shapes."""
    features = keras.Input((40,), name="features")
    shared = keras.layers.Dense(64, activation="relu")(features)
    outputs = {
        "label": keras.layers.Dense(20, activation="softmax", name="label")(shared),
        "box": keras.layers.Dense(32, name="box")(shared),
    }
    keras.Model(features, outputs).export(str(path / "model"), verbose=False)
    write(path, {"features": normal(40)})


def tokens(path: Path) -> None:
    """A SavedModel with an int32 input (tokens) beside a float input."""
    words, prices = keras.Input((5,), dtype="int32", name="words"), keras.Input((7,), name="prices")
    meaning = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(100, 16)(words))
    joined = keras.layers.Concatenate()([meaning, prices])
    hidden = keras.layers.Dense(64, activation="relu")(joined)
    keras.Model([words, prices], keras.layers.Dense(4)(hidden)).export(str(path / "model"), verbose=False)
    write(path, {"words": random.integers(0, 100, (ROWS, 5), np.int32), "prices": normal(7)})


def two_signatures(path: Path) -> None:
    """A SavedModel with two signatures: a dense layer, and a convolution of other inputs."""
    module = tf.Module()
    module.dense = tf.Variable(random.standard_normal((40, 32)).astype(np.float32))
    module.kernel = tf.Variable(random.standard_normal((3, 3, 4, 32)).astype(np.float32))
    rank = tf.function(
        lambda features: {"rank": tf.nn.relu(tf.matmul(features, module.dense))},
        input_signature=[tf.TensorSpec((None, 40), tf.float32, "features")],
    )
    see = tf.function(
        lambda image: {"seen": tf.nn.conv2d(image, module.kernel, 1, "VALID")},
        input_signature=[tf.TensorSpec((None, 5, 5, 4), tf.float32, "image")],
    )
    tf.saved_model.save(module, str(path / "model"), {"serving_default": rank, "see": see})
    write(path, {"image": normal(5, 5, 4)}, "see")


def open_length(path: Path) -> None:
    """A SavedModel whose input has a dimension besides the batch that is not fixed."""
    series = keras.Input((None, 32), name="series")
    summed = keras.layers.GlobalAveragePooling1D()(keras.layers.Dense(64, activation="relu")(series))
    keras.Model(series, keras.layers.Dense(4)(summed)).export(str(path / "model"), verbose=False)
    write(path, {"series": normal(9, 32)})


def fixed_batch(path: Path) -> None:
    """A SavedModel of a dense layer over a series, made for batch 1."""
    series = keras.Input((6, 16), name="series")
    model = keras.Model(series, keras.layers.Dense(8)(keras.layers.GlobalAveragePooling1D()(series)))
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = tf.TensorSpec((1, 6, 16), tf.float32, "series")
    archive.add_endpoint("serving_default", lambda series: {"scores": model(series)}, input_signature=[spec])
    archive.write_out(str(path / "model"), verbose=False)
    write(path, {"series": normal(6, 16)})


def batch_of_four(path: Path) -> None:
    """A SavedModel made for four examples at a time."""
    of_function(path, tf.nn.relu, batch=4)


def words_to_class(path: Path) -> None:
    """A SavedModel with neither a float input nor a float output."""
    words = keras.Input((5,), dtype="int32", name="words")
    meaning = keras.layers.Flatten()(keras.layers.Embedding(100, 16)(words))
    model = keras.Model(words, keras.layers.Dense(64)(meaning))
    archive = keras.export.ExportArchive()
    archive.track(model)

    def serve(words: Any) -> dict[str, Any]:
        return {"class": tf.argmax(model(words), axis=-1, output_type=tf.int32)}

    archive.add_endpoint("serving_default", serve, input_signature=[tf.TensorSpec((None, 5), tf.int32, "words")])
    archive.write_out(str(path / "model"), verbose=False)
    write(path, {"words": random.integers(0, 100, (ROWS, 5), np.int32)})


def double_precision(path: Path) -> None:
    """A SavedModel that computes in float64."""
    module = tf.Module()
    module.weights = tf.Variable(random.standard_normal((40, 32)))
    serve = tf.function(
        lambda features: {"scores": tf.matmul(features, module.weights)},
        input_signature=[tf.TensorSpec((None, 40), tf.float64, "features")],
    )
    tf.saved_model.save(module, str(path / "model"), {"serving_default": serve})
    write(path, {"features": random.standard_normal((ROWS, 40))})


def code_inside(path: Path) -> None:
    """A .keras file with Python code inside."""
    features = keras.Input((8,), name="features")
    model = keras.Model(features, keras.layers.Lambda(lambda values: values * 2)(features))
    model.save(path / "model.keras")
    save(path, {"features": normal(8)}, lambda features: {"output_0": model(features)})


def strings(path: Path) -> None:
    """A SavedModel that takes text, and one signature that takes nothing, and one whose input has no batch."""
    module = tf.Module()
    length = tf.function(
        lambda text: {"length": tf.strings.length(text)}, input_signature=[tf.TensorSpec((None,), tf.string, "text")]
    )
    nothing = tf.function(lambda: {"one": tf.constant([1.0])}, input_signature=[])
    scalar = tf.function(lambda x: {"twice": x * 2}, input_signature=[tf.TensorSpec((), tf.float32, "x")])
    tf.saved_model.save(module, str(path / "model"), {"serving_default": length, "nothing": nothing, "scalar": scalar})
    write(path, {"text": np.full((ROWS,), b"text", dtype="S4")})


def lost_variables(path: Path) -> None:
    """A Keras 3 model as `tf.saved_model.save` writes it, in silence: its variables are not in it."""
    model = keras.Sequential([keras.Input((40,)), keras.layers.Dense(32)])
    serve = tf.function(
        lambda features: {"scores": model(features)},
        input_signature=[tf.TensorSpec((None, 40), tf.float32, "features")],
    )
    tf.saved_model.save(model, str(path / "model"), {"serving_default": serve})
    np.savez(path / "examples.npz", allow_pickle=False, features=normal(40))


def of_function(path: Path, between: Callable[[Any], Any], batch: int | None = None) -> None:
    """A SavedModel of two dense layers with an operation between them."""
    width = 48
    module = tf.Module()
    module.first = tf.Variable(random.standard_normal((width, 64)).astype(np.float32))
    module.second = tf.Variable(random.standard_normal((64, 32)).astype(np.float32))

    def serve(features: Any) -> dict[str, Any]:
        return {"scores": tf.matmul(between(tf.matmul(features, module.first)), module.second)}

    function = tf.function(serve, input_signature=[tf.TensorSpec((batch, width), tf.float32, "features")])
    tf.saved_model.save(module, str(path / "model"), {"serving_default": function})
    write(path, {"features": normal(width)}, batch=batch or 1)


def small_weights(path: Path) -> None:
    """A SavedModel whose weights are all too small to be quantized without calibration."""
    features = keras.Input((8,), name="features")
    keras.Model(features, keras.layers.Dense(4)(features)).export(str(path / "model"), verbose=False)
    write(path, {"features": normal(8)})


def lstm(path: Path) -> None:
    """A SavedModel of a Keras LSTM."""
    series = keras.Input((6, 16), name="series")
    keras.Model(series, keras.layers.Dense(8)(keras.layers.LSTM(32)(series))).export(str(path / "model"), verbose=False)
    write(path, {"series": normal(6, 16)})


class Running(tf.Module):  # type: ignore[misc]
    """A dense layer of the sum of all examples so far, from 1 on, in the resource variable ``sum``."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = tf.Variable(tf.ones((1, 8)))
        self.kernel = tf.Variable(tf.eye(8))

    @tf.function(input_signature=[tf.TensorSpec((1, 8), tf.float32, "values")])  # type: ignore[untyped-decorator]
    def serve(self, values: Any) -> dict[str, Any]:
        """Returns the sum, times the unit matrix."""
        return {"y": tf.nn.relu(tf.matmul(self.sum.assign_add(values), self.kernel))}


def streaming(path: Path) -> None:
    """A SavedModel that remembers the sum of its inputs."""
    running = Running()
    tf.saved_model.save(running, str(path / "model"), {"serving_default": running.serve})
    write(path, {"values": normal(8)})


def without_int8_kernel(path: Path) -> None:
    """A SavedModel with a cumulative sum, which LiteRT computes in float only."""
    of_function(path, lambda values: tf.cumsum(tf.nn.relu(values), axis=1))


def unsupported(path: Path) -> None:
    """A SavedModel with a determinant, for which LiteRT has no operator."""

    def shifted(values: Any) -> Any:
        return values + tf.linalg.det(tf.reshape(values, (-1, 8, 8)))[:, None]

    of_function(path, shifted)


MODELS = (
    keras_3_saved_model,
    keras_2_saved_model,
    keras_3_file,
    keras_2_file,
    keras_file_of_many,
    tensorflow_1,
    two_inputs,
    two_outputs,
    tokens,
    two_signatures,
    open_length,
    fixed_batch,
    batch_of_four,
    words_to_class,
    double_precision,
    code_inside,
    strings,
    lost_variables,
    small_weights,
    lstm,
    streaming,
    without_int8_kernel,
    unsupported,
)


def main(directory: Path) -> None:
    """Makes every model."""
    keras.utils.set_random_seed(17)
    for make in MODELS:
        (directory / make.__name__).mkdir(parents=True)
        make(directory / make.__name__)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
