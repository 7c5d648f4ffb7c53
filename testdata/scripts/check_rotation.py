"""Measures whether quantized caches are Hadamard-rotated: compares each quantized state with its f16 twin.

    python check_rotation.py DIR        DIR holds smollm2-*.ggsq, llama-*.ggsq and gemma3-*.ggsq of make_states.py

Prints relative RMS error of layer 0 (so that no earlier layer's quantization adds) as stored and after un-rotation by the
orthonormal Walsh-Hadamard matrix H[i][j] = (-1)^popcount(i & j) / sqrt(n), n given, applied to each run of n values. H is its own inverse.
"""
import os
import sys

import numpy as np
from gguf import GGMLQuantizationType, quants

import parse_state

NAME = {"f16": "F16", "f32": "F32", "bf16": "BF16", "q8_0": "Q8_0", "q4_0": "Q4_0", "q4_1": "Q4_1", "q5_0": "Q5_0", "q5_1": "Q5_1", "iq4_nl": "IQ4_NL"}


def hadamard(n):
    h = np.ones((1, 1))
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    return h / np.sqrt(n)


def layer0(path, blocks):
    data = open(path, "rb").read()
    p = parse_state.parse(data, "ggsq", ["kv"] * blocks)
    out = []
    for b in p["blocks"]:
        s = b["streams"][0]
        for x in (s["k"][0], s["v"][0]):
            raw = np.frombuffer(data, np.uint8, x["row_bytes"] * s["cells"], x["offset"]).reshape(s["cells"], -1)
            out.append(quants.dequantize(raw, GGMLQuantizationType[NAME[x["type"]]]).astype(np.float64))
    return out


def main():
    d = sys.argv[1]
    for model, blocks, kn in (("smollm2", 1, 64), ("llama", 1, 64), ("gemma3", 2, 256)):
        ref = layer0(os.path.join(d, f"{model}-f16.ggsq"), blocks)
        for t in (*[x for x in NAME if x != "f16"], "q8_0-norot", "q4_0-norot"):
            path = os.path.join(d, f"{model}-{t}.ggsq")
            if not os.path.exists(path):
                continue
            got, line = layer0(path, blocks), []
            for i, (a, b) in enumerate(zip(ref, got)):
                err = lambda x: np.sqrt(((x - a) ** 2).mean() / (a ** 2).mean())
                un = {n: err((b.reshape(-1, n) @ hadamard(n)).reshape(b.shape)) for n in {64, kn}}
                line.append(f"{'KV'[i % 2]} {err(b):.4f} " + " ".join(f"H{n} {e:.4f}" for n, e in sorted(un.items())))
            print(f"{model} {t}: " + " | ".join(line))


if __name__ == "__main__":
    main()
