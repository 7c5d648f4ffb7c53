"""Golden vectors for reading weights of GGUF files: random blocks of every type, and the floats that the Python package gguf makes of them.

    python make_weight_blocks.py OUT.bin        (needs gguf 0.19 and numpy)

OUT: little-endian; for each type: u32 ggml type, u32 elements, u32 bytes, the blocks, elements x f32.
"""
import struct
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize

# Byte offsets of the f16 fields of a block: random bytes there could be infinities.
HALVES = {T.Q4_0: (0,), T.Q4_1: (0, 2), T.Q5_0: (0,), T.Q5_1: (0, 2), T.Q8_0: (0,), T.Q4_K: (0, 2), T.Q5_K: (0, 2), T.Q6_K: (208,), T.IQ4_NL: (0,)}
ELEMENTS = 512

rng = np.random.default_rng(7)
with open(sys.argv[1], "wb") as out:
    for kind in (T.F32, T.F16, T.BF16, *HALVES):
        if kind in (T.F32, T.F16, T.BF16):
            floats = rng.normal(size=32).astype(np.float32)
            raw = {T.F32: floats, T.F16: floats.astype(np.float16), T.BF16: (floats.view(np.uint32) >> 16).astype(np.uint16)}[kind].tobytes()
            size = 32
        else:
            elements, bytes_ = GGML_QUANT_SIZES[kind]
            blocks = rng.integers(0, 256, (ELEMENTS // elements, bytes_), dtype=np.uint8)
            for at in HALVES[kind]:
                blocks[:, at:at + 2] = rng.normal(size=len(blocks)).astype(np.float16).view(np.uint8).reshape(-1, 2)
            raw, size = blocks.tobytes(), ELEMENTS
        want = dequantize(np.frombuffer(raw, np.uint8), kind).astype("<f4").ravel()
        assert len(want) == size, (kind, len(want))
        out.write(struct.pack("<III", int(kind), size, len(raw)) + raw + want.tobytes())
