"""Strict, independent parser of llama.cpp state files and buffers (state layout of GGSQ v3 / GGSN v10, Aug-2026 trees).

It shares no code with llama.cpp or with any engine: a second opinion for other parsers. A state does not describe itself, so
the structure comes from the caller as hints; a parse succeeds only if every field is sane and the last byte is used.

    python parse_state.py FILE --env ggsq --mem kv                      dense
    python parse_state.py FILE --env ggsq --mem kv --ext 12             M-RoPE / PLE cells carry 12 more bytes (8: older trees)
    python parse_state.py FILE --env ggsq --mem kv --no-v               MLA: layers have no V
    python parse_state.py FILE --env ggsq --mem kv,kv                   iSWA, MSA; with --no-v DSA
    python parse_state.py FILE --env buffer --mem kv,rec --rec-layers 3 hybrid (3 recurrent layers of the model)
    python parse_state.py --provenance PROVENANCE.jsonl                 parse every state listed there with its own hints

Layout, all little-endian and packed:
  ggsq    u32 0x67677371, u32 version, u32 n, i32[n] words, M         (words: see prompt_words)
  buffer  u32 0xaf143cd8, i32 source sequence, M                      llama_state_seq_get_data
  ggsn    u32 0x6767736e, u32 version, u32 n, i32[n] tokens, u32 len, arch bytes, M for every sequence
  context u32 len, arch bytes, M for every sequence                   llama_state_get_data (no magic)
  M       blocks one after another in the order of --mem
  kv      u32 n_stream; per stream: u32 cells; if cells > 0: cells x (i32 pos, u32 n_seq, [ext bytes], i32 seq[n_seq]),
          u32 v_trans, u32 n_layer, per layer (i32 type, u64 row_bytes, cells x row), then the V of each layer likewise, or with
          v_trans (i32 type, u32 element_bytes, u32 channels, channels x cells x element)
  rec     u32 cells; cells x (i32 pos, u32 n_seq, i32 seq[n_seq]); u32 s_trans (0); u32 n_layer (of the whole model);
          per recurrent layer (i32 type, u64 row_bytes, cells x row [, u64 ple_row_bytes, cells x row]); the S rows likewise
"""
import argparse
import json
import os
import struct
import sys

#: ggml type id -> (name, elements per block, bytes per block)
TYPES = {0: ("f32", 1, 4), 1: ("f16", 1, 2), 30: ("bf16", 1, 2), 8: ("q8_0", 32, 34), 2: ("q4_0", 32, 18), 3: ("q4_1", 32, 20),
         20: ("iq4_nl", 32, 18), 6: ("q5_0", 32, 22), 7: ("q5_1", 32, 24)}
SEQ_MAX = 256  # LLAMA_MAX_SEQ


class Bad(Exception):
    """The bytes are not the structure that the hints promise."""


class Reader:
    def __init__(self, data):
        self.b, self.o = data, 0

    def take(self, n):
        if n < 0 or n > len(self.b) - self.o:
            raise Bad(f"needs {n} bytes at {self.o}, {len(self.b) - self.o} are left")
        self.o += n
        return self.b[self.o - n:self.o]

    def get(self, fmt):
        return struct.unpack("<" + fmt, self.take(struct.calcsize("<" + fmt)))

    def u32(self):
        return self.get("I")[0]

    def i32(self):
        return self.get("i")[0]


def need(ok, what):
    if not ok:
        raise Bad(what)


def prompt_words(words):
    """Words of a GGSQ file: a plain token list, or llama-server's newer encoding that starts with -1."""
    if not words or words[0] != -1:
        return {"encoding": "plain", "tokens": words}
    need(len(words) >= 3 and words[1] == 1, f"prompt words: version {words[1:2]}")
    n = words[2]
    need(3 <= 3 + n <= len(words), "prompt words: count")
    return {"encoding": "server-v1", "tokens": words[3:3 + n], "rest": words[3 + n:]}


def rows(r, cells, what):
    """i32 type, u64 row_bytes, cells x row."""
    (t,) = r.get("i")
    need(t in TYPES, f"{what}: unknown ggml type {t}")
    (row,) = r.get("Q")
    name, per, size = TYPES[t]
    need(row % size == 0, f"{what}: row of {row} bytes is no whole number of {name} blocks")
    at = r.o
    r.take(cells * row)
    return {"type": name, "row_bytes": row, "width": row // size * per, "offset": at}


def cells_of(r, n, ext, single):
    out = []
    for i in range(n):
        pos, k = r.get("iI")
        need(pos >= 0, f"cell {i}: position {pos}")
        need(k == 1 if single else 1 <= k <= SEQ_MAX, f"cell {i}: {k} sequences")
        cell = {"pos": pos}
        if ext:
            cell["ext"] = list(r.get("iii" if ext == 12 else "ii"))
        cell["seq"] = list(r.get(f"{k}i"))
        out.append(cell)
    return out


def kv_block(r, ext, no_v, single):
    out = {"kind": "kv", "offset": r.o, "n_stream": r.u32(), "streams": []}
    need(1 <= out["n_stream"] <= SEQ_MAX, f"n_stream {out['n_stream']}")
    for _ in range(out["n_stream"]):
        n = r.u32()
        s = {"cells": n}
        out["streams"].append(s)
        if n == 0:  # nothing follows: no v_trans, no n_layer
            continue
        s["cell"] = cells_of(r, n, ext, single)
        s["v_trans"], s["n_layer"] = r.get("II")
        need(s["v_trans"] in (0, 1), f"v_trans {s['v_trans']}")
        need(s["n_layer"] <= 4096, f"n_layer {s['n_layer']}")
        s["k"] = [rows(r, n, f"K of layer {i}") for i in range(s["n_layer"])]
        s["v"] = []
        for i in range(0 if no_v else s["n_layer"]):
            if not s["v_trans"]:
                s["v"].append(rows(r, n, f"V of layer {i}"))
                continue
            t, el, ch = r.get("iII")
            need(t in TYPES and TYPES[t][1] == 1 and TYPES[t][2] == el, f"V of layer {i}: type {t} with elements of {el} bytes")
            s["v"].append({"type": TYPES[t][0], "el_size": el, "width": ch, "offset": r.o})
            r.take(el * ch * n)
    return out


def rec_block(r, layers, ple, single):
    out = {"kind": "rec", "offset": r.o, "cells": r.u32(), "cell": []}
    for i in range(out["cells"]):
        pos, k = r.get("iI")
        need(k == 0 if single else k <= SEQ_MAX, f"recurrent cell {i}: {k} sequences")
        out["cell"].append({"pos": pos, "seq": list(r.get(f"{k}i"))})
    out["s_trans"], out["n_layer"] = r.get("II")
    need(out["s_trans"] == 0, "s_trans is not 0")
    need(layers <= out["n_layer"] <= 4096, f"{out['n_layer']} layers, {layers} of them recurrent")
    out["r"], out["s"] = [], []
    for i in range(layers):
        out["r"].append(rows(r, out["cells"], f"R {i}"))
        if i in ple:
            (row,) = r.get("Q")
            out["r"][-1]["ple_row_bytes"] = row
            r.take(out["cells"] * row)
    for i in range(layers):
        out["s"].append(rows(r, out["cells"], f"S {i}"))
    return out


def parse(data, env, mem, ext=0, no_v=False, rec_layers=0, ple=()):
    """Parses `data` to its end. env: ggsq, buffer, ggsn or context; mem: the block kinds, such as ['kv', 'rec'].

    no_v: True, False, or one bool per block. ext: 0, 8 or 12 extra bytes in each KV cell.
    """
    r = Reader(data)
    out = {"env": env, "bytes": len(data)}
    single = env in ("ggsq", "buffer")
    if env in ("ggsq", "ggsn"):
        magic, out["version"], n = r.get("III")
        need(magic == (0x67677371 if env == "ggsq" else 0x6767736E), f"magic {magic:#x}")
        need(n <= (len(data) - r.o) // 4, f"{n} words do not fit")
        words = list(r.get(f"{n}i"))
        out["words"] = n
        out["prompt"] = prompt_words(words) if env == "ggsq" else {"encoding": "plain", "tokens": words}
    elif env == "buffer":
        magic, out["seq"] = r.get("Ii")
        need(magic == 0xAF143CD8, f"magic {magic:#x}")
    if env in ("ggsn", "context"):
        n = r.u32()
        need(n <= 64, f"arch name of {n} bytes")
        out["arch"] = r.take(n).decode("ascii")
    out["payload_offset"] = r.o
    out["blocks"] = []
    for i, kind in enumerate(mem):
        v = no_v[i] if isinstance(no_v, (list, tuple)) else no_v
        out["blocks"].append(kv_block(r, ext, v, single) if kind == "kv" else rec_block(r, rec_layers, ple, single))
    need(r.o == len(data), f"{len(data) - r.o} bytes are left after the last block")
    return out


def summary(p):
    """The few facts of a parse that a list of files needs."""
    out = {"env": p["env"], "version": p.get("version"), "arch": p.get("arch"), "words": p.get("words"), "blocks": []}
    for b in p["blocks"]:
        if b["kind"] == "rec":
            g = {"kind": "rec", "cells": b["cells"], "n_layer": b["n_layer"], "pos": [c["pos"] for c in b["cell"]]}
            for k in "rs":
                g[k] = sorted({(x["type"], x["row_bytes"]) for x in b[k]})
                g["n_" + k] = len(b[k])
        else:
            g = {"kind": "kv", "n_stream": b["n_stream"], "streams": []}
            for s in b["streams"]:
                e = {"cells": s["cells"]}
                if s["cells"]:
                    pos = [c["pos"] for c in s["cell"]]
                    e.update(v_trans=s["v_trans"], n_layer=s["n_layer"], v_layers=len(s["v"]), pos_min=min(pos), pos_max=max(pos),
                             pos_sorted=pos == sorted(pos), pos_first=pos[0])
                    for k in "kv":
                        if s[k]:
                            e[k] = sorted({(x["type"], x["width"]) for x in s[k]})
                g["streams"].append(e)
        out["blocks"].append(g)
    return {k: v for k, v in out.items() if v is not None}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file", nargs="?")
    p.add_argument("--env", choices=["ggsq", "buffer", "ggsn", "context"], default="ggsq")
    p.add_argument("--mem", default="kv", help="block kinds in order, such as kv,rec")
    p.add_argument("--ext", type=int, default=0, choices=[0, 8, 12])
    p.add_argument("--no-v", action="store_true")
    p.add_argument("--rec-layers", type=int, default=0)
    p.add_argument("--provenance", help="parse every file of this list, found beside it")
    p.add_argument("--full", action="store_true", help="print the whole parse, cells and offsets too")
    a = p.parse_args()
    if not a.provenance:
        got = parse(open(a.file, "rb").read(), a.env, a.mem.split(","), a.ext, a.no_v, a.rec_layers)
        print(json.dumps(got if a.full else summary(got)))
        return 0
    bad = n = 0
    for line in open(a.provenance):
        e = json.loads(line)
        if "file" not in e:
            continue
        n += 1
        path = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(a.provenance)), e["file"]))
        data = open(path, "rb").read()
        try:
            parse(data, **e["hints"])
            for cut in (1, 4, len(data) // 2):  # a shortened file must fail
                try:
                    parse(data[:-cut], **e["hints"])
                    raise Bad(f"parses with {cut} bytes cut off")
                except Bad as x:
                    if "cut off" in str(x):
                        raise
        except Bad as x:
            bad += 1
            print(f"{e['file']}: {x}")
    print(f"{n} files, {bad} bad")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
