"""Explains the errors of TensorFlow's converter."""

import re

_UNSUPPORTED = re.compile(r"'(tf\.\w+)' op (?:is neither a custom op nor a flex op|requires)")
_OPERANDS = re.compile(r"^\s*(tf\.\w+)\((tensor<[^)]*)\) ->", re.MULTILINE)
_UNUSUAL_TYPE = re.compile(r"[x<](f16|f64|bf16|complex<f\d+>)>")
# Operands of a model that computes in 8 bits by itself, without a scale.
_PLAIN_8_BITS = re.compile(r"tensor<[^>\s]*x(?:i8|f8E\w+)>|type 'f8E\w+'")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_VAGUE = ("Exception encountered when calling", "<unknown>:0: error: loc")


def explain(error: Exception) -> str:
    """Returns a converter's error in one line, with unsupported operators by name."""
    text = _ANSI.sub("", str(error))
    operators = sorted(set(_UNSUPPORTED.findall(text)))
    if operators:
        types = {name: sorted(set(_UNUSUAL_TYPE.findall(operands))) for name, operands in _OPERANDS.findall(text)}
        named = [f"{name} of {'/'.join(types[name])}" if types.get(name) else name for name in operators]
        hint = ""
        if any(name.startswith("tf.TensorList") for name in operators):
            hint = " (a recurrent layer: give it unroll=True, or export the model with a batch of 1)"
        return f"LiteRT has no operator for {', '.join(named)}{hint}"
    if _PLAIN_8_BITS.search(text):
        return (
            "LiteRT has no operator for arithmetic on plain 8-bit numbers: the model is quantized already, as Keras's quantize()"
            " does; give the model as it was before"
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    informative = [line for line in lines if not line.startswith(_VAGUE)] or lines or ["no message"]
    return f"{type(error).__name__}: {informative[0]}"
