"""Tiny random-weight GGUF models, one per llama.cpp memory structure (hybrid, recurrent, iSWA, M-RoPE, MLA, DSA, dense).

The models say nothing useful; they exist so that llama.cpp writes a real state file of each structure in a few kilobytes.
Weights are f32 from a fixed seed, the tokenizer is `no_vocab` (feed token ids 0..63), so each file is well under 400 KB.

    python make_hybrid_gguf.py ARCH OUT.gguf [--seed 7]
    python make_hybrid_gguf.py all OUT_DIR

ARCH            llama.cpp memory             what the state holds
granitehybrid   hybrid                       KV of the attention layers, then REC (conv rows R, SSM rows S)
lfm2            hybrid                       KV, then REC whose S rows are 0 bytes long (short convolution only)
lfm2-swa        hybrid-iswa                  KV_base with 0 layers, KV_swa, then REC (window 8)
mamba           recurrent                    REC alone
gemma3          iSWA                         KV_base (layer 5), KV_swa (layers 0-4), window 8
qwen2vl         kv cache, M-RoPE             every cell carries a position extension
deepseek2       kv cache, MLA                K rows only, no V
deepseek32      DSA                          KV of MLA (no V), then KV of the lightning indexer (no V)
llama           kv cache                     dense, 2 layers x 1 KV head x 64
"""
import argparse
import os
import zlib

import numpy as np
from gguf import GGUFWriter

VOCAB = 64


class Tiny:
    """Collects keys and tensors of one model. Tensor shapes are given as llama.cpp does: fastest dimension first."""

    def __init__(self, path, arch, seed, layers, embd, heads, kv_heads, head_dim, ff, rope_dim=None):
        self.w = GGUFWriter(path, arch)
        self.arch, self.layers, self.embd, self.ff = arch, layers, embd, ff
        self.rng = np.random.default_rng([seed, zlib.crc32(os.path.basename(path).encode())])
        u = lambda k, v: self.w.add_uint32(f"{arch}.{k}", v)
        self.u32 = u
        self.w.add_name(f"kv-capsule-tiny-{arch}")
        self.w.add_string("tokenizer.ggml.model", "no_vocab")
        u("vocab_size", VOCAB)
        u("context_length", 2048)
        u("block_count", layers)
        u("embedding_length", embd)
        u("feed_forward_length", ff)
        u("attention.head_count", heads)
        if isinstance(kv_heads, list):
            self.w.add_array(f"{arch}.attention.head_count_kv", kv_heads)
        else:
            u("attention.head_count_kv", kv_heads)
        if head_dim:
            u("attention.key_length", head_dim)
            u("attention.value_length", head_dim)
            u("rope.dimension_count", rope_dim or head_dim)
        self.f32("attention.layer_norm_rms_epsilon", 1e-5)
        self.f32("rope.freq_base", 10000.0)

    def f32(self, key, value):
        self.w.add_float32(f"{self.arch}.{key}", value)

    def t(self, name, *dims, scale=None, one=False):
        shape = tuple(reversed(dims))
        s = scale if scale is not None else 1.0 / np.sqrt(dims[0])
        x = np.ones(shape) + 0.1 * self.rng.standard_normal(shape) if one else s * self.rng.standard_normal(shape)
        self.w.add_tensor(name, x.astype(np.float32))

    def frame(self, out_norm="output_norm"):
        self.t("token_embd.weight", self.embd, VOCAB, scale=1.0)
        self.t(f"{out_norm}.weight", self.embd, one=True)

    def attn(self, i, q, kv, bias=False):
        for n, d in (("q", q), ("k", kv), ("v", kv)):
            self.t(f"blk.{i}.attn_{n}.weight", self.embd, d)
            if bias:
                self.t(f"blk.{i}.attn_{n}.bias", d, scale=0.1)
        self.t(f"blk.{i}.attn_output.weight", q, self.embd)

    def norm(self, i, name, d=None):
        self.t(f"blk.{i}.{name}.weight", d or self.embd, one=True)

    def mlp(self, i):
        self.t(f"blk.{i}.ffn_gate.weight", self.embd, self.ff)
        self.t(f"blk.{i}.ffn_up.weight", self.embd, self.ff)
        self.t(f"blk.{i}.ffn_down.weight", self.ff, self.embd)

    def close(self):
        self.w.write_header_to_file()
        self.w.write_kv_data_to_file()
        self.w.write_tensors_to_file()
        self.w.close()


def llama(path, seed):
    m = Tiny(path, "llama", seed, layers=2, embd=64, heads=1, kv_heads=1, head_dim=64, ff=64)
    m.frame()
    for i in range(2):
        m.norm(i, "attn_norm"); m.attn(i, 64, 64); m.norm(i, "ffn_norm"); m.mlp(i)
    m.close()


def gemma3(path, seed):
    m = Tiny(path, "gemma3", seed, layers=6, embd=32, heads=2, kv_heads=1, head_dim=32, ff=32)
    m.u32("attention.sliding_window", 8)
    m.frame()
    for i in range(6):
        for n in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
            m.norm(i, n)
        m.norm(i, "attn_q_norm", 32); m.norm(i, "attn_k_norm", 32)
        m.attn(i, 64, 32); m.mlp(i)
    m.close()


def granitehybrid(path, seed):
    # layers 0, 2, 3 are Mamba-2, layer 1 is attention
    embd, inner, state, groups, ssm_heads = 32, 64, 8, 1, 4
    m = Tiny(path, "granitehybrid", seed, layers=4, embd=embd, heads=2, kv_heads=[0, 1, 0, 0], head_dim=16, ff=32)
    for k, v in (("conv_kernel", 4), ("inner_size", inner), ("state_size", state), ("time_step_rank", ssm_heads), ("group_count", groups)):
        m.u32(f"ssm.{k}", v)
    m.frame()
    conv = inner + 2 * groups * state
    for i in range(4):
        m.norm(i, "attn_norm")
        if i == 1:
            m.attn(i, 32, 16)
        else:
            m.t(f"blk.{i}.ssm_in.weight", embd, 2 * inner + 2 * groups * state + ssm_heads)
            m.t(f"blk.{i}.ssm_conv1d.weight", 4, conv)
            m.t(f"blk.{i}.ssm_conv1d.bias", conv, scale=0.1)
            m.t(f"blk.{i}.ssm_dt.bias", ssm_heads, scale=0.5)
            m.w.add_tensor(f"blk.{i}.ssm_a", -np.exp(m.rng.standard_normal((ssm_heads, 1))).astype(np.float32))
            m.t(f"blk.{i}.ssm_d", 1, ssm_heads, one=True)
            m.t(f"blk.{i}.ssm_norm.weight", inner // groups, groups, one=True)
            m.t(f"blk.{i}.ssm_out.weight", inner, embd)
        m.norm(i, "ffn_norm"); m.mlp(i)
    m.close()


def lfm2(path, seed, window=0):
    m = Tiny(path, "lfm2", seed, layers=4, embd=32, heads=2, kv_heads=[0, 1, 0, 1], head_dim=16, ff=32)
    m.u32("shortconv.l_cache", 3)
    if window:
        m.u32("attention.sliding_window", window)
    m.frame("token_embd_norm")
    for i in range(4):
        m.norm(i, "attn_norm")
        if i % 2:
            m.attn(i, 32, 16); m.norm(i, "attn_q_norm", 16); m.norm(i, "attn_k_norm", 16)
        else:
            m.t(f"blk.{i}.shortconv.conv.weight", 3, 32)
            m.t(f"blk.{i}.shortconv.in_proj.weight", 32, 96)
            m.t(f"blk.{i}.shortconv.out_proj.weight", 32, 32)
        m.norm(i, "ffn_norm"); m.mlp(i)
    m.close()


def mamba(path, seed):
    embd, inner, state, rank = 32, 64, 8, 4
    m = Tiny(path, "mamba", seed, layers=2, embd=embd, heads=0, kv_heads=0, head_dim=0, ff=0)
    for k, v in (("conv_kernel", 4), ("inner_size", inner), ("state_size", state), ("time_step_rank", rank)):
        m.u32(f"ssm.{k}", v)
    m.frame()
    for i in range(2):
        m.norm(i, "attn_norm")
        m.t(f"blk.{i}.ssm_in.weight", embd, 2 * inner)
        m.t(f"blk.{i}.ssm_conv1d.weight", 4, inner)
        m.t(f"blk.{i}.ssm_conv1d.bias", inner, scale=0.1)
        m.t(f"blk.{i}.ssm_x.weight", inner, rank + 2 * state)
        m.t(f"blk.{i}.ssm_dt.weight", rank, inner)
        m.t(f"blk.{i}.ssm_dt.bias", inner, scale=0.5)
        m.w.add_tensor(f"blk.{i}.ssm_a", -np.exp(m.rng.standard_normal((inner, state))).astype(np.float32))
        m.t(f"blk.{i}.ssm_d", inner, one=True)
        m.t(f"blk.{i}.ssm_out.weight", inner, embd)
    m.close()


def qwen2vl(path, seed):
    m = Tiny(path, "qwen2vl", seed, layers=2, embd=32, heads=2, kv_heads=1, head_dim=16, ff=32)
    m.w.add_array("qwen2vl.rope.dimension_sections", [2, 3, 3, 0])
    m.frame()
    for i in range(2):
        m.norm(i, "attn_norm"); m.attn(i, 32, 16, bias=True); m.norm(i, "ffn_norm"); m.mlp(i)
    m.close()


def deepseek(path, seed, arch):
    # K row = kv_lora 32 + rope 16 = 48; heads are 16 (nope) + 16 (rope) wide, V heads 16 wide after decompression
    heads, lora, rope, nope, v, qr, embd = 2, 32, 16, 16, 16, 24, 32
    m = Tiny(path, arch, seed, layers=3, embd=embd, heads=heads, kv_heads=1, head_dim=0, ff=32)
    for k, x in (("attention.key_length", lora + rope), ("attention.value_length", lora), ("attention.key_length_mla", nope + rope),
                 ("attention.value_length_mla", v), ("attention.kv_lora_rank", lora), ("attention.q_lora_rank", qr),
                 ("rope.dimension_count", rope), ("leading_dense_block_count", 3), ("expert_feed_forward_length", 32),
                 ("expert_shared_count", 1), ("expert_count", 2), ("expert_used_count", 1), ("expert_gating_func", 2)):
        m.u32(k, x)
    m.f32("expert_weights_scale", 1.0)
    m.w.add_bool(f"{arch}.expert_weights_norm", True)
    if arch == "deepseek32":
        m.u32("attention.indexer.head_count", 2); m.u32("attention.indexer.key_length", 64); m.u32("attention.indexer.top_k", 8)
    m.frame()
    for i in range(3):
        m.norm(i, "attn_norm"); m.norm(i, "attn_q_a_norm", qr); m.norm(i, "attn_kv_a_norm", lora)
        b = f"blk.{i}."
        m.t(b + "attn_q_a.weight", embd, qr)
        m.t(b + "attn_q_b.weight", qr, heads * (nope + rope))
        m.t(b + "attn_kv_a_mqa.weight", embd, lora + rope)
        m.t(b + "attn_k_b.weight", nope, lora, heads)
        m.t(b + "attn_v_b.weight", lora, v, heads)
        m.t(b + "attn_output.weight", heads * v, embd)
        if arch == "deepseek32":
            m.norm(i, "indexer.k_norm", 64)
            m.t(b + "indexer.k_norm.bias", 64, scale=0.1)
            m.t(b + "indexer.proj.weight", embd, 2)
            m.t(b + "indexer.attn_k.weight", embd, 64)
            m.t(b + "indexer.attn_q_b.weight", qr, 128)
        m.norm(i, "ffn_norm"); m.mlp(i)
    m.close()


ARCHS = {
    "granitehybrid": granitehybrid, "lfm2": lfm2, "lfm2-swa": lambda p, s: lfm2(p, s, 8), "mamba": mamba, "gemma3": gemma3,
    "qwen2vl": qwen2vl, "deepseek2": lambda p, s: deepseek(p, s, "deepseek2"),
    "deepseek32": lambda p, s: deepseek(p, s, "deepseek32"), "llama": llama,
}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("arch", choices=[*ARCHS, "all"])
    p.add_argument("out", help="the GGUF to write, or with `all` a folder that gets tiny-ARCH.gguf of each")
    p.add_argument("--seed", type=int, default=7)
    a = p.parse_args()
    for name in ARCHS if a.arch == "all" else [a.arch]:
        path = os.path.join(a.out, f"tiny-{name}.gguf") if a.arch == "all" else a.out
        ARCHS[name](path, a.seed)
        print(f"{path}: {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
