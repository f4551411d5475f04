"""Builds the few protocol buffer messages this package reads, without the package that defines them.

Only the fields that are read are declared: protobuf skips the rest.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_SCALARS = {
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
}


def message_class(package: str, messages: Mapping[str, Mapping[int, str]], name: str) -> Any:
    """Returns the class of a message.

    Args:
        package: A package name of one's own: the pool is private, but text formats show it.
        messages: By message name, the fields by number: ``"name kind"``, where kind is a scalar or a message's name;
            ``"name repeated kind"`` for lists; ``"name map kind"`` for a map from string.
        name: The message wanted.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for message, fields in messages.items():
        declared = file.message_type.add(name=message)
        for number, text in fields.items():
            _declare(declared, package, number, text.split())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


def _declare(message: descriptor_pb2.DescriptorProto, package: str, number: int, words: list[str]) -> None:
    name, *label, kind = words
    field = message.field.add(name=name, number=number, label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL)
    if label:
        field.label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
    if label == ["map"]:
        entry = message.nested_type.add(name="".join(word.title() for word in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _declare(entry, package, 1, ["key", "string"])
        _declare(entry, package, 2, ["value", kind])
        kind = f"{message.name}.{entry.name}"
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{package}.{kind}"
