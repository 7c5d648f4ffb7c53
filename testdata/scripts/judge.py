"""What a changed KV cache costs the model: loads states into llama.cpp and compares the next-token distributions.

    python judge.py --model GGUF --lib LIBLLAMA.so prefill TEXT OUT.ggsq -n TOKENS
    python judge.py --model GGUF --lib LIBLLAMA.so judge TEXT REFERENCE.ggsq CHANGED.ggsq... [-m TOKENS] [--replay A]
    python judge.py --model GGUF --lib LIBLLAMA.so continue STATE.ggsq... -k TOKENS

prefill   reads the first TOKENS tokens of TEXT, saves the state (GGSQ, f16, flash attention); prints tokens, bytes and seconds
judge     after each state, the same tokens are fed to the model: the TOKENS of TEXT that follow the state, or with --replay A those from
          A on, which the state already holds, once more (recall: they can only be predicted from the cache). One line of JSON for each
          changed state: mean, 99th percentile and largest Kullback-Leibler divergence of the model's predictions from those after the
          reference, in nats; the share of positions where both predict the same token; perplexity of the text after either
continue  greedy continuation: feeds the text's last token again in its place, then k times the likeliest token; prints ids and text

Exit code 69: the library cannot be loaded on this system.

--lib may be left out if CAPSULE_LIBLLAMA names the library or its folder. --backends: folder of libggml-cpu-*.so; by default the
library's own. Every state is loaded and judged in the same way in the same process, so a byte-identical state gives exactly 0. Needs numpy.
"""
import argparse
import ctypes as C
import json
import os
import sys
import time

import numpy as np

from llama_c import LlamaC

F16 = 1
BATCH = 512


class Model(LlamaC):
    def __init__(self, lib, backends, path, n_ctx, threads):
        super().__init__(lib, backends, path)
        self.n_vocab = self.L.llama_vocab_n_tokens(self.vocab)
        self.n_ctx = n_ctx
        self.new_context(n_ctx=n_ctx, n_batch=2048, n_ubatch=BATCH, n_threads=threads, n_threads_batch=threads, flash_attn_type=1,
                         type_k=F16, type_v=F16)

    def feed(self, tokens, pos):
        """Tokens at positions pos.., without looking at the predictions; for all but the last of them nothing is computed at the output."""
        for _ in self.predictions(tokens, pos, False):
            pass

    def predictions(self, tokens, pos, every=True):
        """Feeds tokens at positions pos.. and yields arrays of log probabilities, (batch, vocabulary), of what follows each."""
        for at in range(0, len(tokens), BATCH):
            part = tokens[at:at + BATCH]
            b = self.L.llama_batch_init(len(part), 0, 1)
            b.n_tokens = len(part)
            for j, token in enumerate(part):
                b.token[j], b.pos[j] = token, pos + at + j
                b.n_seq_id[j], b.seq_id[j][0] = 1, 0
                b.logits[j] = every or j == len(part) - 1
            status = self.L.llama_decode(self.ctx, b)
            self.L.llama_batch_free(b)
            if status:
                raise SystemExit(f"llama_decode: {status} " + "".join(self.log[-4:]))
            if every:
                raw = np.ctypeslib.as_array(self.L.llama_get_logits(self.ctx), (len(part), self.n_vocab)).astype(np.float64)
                raw -= raw.max(1, keepdims=True)
                yield raw - np.log(np.exp(raw).sum(1, keepdims=True))

    def save(self, path, tokens):
        n = self.L.llama_state_seq_save_file(self.ctx, path.encode(), 0, (C.c_int32 * len(tokens))(*tokens), len(tokens))
        if not n:
            raise SystemExit(f"{path}: cannot be saved: " + "".join(self.log[-4:]))
        return n

    def load(self, path):
        """Puts the state in place of whatever the context held; returns its tokens."""
        self.L.llama_memory_clear(self.L.llama_get_memory(self.ctx), True)
        tokens, n = (C.c_int32 * self.n_ctx)(), C.c_size_t()
        if not self.L.llama_state_seq_load_file(self.ctx, path.encode(), 0, tokens, len(tokens), C.byref(n)):
            raise SystemExit(f"{path}: llama.cpp refuses it: " + "".join(self.log[-4:]).strip())
        return list(tokens[:n.value])


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def prefill(m, a):
    tokens = m.tokenize(read(a.text))
    if len(tokens) < a.n:
        raise SystemExit(f"{a.text}: {len(tokens)} tokens only")
    start = time.time()
    m.feed(tokens[:a.n], 0)
    seconds = time.time() - start
    print(json.dumps(dict(tokens=a.n, bytes=m.save(a.out, tokens[:a.n]), seconds=round(seconds, 2))))


def judge(m, a):
    text = m.tokenize(read(a.text))
    held = m.load(a.reference)
    n = len(held)
    if held != text[:n]:
        raise SystemExit(f"{a.reference} does not hold the beginning of {a.text}")
    first = n if a.replay is None else a.replay
    said, then = text[first:first + a.m], text[first + 1:first + 1 + a.m]
    if first < 0 or len(then) < a.m or (a.replay is not None and first + a.m >= n):
        raise SystemExit(f"not enough tokens for -m {a.m}")
    reference = list(m.predictions(said, n))
    for path in a.changed:
        if m.load(path) != held:
            raise SystemExit(f"{path} holds other tokens than {a.reference}")
        kl, same, nats, nats_reference = [], [], 0.0, 0.0
        for at, (r, c) in enumerate(zip(reference, m.predictions(said, n))):
            rows, right = np.arange(len(r)), np.array(then[at * BATCH:at * BATCH + len(r)])
            kl.append((np.exp(r) * (r - c)).sum(1))
            same.append(r.argmax(1) == c.argmax(1))
            nats_reference -= r[rows, right].sum()
            nats -= c[rows, right].sum()
        kl = np.concatenate(kl)
        print(json.dumps(dict(state=os.path.basename(path), tokens=a.m, kl_mean=float(kl.mean()), kl_p99=float(np.quantile(kl, .99)),
                              kl_max=float(kl.max()), top1=float(np.concatenate(same).mean()), perplexity=float(np.exp(nats / a.m)),
                              perplexity_reference=float(np.exp(nats_reference / a.m)))), flush=True)


def go_on(m, a):
    for path in a.states:
        held = m.load(path)
        n = len(held)
        # The state holds the last token's keys but not its prediction: take it out of the cache and feed it again.
        m.L.llama_memory_seq_rm(m.L.llama_get_memory(m.ctx), 0, n - 1, -1)
        ids, last = [], held[-1]
        for i in range(a.k):
            last = int(next(m.predictions([last], n - 1 + i))[0].argmax())
            ids.append(last)
        out, pieces = C.create_string_buffer(256), b""
        for i in ids:
            size = m.L.llama_token_to_piece(m.vocab, i, out, len(out), 0, False)
            pieces += out.raw[:max(0, size)]
        print(json.dumps(dict(state=os.path.basename(path), tokens=n, ids=ids, text=pieces.decode(errors="replace"))), flush=True)


def library(name):
    if os.path.isdir(name):
        found = sorted(f for f in os.listdir(name) if f.startswith("libllama.") and ".so" in f)
        if not found:
            raise SystemExit(f"{name}: no libllama here")
        return os.path.join(name, found[0])
    return name


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True, help="GGUF file")
    p.add_argument("--lib", default=os.environ.get("CAPSULE_LIBLLAMA"), help="libllama.so or its folder")
    p.add_argument("--backends", help="folder of the CPU back ends")
    p.add_argument("--ctx", type=int, default=8192, help="length of the context")
    p.add_argument("--threads", type=int, default=2)
    s = p.add_subparsers(dest="command", required=True)
    c = s.add_parser("prefill")
    c.add_argument("text")
    c.add_argument("out")
    c.add_argument("-n", type=int, default=4096)
    c.set_defaults(run=prefill)
    c = s.add_parser("judge")
    c.add_argument("text")
    c.add_argument("reference")
    c.add_argument("changed", nargs="+")
    c.add_argument("-m", type=int, default=512)
    c.add_argument("--replay", type=int, metavar="A")
    c.set_defaults(run=judge)
    c = s.add_parser("continue")
    c.add_argument("states", nargs="+")
    c.add_argument("-k", type=int, default=16)
    c.set_defaults(run=go_on)
    a = p.parse_args()
    if not a.lib:
        raise SystemExit("no library: give --lib or set CAPSULE_LIBLLAMA")
    lib = library(a.lib)
    try:
        m = Model(lib, a.backends or os.path.dirname(os.path.abspath(lib)), a.model, a.ctx, a.threads)
    except OSError as e:
        print(f"{lib} cannot be loaded: {e}", file=sys.stderr)
        return 69
    return a.run(m, a)


if __name__ == "__main__":
    sys.exit(main())
