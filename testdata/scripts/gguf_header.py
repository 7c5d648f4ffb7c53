"""Cuts the header out of a GGUF file: metadata and tensor list, without the vocabulary and without tensor data.

    python gguf_header.py MODEL.gguf OUT.gguf

Left out: the arrays tokenizer.ggml.tokens, .scores, .token_type, .merges and the string tokenizer.chat_template. Everything else is copied byte
for byte; the counts in front are adjusted. Needs only Python 3.
"""
import struct
import sys

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
LEFT_OUT = {b"tokenizer.ggml." + name for name in (b"tokens", b"scores", b"token_type", b"merges")} | {b"tokenizer.chat_template"}


def main(source, target):
    with open(source, "rb") as file:
        data = file.read(64 << 20)
    at = 0

    def number(form):
        nonlocal at
        value = struct.unpack_from("<" + form, data, at)[0]
        at += struct.calcsize(form)
        return value

    def skip(kind):
        nonlocal at
        if kind == 8:
            length = number("Q")
            at += length
        elif kind == 9:
            element, count = number("I"), number("Q")
            if element in SIZES:
                at += count * SIZES[element]
            else:
                for _ in range(count):
                    skip(element)
        else:
            at += SIZES[kind]

    magic, version, tensors, pairs = data[:4], *struct.unpack_from("<IQQ", data, 4)
    assert magic == b"GGUF" and version in (2, 3)
    at = 24
    kept = []
    for _ in range(pairs):
        start = at
        length = number("Q")
        key = data[at:at + length]
        at += length
        skip(number("I"))
        if key not in LEFT_OUT:
            kept.append(data[start:at])
    start = at
    for _ in range(tensors):
        skip(8)
        dimensions = number("I")
        at += 8 * dimensions + 12
    with open(target, "wb") as file:
        file.write(magic + struct.pack("<IQQ", version, tensors, len(kept)) + b"".join(kept) + data[start:at])


if __name__ == "__main__":
    main(*sys.argv[1:])
