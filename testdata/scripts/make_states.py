"""Writes small real llama.cpp state files of every structure, with a provenance line for each.

It speaks libllama's C API through ctypes, so the same script runs on any build that llama_c.py knows
(llama-cpp-python 0.3.36 and llama.cpp v0.5.0 from npm `@node-llama-cpp/linux-x64` 3.22.1):

    python make_states.py --lib LIBLLAMA.so --build NAME --out DIR --tiny DIR_OF_TINY_GGUFS --smollm2 GGUF --gemma3 GGUF
                          [--backends DIR] [--only WORD] [--large DIR] [--list]

--tiny     tiny-ARCH.gguf files of make_hybrid_gguf.py
--backends folder of libggml-cpu-*.so, for builds that load their CPU backend at run time
--large    folder for files over 1 MB; provenance names them relative to --out
--only     only cases whose name contains WORD

Every case runs in its own process. It decodes its tokens, saves, parses the bytes with parse_state.py to the last byte, loads
them into a fresh context, saves again and compares. Provenance goes to OUT/PROVENANCE.jsonl (lines of the same file replaced);
its first line holds the facts below.
"""
import argparse
import ctypes as C
import hashlib
import json
import os
import subprocess
import sys

import parse_state
from llama_c import LlamaC

F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, BF16 = 0, 1, 2, 3, 6, 7, 8, 20, 30
TYPE_NAMES = {F32: "f32", F16: "f16", Q4_0: "q4_0", Q4_1: "q4_1", Q5_0: "q5_0", Q5_1: "q5_1", Q8_0: "q8_0", IQ4_NL: "iq4_nl", BF16: "bf16"}
TEXT = ("The cache of a language model holds one key and one value for each token it has read, in every layer and for every head. "
        "Saving it saves the work of reading again. ")
PARTIAL_ONLY = 1

#: what a parser's author needs beyond the layout in parse_state.py; each seen in a file of this folder unless marked (source)
FACTS = [
    "cell extension: 12 bytes (i32 x, i32 y, i32 token) in GGSQ v3, 8 (x, y) in older trees; it sits between n_seq_id and the sequence ids; token is -1 in cells made from embeddings (qwen2vl-f16-image); text cells have x = y = pos",
    "cell extension is also written by models with PLE n-gram heads (ple_n_heads > 0, arch qwen4exp), not only M-RoPE (source)",
    "several cells may share one pos (an image: 6 cells at pos 4, qwen2vl-f16-image), so pos is neither unique nor dense there",
    "a stream with 0 cells ends after the count: no v_trans, no n_layer (llama-f16-empty is 20 bytes); state of an empty sequence saves and loads",
    "n_stream 2 with a single sequence: the other stream writes u32 0 only (llama-f16-two-streams: stream 0 empty, stream 1 with the cells)",
    "seq id in the cells of a single-sequence file is the id it was saved from (1 in llama-f16-unified-seq1); restore ignores it",
    "cells are in cell-index order: after seq_rm, or in a window ring that wrapped, positions are not sorted (llama-f16-holes, gemma3tiny-f16-259-wrapped: 256,257,258,251..255)",
    "prompt word count need not equal the cell count (llama-f16-holes: 12 words, 13 cells)",
    "v_trans = 1 is written even when no layer has V (deepseek2-f16-noflash); MLA files differ from dense ones by the missing V only",
    "a KV block may have cells and n_layer 0 (lfm2swa-f16: KV_base holds 20 cells, 0 layers)",
    "single-sequence iSWA files hold window-many SWA cells whether swa_full is set or not (byte-identical files); session files (GGSN) hold every ring cell, masked ones too (256 of 259, or 20 of 20)",
    "PARTIAL_ONLY buffers drop KV_base / KV_attn: iswa = [KV_swa], hybrid = [REC], hybrid-iswa = [KV_swa, REC]; nothing marks them",
    "REC writes s_trans, n_layer and each layer's type and row size even with 0 cells (granitehybrid-f16-empty, 104 bytes); KV does not",
    "REC n_layer counts all model layers; rows follow for the recurrent ones only, so their number comes from the GGUF (head_count_kv[i] = 0)",
    "REC S rows may be 0 bytes long, header still written (lfm2-f16: f32, row 0); R and S are f32 whatever type_k and type_v are",
    "REC cells have n_seq_id 0 in ggsq and buffer files, 1 or more in sessions; pos is the last position decoded",
    "REC of PLE models: after an R row block comes u64 ple_row_bytes and cells x row, with no type field (source)",
    "hybrid with lightning indexer (GLM5-Next): [KV_attn, REC, KV_idx], the indexer last, not beside KV_attn; DSA-iSWA (dots3note): [KV_mla, KV_lid, KV_swa] (source)",
    "session and context data: u32 length and arch name without terminator; context data (llama_state_get_data) has no magic or version",
    "Hadamard rotation: per cache, decided separately for K and V by its own type; K in runs of the largest power of two dividing head_dim (256 for Gemma 3), V always 64; only if every layer of that cache has the same head_dim (source); H[i][j] = (-1)^popcount(i&j)/sqrt(n); K q8_0 with V f16 rotates K alone",
    "DSA indexer cache of deepseek32 (deepseek32-f16: rot_k [0, 1]; source: deepseek4, glm-dsa, dots3note too) is rotated for every type, f16 too, and LLAMA_ATTN_ROT_DISABLE does not turn that off",
    "V quantized without flash attention is refused by llama.cpp at context creation, so v_trans = 1 goes with f32, f16, bf16 V only; K may be quantized",
    "llama_state_seq_load_file and llama_state_seq_set_data accept trailing bytes and return what they used; llama_state_load_file refuses them",
]


class Llama(LlamaC):
    def open(self, c):
        self.new_context(n_ctx=c.get("n_ctx", 512), n_batch=512, n_ubatch=c.get("n_ubatch", 512), n_seq_max=c.get("n_seq_max", 1), n_threads=2,
                         n_threads_batch=2, flash_attn_type=c.get("fa", 1), type_k=c.get("k", F16), type_v=c.get("v", F16),
                         swa_full=c.get("swa_full", False), kv_unified=c.get("kv_unified", False))

    def flag(self, name):
        """What this build's log said of the Hadamard rotation, one entry per cache that it made."""
        return [int(x.split(name + " = ")[1].split(",")[0]) for x in self.log if name + " = " in x]

    def tokens(self, n):
        got = self.tokenize(TEXT * (n // 20 + 1)) if self.real else []
        return got[:n] if len(got) >= n else [(7 * i + 3) % 64 for i in range(n)]

    def decode(self, tokens, pos, seq=0, embd=None, n_pos=1):
        """Tokens at positions pos.., or embd rows with n_pos positions each (position list given per axis)."""
        n = len(tokens) if embd is None else len(embd)
        for at in range(0, n, 512):
            k = min(512, n - at)
            b = self.L.llama_batch_init(k * n_pos, 0 if embd is None else self.n_embd, 1)
            b.n_tokens = k
            for j in range(k):
                if embd is None:
                    b.token[j] = tokens[at + j]
                    b.pos[j] = pos + at + j
                else:
                    for d, x in enumerate(embd[j]):
                        b.embd[j * self.n_embd + d] = x
                    for a in range(n_pos):
                        b.pos[a * k + j] = pos[a][j]
                b.n_seq_id[j] = 1
                b.seq_id[j][0] = seq
                b.logits[j] = j == k - 1
            r = self.L.llama_decode(self.ctx, b)
            self.L.llama_batch_free(b)
            if r:
                raise SystemExit(f"decode: {r} " + "".join(self.log[-4:]))

    def buffer(self, seq, flags=0):
        n = self.L.llama_state_seq_get_size_ext(self.ctx, seq, flags)
        b = C.create_string_buffer(n)
        got = self.L.llama_state_seq_get_data_ext(self.ctx, b, n, seq, flags)
        assert got == n, (got, n)
        return b.raw

    def context(self):
        n = self.L.llama_state_get_size(self.ctx)
        b = C.create_string_buffer(n)
        assert self.L.llama_state_get_data(self.ctx, b, n) == n
        return b.raw


def cases():
    """name -> dict: model, n (tokens), env, hints (mem, ext, no_v, rec_layers), context parameters, and steps other than plain decoding."""
    out = {}

    def add(name, model, n, env="ggsq", mem=("kv",), structure="dense", ext=0, no_v=False, rec=0, **kw):
        h = dict(env=env, mem=list(mem))
        if ext:
            h["ext"] = ext
        if no_v:
            h["no_v"] = no_v
        if rec:
            h["rec_layers"] = rec
        out[name] = dict(model=model, n=n, hints=h, structure=structure, **kw)

    quants = {"f32": F32, "bf16": BF16, "q8_0": Q8_0, "q4_0": Q4_0, "q4_1": Q4_1, "q5_0": Q5_0, "q5_1": Q5_1, "iq4_nl": IQ4_NL}
    # dense, a real model and a tiny one
    for m, n in (("smollm2", 8), ("tiny-llama", 12)):
        s = "smollm2" if m == "smollm2" else "llama"
        add(f"{s}-f16", m, n)
        add(f"{s}-f16-noflash", m, n, fa=0)
        for q, t in quants.items():
            add(f"{s}-{q}", m, n, k=t, v=t)
        for q in ("q8_0", "q4_0"):
            add(f"{s}-{q}-norot", m, n, k=quants[q], v=quants[q], norot=1)
        add(f"{s}-k-q8_0-v-q4_0", m, n, k=Q8_0, v=Q4_0)
        add(f"{s}-k-q8_0-v-f16-noflash", m, n, k=Q8_0, v=F16, fa=0)
        add(f"{s}-f16-buffer", m, n, env="buffer")
        add(f"{s}-f16-session", m, n, env="ggsn")
    add("llama-f32-noflash", "tiny-llama", 12, k=F32, v=F32, fa=0)
    add("llama-bf16-noflash", "tiny-llama", 12, k=BF16, v=BF16, fa=0)
    add("llama-f16-context", "tiny-llama", 12, env="context")
    add("llama-f16-empty", "tiny-llama", 0, structure="dense, no cells")
    add("llama-f16-holes", "tiny-llama", 12, structure="dense, positions out of order", steps="holes")
    add("llama-f16-holes-noflash", "tiny-llama", 12, structure="dense, positions out of order", steps="holes", fa=0)
    add("llama-f16-two-streams", "tiny-llama", 12, structure="dense, n_stream 2, saved from sequence 1", n_seq_max=2, seq=1)
    add("llama-f16-two-streams-buffer", "tiny-llama", 12, env="buffer", structure="dense, n_stream 2, saved from sequence 1", n_seq_max=2, seq=1)
    add("llama-f16-unified-seq1", "tiny-llama", 12, structure="dense, unified, saved from sequence 1", n_seq_max=2, seq=1, kv_unified=True)
    add("llama-f16-two-streams-session", "tiny-llama", 12, env="ggsn", structure="dense, n_stream 2, two sequences", n_seq_max=2, seq=1, steps="both")
    # iSWA
    isw = dict(mem=("kv", "kv"), structure="iswa")
    add("gemma3-f16", "gemma3", 8, **isw)
    add("gemma3-f16-noflash", "gemma3", 8, fa=0, **isw)
    add("gemma3-q8_0", "gemma3", 8, k=Q8_0, v=Q8_0, **isw)
    add("gemma3-f16-700", "gemma3", 700, n_ctx=1024, **isw)
    add("gemma3-f16-700-full", "gemma3", 700, n_ctx=1024, swa_full=True, **isw)
    add("gemma3tiny-f16-20", "tiny-gemma3", 20, **isw)
    add("gemma3tiny-f16-20-full", "tiny-gemma3", 20, swa_full=True, **isw)
    add("gemma3tiny-f16-20-noflash", "tiny-gemma3", 20, fa=0, **isw)
    add("gemma3tiny-f16-20-buffer", "tiny-gemma3", 20, env="buffer", **isw)
    add("gemma3tiny-f16-20-buffer-partial", "tiny-gemma3", 20, env="buffer", mem=("kv",), structure="iswa, KV_swa alone (PARTIAL_ONLY)", flags=PARTIAL_ONLY)
    add("gemma3tiny-f16-20-session", "tiny-gemma3", 20, env="ggsn", **isw)
    add("gemma3tiny-f16-20-full-session", "tiny-gemma3", 20, env="ggsn", swa_full=True, **isw)
    # the window cache is a ring of n_swa + n_ubatch cells rounded up to 256: past its end the file's cells start with the newest
    add("gemma3-f16-780-wrapped", "gemma3", 780, n_ctx=1024, n_ubatch=32, **isw)
    add("gemma3tiny-f16-259-wrapped", "tiny-gemma3", 259, n_ctx=512, n_ubatch=16, steps="one-by-one", **isw)
    add("gemma3tiny-f16-259-wrapped-noflash", "tiny-gemma3", 259, n_ctx=512, n_ubatch=16, steps="one-by-one", fa=0, **isw)
    add("gemma3tiny-f16-259-wrapped-session", "tiny-gemma3", 259, env="ggsn", n_ctx=512, n_ubatch=16, steps="one-by-one", **isw)
    # hybrid and recurrent
    for fa, s in ((1, ""), (0, "-noflash")):
        add(f"granitehybrid-f16{s}", "tiny-granitehybrid", 12, mem=("kv", "rec"), rec=3, structure="hybrid", fa=fa)
    add("granitehybrid-f32", "tiny-granitehybrid", 12, mem=("kv", "rec"), rec=3, structure="hybrid", k=F32, v=F32)
    add("granitehybrid-f16-buffer", "tiny-granitehybrid", 12, env="buffer", mem=("kv", "rec"), rec=3, structure="hybrid")
    add("granitehybrid-f16-buffer-partial", "tiny-granitehybrid", 12, env="buffer", mem=("rec",), rec=3, structure="hybrid, REC alone (PARTIAL_ONLY)", flags=PARTIAL_ONLY)
    add("granitehybrid-f16-session", "tiny-granitehybrid", 12, env="ggsn", mem=("kv", "rec"), rec=3, structure="hybrid")
    add("granitehybrid-f16-empty", "tiny-granitehybrid", 0, mem=("kv", "rec"), rec=3, structure="hybrid, no cells")
    add("lfm2-f16", "tiny-lfm2", 12, mem=("kv", "rec"), rec=2, structure="hybrid, S rows empty")
    add("lfm2swa-f16", "tiny-lfm2-swa", 20, mem=("kv", "kv", "rec"), rec=2, structure="hybrid-iswa, KV_base without layers")
    add("lfm2swa-f16-buffer-partial", "tiny-lfm2-swa", 20, env="buffer", mem=("kv", "rec"), rec=2, structure="hybrid-iswa, KV_swa and REC (PARTIAL_ONLY)", flags=PARTIAL_ONLY)
    add("mamba", "tiny-mamba", 12, mem=("rec",), rec=2, structure="recurrent")
    # M-RoPE, MLA, DSA
    add("qwen2vl-f16", "tiny-qwen2vl", 12, ext=12, structure="dense, M-RoPE cells")
    add("qwen2vl-f16-image", "tiny-qwen2vl", 4, ext=12, structure="dense, M-RoPE cells, a 2 x 3 image at position 4", steps="image")
    add("qwen2vl-f16-image-noflash", "tiny-qwen2vl", 4, ext=12, structure="dense, M-RoPE cells, a 2 x 3 image at position 4", steps="image", fa=0)
    add("deepseek2-f16", "tiny-deepseek2", 12, no_v=True, structure="MLA, K only")
    add("deepseek2-f16-noflash", "tiny-deepseek2", 12, no_v=True, structure="MLA, K only", fa=0)
    add("deepseek32-f16", "tiny-deepseek32", 12, mem=("kv", "kv"), no_v=True, structure="DSA: KV_mla, KV_lid, K only")
    return out


def run_case(a, name, c):
    path = {"smollm2": a.smollm2, "gemma3": a.gemma3}.get(c["model"]) or os.path.join(a.tiny, c["model"] + ".gguf")
    if c.get("norot"):
        os.environ["LLAMA_ATTN_ROT_DISABLE"] = "1"
    m = Llama(a.lib, a.backends, path)
    m.real = c["model"] in ("smollm2", "gemma3")
    m.open(c)
    seq, step, env = c.get("seq", 0), c.get("steps"), c["hints"]["env"]
    tok = m.tokens(c["n"])
    mem = m.L.llama_get_memory(m.ctx)
    if step == "one-by-one":
        for i, t in enumerate(tok):
            m.decode([t], i, seq)
    elif tok:
        m.decode(tok, 0, seq)
    if step == "both":
        m.decode(m.tokens(5), 0, 0)
    if step == "holes":  # drop positions 3..5, go on at 12: the new cells fill the hole
        m.L.llama_memory_seq_rm(mem, seq, 3, 6)
        for i, t in enumerate(m.tokens(4)):
            m.decode([t], 12 + i, seq)
    if step == "image":  # 2 rows x 3 columns of embeddings: time 4, y 4.., x 4..; then text at max + 1
        e = [[((17 * i + 5 * d) % 23 - 11) / 11 for d in range(m.n_embd)] for i in range(6)]
        m.decode(None, [[4] * 6, [4 + i // 3 for i in range(6)], [4 + i % 3 for i in range(6)], [0] * 6], seq, e, 4)
        m.decode(m.tokens(3), 7, seq)
    rot = dict(rot_k=m.flag("attn_rot_k"), rot_v=m.flag("attn_rot_v"))
    ext = {"ggsq": ".ggsq", "buffer": ".buf", "ggsn": ".ggsn", "context": ".ctx"}[env]
    file = os.path.join(a.out, name + ext)
    arr = (C.c_int32 * max(1, len(tok)))(*tok)
    if env == "ggsq":
        assert m.L.llama_state_seq_save_file(m.ctx, file.encode(), seq, arr, len(tok)) > 0
    elif env == "ggsn":
        assert m.L.llama_state_save_file(m.ctx, file.encode(), arr, len(tok))
    else:
        open(file, "wb").write(m.buffer(seq, c.get("flags", 0)) if env == "buffer" else m.context())
    data = open(file, "rb").read()
    parsed = parse_state.parse(data, **c["hints"])

    def snapshot():
        return m.context() if env in ("ggsn", "context") else m.buffer(seq)

    before = snapshot()
    reload = None
    if not c.get("flags"):
        m.open(c)
        n = C.c_size_t()
        cap = (C.c_int32 * 4096)()
        if env == "ggsq":
            ok = m.L.llama_state_seq_load_file(m.ctx, file.encode(), seq, cap, 4096, C.byref(n)) > 0
        elif env == "ggsn":
            ok = m.L.llama_state_load_file(m.ctx, file.encode(), cap, 4096, C.byref(n))
        elif env == "buffer":
            ok = m.L.llama_state_seq_set_data_ext(m.ctx, data, len(data), seq, 0) == len(data)
        else:
            ok = m.L.llama_state_set_data(m.ctx, data, len(data)) == len(data)
        reload = ("same bytes" if snapshot() == before else "loads, saves other bytes") if ok else "refused: " + "".join(m.log[-2:]).strip()
    if len(data) > 1_000_000 and a.large:
        os.makedirs(a.large, exist_ok=True)
        big = os.path.join(a.large, name + ext)
        os.replace(file, big)
        file = big
    line = dict(file=os.path.relpath(file, a.out), bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), build=a.build, model=os.path.basename(path),
                structure=c["structure"], hints=c["hints"], tokens=c["n"], flash=bool(c.get("fa", 1)), type_k=TYPE_NAMES[c.get("k", F16)],
                type_v=TYPE_NAMES[c.get("v", F16)], **rot, reload=reload)
    for k in ("n_seq_max", "kv_unified", "seq", "swa_full", "flags", "steps", "n_ubatch", "norot"):
        if k in c:
            line[k] = c[k]
    line["parsed"] = parse_state.summary(parsed)
    print(json.dumps(line))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for f in ("--lib", "--build", "--out", "--tiny", "--smollm2", "--gemma3", "--backends", "--only", "--large", "--case"):
        p.add_argument(f)
    p.add_argument("--list", action="store_true")
    a = p.parse_args()
    every = cases()
    if a.list:
        print("\n".join(every))
        return 0
    if a.case:
        run_case(a, a.case, every[a.case])
        return 0
    os.makedirs(a.out, exist_ok=True)
    listing = os.path.join(a.out, "PROVENANCE.jsonl")
    lines = {}
    if os.path.exists(listing):
        lines = {e["file"]: e for e in map(json.loads, open(listing)) if "file" in e}
    failed = 0
    for name in every:
        if a.only and a.only not in name:
            continue
        r = subprocess.run([sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--case", name], capture_output=True, text=True)
        got = [x for x in r.stdout.splitlines() if x.startswith("{")]
        if r.returncode or not got:
            failed += 1
            print(f"{name}: FAILED ({r.returncode}) {(r.stderr or r.stdout)[-700:]}")
            continue
        e = json.loads(got[-1])
        lines[e["file"]] = e
        print(f"{name}: {e['bytes']} bytes, {e['reload']}, rot {e['rot_k']}/{e['rot_v']}")
    with open(listing, "w") as f:
        f.write(json.dumps(dict(facts=FACTS)) + "\n")
        f.writelines(json.dumps(lines[k]) + "\n" for k in sorted(lines))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
