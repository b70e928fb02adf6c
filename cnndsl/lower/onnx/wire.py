"""protobuf's wire format, as far as models are read and written without their arrays.

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO, TypeAlias

Omitted: TypeAlias = "Mapping[int, Omitted | None]"
"""Fields of a message that are left out, by their numbers, or of which fields are."""

LENGTH_DELIMITED = 2

_LONGEST = 10
"""A whole number of 64 bits, in bytes."""


def varint(number: int) -> bytes:
    """A whole number: seven bits a byte, the lowest first, the eighth says that more follow."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def without(file: BinaryIO, end: int, omitted: Omitted) -> bytes:
    """The message that ends at a place of a file, without some fields, over which is sought; raises ValueError."""
    kept = bytearray()
    while (start := file.tell()) < end:
        tag = _read_varint(file)
        match tag & 7:
            case 0:
                _read_varint(file)
                after = file.tell()
            case 1 | 5 as kind:
                after = file.tell() + (8 if kind == 1 else 4)
            case 2:
                length = _read_varint(file)
                after = file.tell() + length
                inner = omitted.get(tag >> 3, {})
                if inner:
                    part = without(file, _within(file, after, end), inner)
                    kept += varint(tag) + varint(len(part)) + part
                if inner is None or inner:
                    file.seek(_within(file, after, end))
                    continue
            case _:
                raise ValueError(f"{file.name} is no ONNX file")
        file.seek(start)
        kept += file.read(_within(file, after, end) - start)
    return bytes(kept)


def _within(file: BinaryIO, after: int, end: int) -> int:
    if after > end:
        raise ValueError(f"{file.name} is no ONNX file, or one that is cut short")
    return after


def _read_varint(file: BinaryIO) -> int:
    number = 0
    for shift in range(0, 7 * _LONGEST, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError(f"{file.name} is no ONNX file, or one that is cut short")
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return number
    raise ValueError(f"{file.name} is no ONNX file")
