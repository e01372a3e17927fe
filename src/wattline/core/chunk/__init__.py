"""The chunk codec: frames of one layout as one body of bytes, and back without losing a bit.

A body holds one time column, and value columns that are readable one by one, behind a directory of where each lies, how
it is coded and its checksum. Times are int64; columns are float64 (values) or int64 (counts, microjoules).

    exact.py    doubles as integers, wherever that is exact
    parts.py    one column of integers, or a whole matrix of them, as bytes
    body.py     the directory, and a body as a whole
    joined.py   bodies one after the other, to be encoded as one

Invariants: what `encode` took, `Chunk` gives back bit for bit (-0.0, NaN payloads and infinities too), except that
absent cells, which mean nothing, come back as any number. Bytes that are no body, or a body with a wrong bit in it,
raise Malformed; the size of what is allocated follows from checked numbers alone.
"""

from wattline.core.chunk.body import MOST, VERSION, Chunk, encode, encode_alike
from wattline.core.chunk.joined import Frames, joined
from wattline.core.chunk.parts import Codec, Decompressor

__all__ = ["MOST", "VERSION", "Chunk", "Codec", "Decompressor", "Frames", "encode", "encode_alike", "joined"]
