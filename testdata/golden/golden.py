#!/usr/bin/env python3
"""Golden vectors of the codec payloads, from an implementation that shares nothing with the engine.

  golden.py make  --out DIR [--sample FILE.ggsq[.zst]]   write inputs (when --sample is given) and all expected outputs
  golden.py check --dir DIR [--sample FILE.ggsq[.zst]]   recompute everything, compare with the stored files byte for byte
  golden.py show  --dir DIR --out OUT CASE...            write every part of some cases in full, to debug a mismatch
  golden.py selftest [--dir DIR]                         invariants; with the PyPI package `gguf`, agreement with its quants

Needs numpy; `zstandard` for a compressed sample; `gguf` only for selftest. The file format is in README.md.
"""
import argparse, hashlib, math, os, struct, sys
from fractions import Fraction
import numpy as np

F32, F64, U8, U16, U32 = np.float32, np.float64, np.uint8, np.uint16, np.uint32
np.seterr(all='ignore')


# ---------------------------------------------------------------- number formats

F16_MAX = F32(65504.0)
BF16_MAX = np.array([0x7F7F0000], U32).view(F32)[0]


def bf16_rne_bits(x):
    """bf16 bits (u16) of finite or infinite f32, round to nearest even; overflow gives infinity."""
    n = np.ascontiguousarray(x, F32).view(U32).astype(np.uint64)
    return ((n + 0x7FFF + ((n >> 16) & 1)) >> 16).astype(U16)


def bf16_to_f32(b):
    return (np.asarray(b, U16).astype(U32) << 16).view(F32)


def f16_rne_bits(x):
    return np.asarray(x, F32).astype(np.float16).view(U16)


def to_bits(x, dtype):
    """f32 -> element bits (u16 for f16 and bf16, u32 for f32), RNE, overflow to infinity."""
    x = np.ascontiguousarray(x, F32)
    return {'f16': f16_rne_bits, 'bf16': bf16_rne_bits, 'f32': lambda v: v.view(U32)}[dtype](x)


def from_bits(b, dtype):
    if dtype == 'f16':
        return np.asarray(b, U16).view(np.float16).astype(F32)
    return bf16_to_f32(b) if dtype == 'bf16' else np.asarray(b, U32).view(F32)


def param_type(element):
    return 'f16' if element == 'f16' else 'bf16'


def _order(b):
    """16-bit float bits -> integers in numeric order; -0 and +0 are neighbours' (-1, 0)."""
    b = b.astype(np.int32)
    return np.where(b & 0x8000, -(b & 0x7FFF) - 1, b)


def _unorder(n):
    return np.where(n < 0, 0x8000 | (-n - 1), n).astype(U16)


def _step(bits, up):
    """next representable value up / down; a zero of either sign steps to the smallest subnormal of the direction."""
    n = _order(bits)
    if up:
        n = np.where(n == -1, 1, n + 1)
    else:
        n = np.where(n == 0, -2, n - 1)
    return _unorder(n)


def round_dir(x, P, up):
    """down_P / up_P: f32 -> P bits, towards -inf / +inf, clamped to the largest finite values."""
    x = np.asarray(x, F32)
    b = to_bits(x, P).reshape(x.shape)
    y = from_bits(b, P)
    b = np.where((y < x) if up else (y > x), _step(b, up), b).astype(U16)
    return clamp_bits(b, P)


def clamp_bits(b, P):
    inf, mx = (0x7C00, 0x7BFF) if P == 'f16' else (0x7F80, 0x7F7F)
    return np.where((b & 0x7FFF) == inf, (b & 0x8000) | mx, b).astype(U16)


def round_near(x, P):
    """RNE to P, clamped to the largest finite values."""
    return clamp_bits(to_bits(x, P).reshape(np.shape(x)), P)


# ---------------------------------------------------------------- code units

def codes_a_byte(bits):
    return {2: 4, 3: 2, 4: 2, 8: 1}[bits]


def pack(q, bits):
    """codes [T][C] -> bytes T x U x w."""
    T, C = q.shape
    p = codes_a_byte(bits); w = 64 // p; U = -(-C // 64)
    full = np.zeros((T, U * 64), np.int64); full[:, :C] = q
    parts = full.reshape(T, U, p, w)                      # code number j + k*w -> [k][j]
    out = np.zeros((T, U, w), np.int64)
    for k in range(p):
        out |= parts[:, :, k, :] << (k * bits)
    return out.astype(U8).tobytes()


def unpack(data, T, C, bits):
    p = codes_a_byte(bits); w = 64 // p; U = -(-C // 64)
    d = np.frombuffer(data, U8).reshape(T, U, w)
    q = np.stack([(d >> (k * bits)) & (2 ** bits - 1) for k in range(p)], 2)
    return q.reshape(T, U * 64)[:, :C].astype(np.int64)


# ---------------------------------------------------------------- kivi

def kivi_group(x, bits, P):
    """x f32 [n] -> z bits, s bits, codes [n], 1 if the group cannot be carried."""
    L = F32(2 ** bits - 1)
    m, M = x.min() + F32(0), x.max() + F32(0)             # + 0: a zero of either sign becomes +0
    if not np.isfinite(x).all() or m < -largest(P):
        return U16(0), U16(0), np.zeros(len(x), np.int64), 1
    zb = round_dir(m, P, False); z = from_bits(zb, P).reshape(())[()]
    d = M - z
    t = d / L if np.isfinite(d) else M / L - z / L
    sb = round_dir(t, P, True); s = from_bits(sb, P).reshape(())[()]
    refused = int(not np.isfinite(from_bits(to_bits(z + s * L, P), P)).all())
    if s == 0:
        return zb, sb, np.zeros(len(x), np.int64), refused
    inv = F32(1) / s
    u = (x - z) / s if np.isinf(inv) else (x - z) * inv
    q = np.clip(np.rint(u), F32(0), L)
    assert q.dtype == np.float32 and not np.isnan(q).any()
    return zb, sb, q.astype(np.int64), refused


def largest(P):
    return F16_MAX if P == 'f16' else BF16_MAX


def kivi_encode(x, part, bits, G, P):
    T, C = x.shape
    q = np.zeros((T, C), np.int64); zs, ss, refused = [], [], 0
    if part == 'K':
        for t in range(0, T, G):
            for c in range(C):
                z, s, q[t:t + G, c], r = kivi_group(x[t:t + G, c], bits, P); zs.append(z); ss.append(s); refused += r
    else:
        for t in range(T):
            for c in range(0, C, G):
                z, s, q[t, c:c + G], r = kivi_group(x[t, c:c + G], bits, P); zs.append(z); ss.append(s); refused += r
    return pack(q, bits), np.array(zs, U16).tobytes(), np.array(ss, U16).tobytes(), refused


def kivi_decode(codes, Z, S, part, bits, G, T, C, P):
    q = unpack(codes, T, C, bits).astype(F32)
    z, s = (from_bits(np.frombuffer(b, U16), P) for b in (Z, S))
    if part == 'K':
        z, s = (np.repeat(a.reshape(-1, C), G, 0)[:T] for a in (z, s))
    else:
        z, s = (np.repeat(a.reshape(T, -1), G, 1)[:, :C] for a in (z, s))
    r = z + s * q
    assert r.dtype == np.float32
    return r


# ---------------------------------------------------------------- rotated

M64 = 2 ** 64 - 1


def splitmix(seed):
    st = seed
    while True:
        st = (st + 0x9E3779B97F4A7C15) & M64
        z = st
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
        yield z ^ (z >> 31)


def signs(seed, C):
    g = splitmix(seed); words = [next(g) for _ in range(-(-C // 64))]
    return np.array([-1.0 if words[c // 64] >> (c % 64) & 1 else 1.0 for c in range(C)], F32)


def lloyd_f64(bits):
    """Positive half of the centroids of the Lloyd-Max quantizer of N(0,1), by Lloyd iteration in double to convergence."""
    n = 2 ** (bits - 1)
    phi = lambda v: math.exp(-v * v / 2) / math.sqrt(2 * math.pi)
    tail = lambda v: 0.5 * math.erfc(v / math.sqrt(2))
    c = [(k + 0.5) * 3.0 / n for k in range(n)]
    for _ in range(100000):
        t = [0.0] + [(a + b) / 2 for a, b in zip(c, c[1:])] + [math.inf]
        new = [(phi(a) - (0.0 if b == math.inf else phi(b))) / (tail(a) - (0.0 if b == math.inf else tail(b))) for a, b in zip(t, t[1:])]
        delta = max(abs(a - b) for a, b in zip(c, new)); c = new
        if delta < 1e-15:
            break
    return c


_lloyd = {}


def lloyd(bits):
    """f32 centroids [2^b] and f32 thresholds [2^b - 1]."""
    if bits not in _lloyd:
        h = np.array(lloyd_f64(bits), F64).astype(F32)
        c = np.concatenate([-h[::-1], h])
        _lloyd[bits] = c, (c[:-1] + c[1:]) * F32(0.5)
    return _lloyd[bits]


def wht(y, B):
    """[..., n] integers, n a multiple of B: Walsh-Hadamard in each block of B, stages h = 1, 2 .. B/2; must stay within 16 bits."""
    shape = y.shape; h = 1
    while h < B:
        v = y.reshape(-1, 2, h)
        a, b = v[:, 0], v[:, 1]
        y = np.stack([a + b, a - b], 1); h *= 2
        assert y.size == 0 or np.abs(y).max() <= 32768
    return y.reshape(shape)


def seq_sum(a):
    """sum over the last axis in index order, in a's type."""
    return np.add.accumulate(a, -1)[..., -1]


def block_of(d):
    return min(d & -d, 256)


def rotation(bits, d):
    """K, A, integer centroids, integer thresholds, rho, phi; all in double but phi."""
    half = lloyd_f64(bits); c = [-v for v in reversed(half)] + half
    B = block_of(d); top = c[-1]
    K = math.floor((32767 - B / 2) / math.sqrt(B * d)); A = math.floor(32767 / B)
    C = np.array([np.rint(v * A / top) for v in c]).astype(np.int64)
    T = np.array([min(max(math.floor((a + b) / 2 * (K * math.sqrt(B))), -32768), 32767) for a, b in zip(c, c[1:])], np.int64)
    return K, A, C, T, A / (K * math.sqrt(B) * top), F32(top / (A * math.sqrt(B)))


def energy(x):
    """f32 [.., d] -> f32 [..]: sixteen partial sums of squares in index order, then pairs of neighbours."""
    p = np.zeros(x.shape[:-1] + (16,), F32)
    for i in range(x.shape[-1]):
        p[..., i % 16] = p[..., i % 16] + x[..., i] * x[..., i]
    while p.shape[-1] > 1:
        p = p[..., 0::2] + p[..., 1::2]
    assert p.dtype == np.float32
    return p[..., 0]


def rotated_encode(x, bits, d, seed, mean, P):
    T, C = x.shape; H = C // d; B = block_of(d)
    K, _, cent, thr, rho, _ = rotation(bits, d)
    means = b''
    if mean:
        mu = seq_sum(np.concatenate([np.zeros((C, 1), F32), x.T], 1)) / F32(T)     # from +0
        assert mu.dtype == np.float32
        mb = np.where(np.isfinite(mu), round_near(mu, P), 0).astype(U16); means = mb.tobytes()
        x = x - from_bits(mb, P)
    x = x.reshape(T, H, d); sign = signs(seed, C).reshape(H, d).astype(np.int64)
    q = np.full((T, H, d), 2 ** (bits - 1), np.int64); gain = np.zeros((T, H), U16); refused = 0
    E = energy(x)
    for t in range(T):
        for h in range(H):
            e = E[t, h]
            if e == 0: continue
            if not np.isfinite(e) or (P == 'f16' and e >= F32(2 ** 30)):
                refused += 1; continue
            r = np.sqrt(e / F32(d)); a = F32(K) / r
            assert r.dtype == np.float32 and a.dtype == np.float32
            n = np.rint(x[t, h] * a)
            assert n.dtype == np.float32 and np.abs(n).max() <= 32767
            y = wht(sign[h] * n.astype(np.int64), B)
            q[t, h] = (y[:, None] > thr).sum(-1)
            c = cent[q[t, h]]
            g = F64(r) * F64((y * c).sum()) / F64((c * c).sum()) * F64(rho)
            gain[t, h] = round_near(F32(g), P)
    return pack(q.reshape(T, C), bits), gain.tobytes(), means, refused


def rotated_decode(codes, gains, means, bits, d, seed, T, C, P):
    H = C // d; B = block_of(d)
    _, _, cent, _, _, phi = rotation(bits, d)
    v = wht(cent[unpack(codes, T, C, bits)].reshape(T, H, d), B)
    f = from_bits(np.frombuffer(gains, U16), P).reshape(T, H, 1) * phi
    x = ((signs(seed, C).astype(np.int64).reshape(H, d) * v).astype(F32) * f).reshape(T, C)
    if means:
        x = x + from_bits(np.frombuffer(means, U16), P)
    assert x.dtype == np.float32
    return x


# ---------------------------------------------------------------- fp8 (MX E4M3)

def e4m3_encode(a):
    """codes of doubles (RNE, |a| <= 448)."""
    a = np.asarray(a, F64); m = np.abs(a)
    E = np.frexp(np.where(m == 0, 1, m))[1] - 1                                # floor(log2 m)
    sub = (E < -6) | (m == 0)
    code = np.where(sub, np.rint(m * 512), (E + 7) * 8 + np.rint(np.ldexp(m, 3 - E)) - 8).astype(np.int64)
    assert (code <= 0x7E).all()
    return (code | np.where(np.signbit(a), 0x80, 0)).astype(U8)


def e4m3_values():
    """f32 values of the 256 codes; 0x7F and 0xFF are NaN."""
    out = []
    for b in range(256):
        e, m = b >> 3 & 15, b & 7
        v = math.nan if b & 0x7F == 0x7F else math.ldexp(m, -9) if e == 0 else math.ldexp(8 + m, e - 10)
        out.append(-v if b & 0x80 else v)
    return np.array(out, F32)


def fp8_encode(x):
    T, C = x.shape; scales, codes = [], np.zeros((T, C), U8)
    for t in range(T):
        for c in range(0, C, 32):
            blk = x[t, c:c + 32].astype(F64)
            amax = np.abs(blk).max()
            if amax == 0:
                scales.append(0); continue
            e = int(np.frexp(amax)[1]) - 1 - 8
            if math.ldexp(amax, -e) > 448:
                e += 1
            e = max(-127, min(127, e))
            scales.append(e + 127)
            codes[t, c:c + 32] = e4m3_encode(np.ldexp(blk, -e))
    return bytes(scales), codes.tobytes()


def fp8_decode(scales, codes, T, C):
    e = np.repeat(np.frombuffer(scales, U8).reshape(T, -1).astype(np.int64) - 127, 32, 1)[:, :C]
    v = np.ldexp(e4m3_values().astype(F64)[np.frombuffer(codes, U8).reshape(T, C)], e)
    assert (v.astype(F32).astype(F64) == v)[np.abs(v) < 2.0 ** 128].all()      # exact in f32; 256 * 2^120 overflows to infinity
    return v.astype(F32)


# ---------------------------------------------------------------- signed codes, fused arithmetic

def fold(q):
    """signed codes -> bytes 0, -1, 1, -2, ..."""
    q = np.asarray(q, np.int64)
    return np.where(q < 0, -2 * q - 1, 2 * q).astype(U8)


def fma(a, b, c):
    """f32 a * b + c with one rounding: exact product, sum rounded to odd in f64, then to f32."""
    p = np.asarray(a, F64) * np.asarray(b, F64); c = np.asarray(c, F64)
    s = p + c; t = s - p; e = (p - (s - t)) + (c - t)                     # s + e = p + c exactly
    n = np.ascontiguousarray(s).view(np.int64)
    odd = n + np.where((e > 0) == (s > 0), 1, -1)
    return np.where((e != 0) & (n & 1 == 0), odd, n).view(F64).astype(F32)


def up(x, P):
    return round_dir(np.asarray(x, F32), P, True)


# ---------------------------------------------------------------- cachegen

def cachegen_encode(x, G, bin_, P):
    T, C = x.shape; isa = np.arange(T) % G == 0; a = x[isa]; refused = 0
    ab = up(np.abs(a).max(0) / F32(127), P); s = from_bits(ab, P)
    q = np.where(s == 0, 0, np.clip(np.rint(a / np.where(s == 0, F32(1), s)), -127, 127)).astype(np.int64)
    base = s * q.astype(F32)
    d = (x - np.repeat(base, G, 0)[:T])[~isa]; n = len(d)
    sq = np.zeros(C, F64)
    for r in d: sq = sq + r.astype(F64) * r.astype(F64)
    want = (F64(F32(bin_)) * np.sqrt(sq / n)).astype(F32) if n else np.zeros(C, F32)
    most = (np.abs(d).max(0) if n else np.zeros(C, F32)) / F32(127)
    step = np.maximum(want, most)
    refused = int((step > largest(P)).any() or not np.isfinite(step).all())
    db = up(step, P); ds = from_bits(db, P)
    dq = np.where(ds == 0, 0, np.clip(np.rint(d / np.where(ds == 0, F32(1), ds)), -127, 127)).astype(np.int64).reshape(-1, C)
    return dict(asteps=ab.tobytes(), acodes=fold(q).tobytes(), dsteps=db.tobytes(), dcodes=fold(dq).tobytes()), refused


def unfold(b):
    b = np.frombuffer(b, U8).astype(np.int64); return (b >> 1) ^ -(b & 1)


def cachegen_decode(e, T, C, G, P):
    s, ds = (from_bits(np.frombuffer(e[k], U16), P) for k in ('asteps', 'dsteps'))
    a = s * unfold(e['acodes']).reshape(-1, C).astype(F32); d = ds * unfold(e['dcodes']).reshape(-1, C).astype(F32)
    y = np.empty((T, C), F32); isa = np.arange(T) % G == 0
    y[isa] = a; y[~isa] = np.repeat(a, G, 0)[:T][~isa] + d
    return y


# ---------------------------------------------------------------- components and low rank

def components(v):
    """rows of f32 -> int8 codes, f16 scales for each 64 columns, the values they stand for."""
    R, C = v.shape; runs = -(-C // 64); codes = np.zeros((R, C), np.int8); sb = np.zeros((R, runs), U16); u = np.zeros((R, C), F32)
    for r in range(runs):
        w = v[:, 64 * r:64 * r + 64]
        b = f16_rne_bits(np.abs(w).max(1) / F32(127)); s = from_bits(b, 'f16')[:, None]
        q = np.where(s == 0, 0, np.clip(np.rint(w / np.where(s == 0, F32(1), s)), -127, 127))
        codes[:, 64 * r:64 * r + 64] = q; sb[:, r] = b; u[:, 64 * r:64 * r + 64] = s * q.astype(F32)
    return codes.tobytes(), sb.tobytes(), u


def svd_encode(x, mean, v, bits):
    bc, bs, u = components(v); L = 2 ** (bits - 1) - 1
    c = np.zeros((len(x), len(v)), F32); z = x - mean
    for w in range(x.shape[1]): c = fma(z[:, w:w + 1], u[None, :, w], c)
    sb = up(np.abs(c).max(1) / F32(L), 'bf16'); s = from_bits(sb, 'bf16')[:, None]
    q = np.where(s == 0, 0, np.clip(np.rint(c / np.where(s == 0, F32(1), s)), -L, L)).astype(np.int64)
    return dict(bcodes=bc, bscales=bs, scales=sb.tobytes(), codes=fold(q).tobytes())


def svd_decode(e, mean, v):
    u = components(v)[2]; s = from_bits(np.frombuffer(e['scales'], U16), 'bf16')[:, None]
    c = s * unfold(e['codes']).reshape(len(s), -1).astype(F32); y = np.repeat(mean[None], len(s), 0)
    for k in range(len(v)): y = fma(c[:, k:k + 1], u[None, k], y)
    return y


# ---------------------------------------------------------------- kvtc

def kvtc_groups(x, groups):
    """groups (size, type) of columns -> the bytes before DEFLATE, decoded values of all columns in groups."""
    out, y, at = b'', np.zeros((len(x), sum(n for n, _ in groups)), F32), 0
    for n, kind in groups:
        g = x[:, at:at + n] + F32(0)
        if kind != 'none':
            lo, hi = g.min(1), g.max(1)
            zb = f16_rne_bits((lo + hi) / F32(2)) if kind == 'fp8' else round_dir(lo, 'f16', False); z = from_bits(zb, 'f16')
            L = F32({'fp8': 448, 'int2': 3, 'int4': 15}[kind])
            sb = up((np.maximum(hi - z, z - lo) if kind == 'fp8' else hi - z) / L, 'f16'); s = from_bits(sb, 'f16')
            place = np.where(s[:, None] == 0, F32(0), (x[:, at:at + n] - z[:, None]) / np.where(s == 0, F32(1), s)[:, None])
            if kind == 'fp8':
                p = np.clip(place, F32(-448), F32(448)); q = np.asarray(e4m3_encode(p), U8).reshape(p.shape); p = e4m3_values()[q]
                q = np.where(s[:, None] == 0, 0, q)
                code = q.astype(U8).tobytes()
            else:
                q = np.clip(np.rint(place), 0, L).astype(np.int64); p = q.astype(F32)
                per = {'int2': 4, 'int4': 2}[kind]; full = np.zeros((len(x), -(-n // per) * per), np.int64); full[:, :n] = q
                code = sum(full[:, j::per] << (8 // per * j) for j in range(per)).astype(U8).tobytes()
            y[:, at:at + n] = z[:, None] + s[:, None] * np.where(s[:, None] == 0, F32(0), p)
            out += zb.tobytes() + sb.tobytes() + code
        at += n
    return out, y


# ---------------------------------------------------------------- rANS

RL = 1 << 15


def slots_of(freq):
    """frequencies [256] -> symbol and rank of each of the 4,096 slots."""
    freq = [int(f) for f in freq]; left = list(freq); split = [16] * 256; alias = list(range(256)); donor = 0
    for b in range(256):
        if freq[b] >= 16: continue
        opened = b
        while True:
            while left[donor] <= 16: donor += 1
            split[opened] = left[opened]; alias[opened] = donor; left[donor] -= 16 - left[opened]
            if left[donor] >= 16: break
            opened = donor
    symbol = [b if place < split[b] else alias[b] for place in range(16) for b in range(256)]
    rank = [0] * 4096; count = [0] * 256
    for own in (True, False):                                                   # a symbol's own bucket first
        for b in range(256):
            for place in range(16):
                slot = 256 * place + b; s = symbol[slot]
                if (s == b) == own: rank[slot] = count[s]; count[s] += 1
    assert count == freq
    return symbol, rank


def position_of(lane):
    return 4 * (lane % 16) + lane // 16


def sets_of(n):
    return 1 if n < 65536 else 2


def rans_encode(symbols, tables, cmap):
    """symbols u8, tables u16 [n][256] (each sums to 4096), cmap: table number of position i % period."""
    where = []
    for t in tables:
        symbol, rank = slots_of(t); at = [[0] * int(f) for f in t]
        for slot in range(4096): at[symbol[slot]][rank[slot]] = slot
        where.append(at)
    n = len(symbols); S = sets_of(n); x = [[RL] * 64 for _ in range(S)]; words = []
    for row in range(-(-n // 64) - 1, -1, -1):
        for lane in range(63, -1, -1):
            i = 64 * row + position_of(lane)
            if i >= n: continue
            at = where[cmap[i % len(cmap)]][int(symbols[i])]; f = len(at); assert f > 0
            v = x[row % S][lane]
            if v >= f << 19:
                words.append(v & 0xFFFF); v >>= 16
            x[row % S][lane] = ((v // f) << 12) + at[v % f]
            assert RL <= x[row % S][lane] < 1 << 31
    return struct.pack(f'<{len(words)}H', *reversed(words)) + b''.join(struct.pack('<64I', *lanes) for lanes in x)


def rans_decode(stream, n, tables, cmap):
    """Written from the decoder's side of the format: whole rows of lanes, then their words in ascending lane order."""
    made = [slots_of(t) for t in tables]; fr = [t.tolist() for t in tables]; S = sets_of(n)
    end = len(stream) - 256 * S; pos = 0; out = bytearray(n)
    x = [list(struct.unpack_from('<64I', stream, end + 256 * k)) for k in range(S)]
    for row in range(-(-n // 64)):
        lanes = [c for c in range(64) if 64 * row + position_of(c) < n]; state = x[row % S]
        for c in lanes:
            i = 64 * row + position_of(c); k = cmap[i % len(cmap)]
            slot = state[c] % 4096; out[i] = made[k][0][slot]
            state[c] = fr[k][out[i]] * (state[c] // 4096) + made[k][1][slot]
        for c in lanes:
            if state[c] < RL:
                state[c] = 65536 * state[c] + struct.unpack_from('<H', stream, pos)[0]; pos += 2
                assert state[c] >= RL
    assert all(v == RL for lanes in x for v in lanes) and pos == end
    return bytes(out)


def golomb(v, k):
    """bits of v, first bit first"""
    w = v + (1 << k); z = w.bit_length() - 1 - k
    return [0] * z + [1] + [w >> i & 1 for i in range(k + z)]


def table_bits(freq, k):
    bits = [k >> i & 1 for i in range(4)]; s = 0; total = 0
    while total < 4096:
        bits += golomb(int(freq[s]), k); total += int(freq[s]); s += 1
        if freq[s - 1] == 0:
            run = 0
            while freq[s + run] == 0: run += 1
            bits += golomb(run, 2); s += run
    return bits


def store_tables(tables):
    """each table with the order that makes it shortest, the lowest of several"""
    bits = [len(tables) - 1 >> i & 1 for i in range(6)]
    for t in tables:
        bits += min((table_bits(t, k) for k in range(12)), key=len)
    return np.packbits(np.array(bits, U8), bitorder='little').tobytes()


def make_table(counts):
    """Some normalisation to 4096 with 1..4095 for each present symbol (not normative: the tables are stored)."""
    counts = np.asarray(counts, np.int64); f = np.zeros(256, np.int64); on = counts > 0
    f[on] = np.maximum(1, counts[on] * 4096 // counts.sum())
    if on.sum() == 1:
        f[on] = 4095; f[(int(np.argmax(on)) + 1) % 256] = 1
    while f.sum() != 4096:
        i = int(np.argmax(f)); f[i] += max(min(4096 - int(f.sum()), 4095 - int(f[i])), 1 - int(f[i]) // 2)
    assert f.max() <= 4095 and f.sum() == 4096
    return f.astype(U16)


# ---------------------------------------------------------------- ggml blocks of 32

IQ4NL = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], F32)
GGML_BYTES = {'q8_0': 34, 'q4_0': 18, 'q4_1': 20, 'q5_0': 22, 'q5_1': 24, 'iq4_nl': 18}


def ggml_dequant(data, kind):
    b = np.frombuffer(data, U8).reshape(-1, GGML_BYTES[kind])
    d = np.ascontiguousarray(b[:, :2]).view(np.float16).astype(F32); o = 2; m = None
    if kind == 'q8_0':
        return (d * b[:, 2:].view(np.int8).astype(F32)).reshape(-1)
    if kind in ('q4_1', 'q5_1'):
        m = np.ascontiguousarray(b[:, 2:4]).view(np.float16).astype(F32); o = 4
    hi = 0
    if kind[:2] == 'q5':
        qh = np.ascontiguousarray(b[:, o:o + 4]).view(U32); o += 4
        hi = (qh >> np.arange(32, dtype=U32) & 1).astype(np.int64) << 4        # bit i: fifth bit of value i
    lo = b[:, o:].astype(np.int64)
    q = np.concatenate([lo & 15, lo >> 4], 1) | hi                             # byte j: value j low, value j + 16 high
    if kind == 'iq4_nl':
        return (d * IQ4NL[q]).reshape(-1)
    if m is not None:
        return (d * q.astype(F32) + m).reshape(-1)                             # d*q is exact, one rounding
    return (d * (q - (8 if kind == 'q4_0' else 16)).astype(F32)).reshape(-1)


def ggml_quant(x, kind):
    x = np.ascontiguousarray(x, F32).reshape(-1, 32); out = bytearray()
    nib = lambda q: (q[:16] & 15) | (q[16:] & 15) << 4
    for r in x:
        if kind == 'q8_0':
            d = np.abs(r).max() / F32(127); inv = F32(1) / d if d != 0 else F32(0); v = r * inv
            a = np.abs(v); k = np.floor(a); k = k + (a - k >= F32(0.5))        # roundf: half away from zero
            out += np.float16(d).tobytes() + np.copysign(k, v).astype(np.int8).tobytes(); continue
        n = 16 if kind[:2] == 'q4' else 32
        if kind[3] == '0':
            d = r[np.argmax(np.abs(r))] / F32(-n // 2); base, half = F32(0), F32(n // 2 + 0.5); head = b''
        else:
            base = r.min(); d = (r.max() - base) / F32(n - 1); half = F32(0.5); head = np.float16(base).tobytes()
        inv = F32(1) / d if d != 0 else F32(0)
        q = np.minimum(np.trunc((r - base) * inv + half), n - 1).astype(np.int64)
        out += np.float16(d).tobytes() + head
        if n == 32:
            out += struct.pack('<I', sum(int(v >> 4) << i for i, v in enumerate(q)))
        out += nib(q).astype(U8).tobytes()
    return bytes(out)


# ---------------------------------------------------------------- inverse RoPE

def rope_inverse(x, pos, d, base, style):
    """x f32 [T][C] after RoPE -> f64 before it. angle(pos, j) = pos * base^(-2j/d), j < d/2;
    pairs (2j, 2j+1) interleaved or (j, j + d/2) half; all in double."""
    T, C = x.shape; y = x.astype(F64).reshape(T, C // d, d)
    out = np.empty_like(y)
    for t in range(T):
        for j in range(d // 2):
            a = pos[t] * math.pow(base, -2.0 * j / d); c, s = math.cos(a), math.sin(a)
            i0, i1 = (2 * j, 2 * j + 1) if style == 'interleaved' else (j, j + d // 2)
            out[t, :, i0] = y[t, :, i0] * c + y[t, :, i1] * s
            out[t, :, i1] = y[t, :, i1] * c - y[t, :, i0] * s
    return out.reshape(T, C)


# ---------------------------------------------------------------- inputs

class Rng:
    def __init__(self, seed): self.g = splitmix(seed)
    def u(self, n=1):                               # exact uniforms, multiples of 2^-24
        return np.array([(next(self.g) >> 40) / 2.0 ** 24 for _ in range(n)], F64)
    def normal(self, *shape):                       # sum of 12 uniforms - 6: exact, the same everywhere
        n = int(np.prod(shape)); return (self.u(12 * n).reshape(n, 12).sum(1) - 6).reshape(shape)


def edge_matrix(dtype):
    """[45][83]: columns 0..23 each an edge case for tokens 0..33 and 40..44, rows 34..39 edge cases of whole rows.
    All values finite; group sizes 32/64/128 leave short groups in both directions."""
    T, C = 45, 83; g = Rng(83)
    mx = {'f16': 65504.0, 'bf16': float(BF16_MAX), 'f32': float(np.finfo(F32).max)}[dtype]
    tiny = {'f16': 2.0 ** -24, 'bf16': 2.0 ** -133, 'f32': 2.0 ** -149}[dtype]
    x = g.normal(T, C) * np.exp2(np.floor(g.u(C) * 6 - 3))[None]
    i = np.arange(T)
    cols = [
        0 * i, -0.0 + 0 * i, np.where(i % 2, 0.0, -0.0), 1.5 + 0 * i, -mx + 0 * i, np.where(i % 2, mx, -mx),
        np.floor(g.u(T) * 40 - 20) * tiny, np.where(i == 3, tiny, 0), np.where(i == 9, mx, 0), np.where(i % 3, mx, mx * (1 - 2.0 ** -7)),
        np.where(i % 2, -0.0, i * 0.25), np.where(i % 2, -0.0, -i * 0.25), np.where(i == 17, mx / 4, x[:, 12]),
        i % 31 * 0.5, i % 7 * 0.5, i % 16 * 17.0 + np.where(i % 3, 0.5, 0), 100 + i % 5 * tiny * 2 ** 16, -(i % 9) * tiny,
        np.where(i % 2, tiny, -tiny), np.where(i % 2, tiny * 1023, 0), mx - 0 * i, 0.1 + 0 * i, -1 / 3 + 0 * i, i * i * 1e-3]
    cols[1][:] = -0.0
    for k, c in enumerate(cols):
        x[:, k] = c
    x[34] = 0.0; x[35] = -0.0; x[36] = 1.5; x[37] = np.where(np.arange(C) % 5, mx, -mx / 2)
    x[38] = np.floor(g.u(C) * 2000 - 1000) * tiny; x[39] = 0.0; x[39, 82] = -tiny
    b = to_bits(np.clip(x, -mx, mx).astype(F32), dtype)
    assert np.isfinite(from_bits(b, dtype)).all()
    return b.reshape(T, C)


def mixed_f32():
    """[24][128] f32 of ordinary size that neither f16 nor bf16 holds exactly."""
    g = Rng(128)
    x = g.normal(24, 128) * np.exp2(g.u(128) * 4 - 2)[None] + g.normal(128)[None]
    return to_bits(x.astype(F32), 'f32').reshape(24, 128)


REAL = [f'{p}{l:02d}.f16' for p in 'kv' for l in (0, 7, 20)]
SHAPES = {**{n: (96, 192) for n in REAL}, 'edge.f16': (45, 83), 'edge.bf16': (45, 83), 'edge.f32': (45, 83), 'mixed.f32': (24, 128)}


def read_ggsq(path, tokens=96):
    """{name: u16 [96][192]} of a llama.cpp sequence state file, one f16 block, V not transposed."""
    raw = open(path, 'rb').read()
    if raw[:4] == b'\x28\xb5\x2f\xfd':
        import zstandard
        raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    magic, _, n = struct.unpack_from('<III', raw); assert magic == 0x67677371
    o = 12 + 4 * n
    streams, cells = struct.unpack_from('<II', raw, o); o += 8; assert streams == 1
    for i in range(cells):
        p, k = struct.unpack_from('<iI', raw, o); o += 8 + 4 * k; assert p == i
    vtrans, layers = struct.unpack_from('<II', raw, o); o += 8; assert vtrans == 0
    out = {}
    for part in 'kv':
        for l in range(layers):
            t, row = struct.unpack_from('<iQ', raw, o); o += 12; assert t == 1
            if f'{part}{l:02d}.f16' in REAL:
                out[f'{part}{l:02d}.f16'] = np.frombuffer(raw, U16, row // 2 * cells, o).reshape(cells, -1)[:tokens].copy()
            o += row * cells
    assert o == len(raw)
    return out


def synthetic():
    return {'edge.f16': edge_matrix('f16'), 'edge.bf16': edge_matrix('bf16'), 'edge.f32': edge_matrix('f32'), 'mixed.f32': mixed_f32()}


# ---------------------------------------------------------------- cases

def digest(b):
    return hashlib.sha256(b).hexdigest()[:32]


class Case:
    """name, family (the .cases file), ordered params, ordered expected parts; full: keep the parts' bytes too."""
    def __init__(self, family, name, params, parts, full=False):
        self.family, self.name, self.params, self.parts, self.full = family, name, params, parts, full

    def text(self):
        lines = [f'case={self.name}'] + [f'{k}={v}' for k, v in self.params.items()]
        lines += [f'out.{k}={len(v)} {digest(v)}' for k, v in self.parts.items()]
        if self.full:
            lines.append(f'full=full/{self.name}.bin')
        return '\n'.join(lines) + '\n'


def load(inputs, name, element, rows):
    """First rows of an input in the element type: bits, f32. Name edget.* is edge.* transposed to [83][45]:
    the same edge cases along a row, for V groups and for heads (head dimension 45)."""
    m = np.ascontiguousarray(inputs['edge' + name[5:]].T) if name.startswith('edget') else inputs[name]
    x = from_bits(m[:rows], name.rsplit('.', 1)[1]).reshape(-1, m.shape[1])
    eb = to_bits(x, element).reshape(x.shape)
    return eb, from_bits(eb, element).reshape(x.shape)


def matrix_case(inputs, family, label, name, element, rows, params, encode, decode, full):
    eb, x = load(inputs, name, element, rows); T = len(x)
    enc, refused = encode(x); parts = dict(enc)
    dec = decode(enc, *x.shape)
    parts['decoded'] = to_bits(dec, element).tobytes()
    bad = int((~np.isfinite(from_bits(to_bits(dec, element), element))).sum())
    head = dict(input=name.replace('edget', 'edge') + '.bin', transpose=int(name.startswith('edget')), element=element, tokens=T, width=x.shape[1])
    head.update(params); head['refused'] = refused; head['nonfinite'] = bad
    src = name.replace('.', '-')
    return Case(family, f'{label}-{src}-{element}' + (f'-t{T}' if rows else ''), head, parts, full)


def kivi_case(inputs, part, bits, G, name, element, rows=None, full=False):
    P = param_type(element)
    def enc(x):
        *parts, refused = kivi_encode(x, part, bits, G, P); return dict(zip(('codes', 'z', 's'), parts)), refused
    dec = lambda e, T, C: kivi_decode(e['codes'], e['z'], e['s'], part, bits, G, T, C, P)
    return matrix_case(inputs, 'kivi', f'kivi-{part}-b{bits}-g{G}', name, element, rows, dict(part=part, bits=bits, group=G, param=P), enc, dec, full)


def rot_case(inputs, bits, mean, name, element, d, seed, rows=None, full=False):
    P = param_type(element)
    def enc(x):
        c, g, m, refused = rotated_encode(x, bits, d, seed, mean, P); return dict(codes=c, gains=g, **({'means': m} if mean else {})), refused
    dec = lambda e, T, C: rotated_decode(e['codes'], e['gains'], e.get('means', b''), bits, d, seed, T, C, P)
    return matrix_case(inputs, 'rotated', f'rotated-b{bits}-d{d}' + ('-mean' if mean else ''), name, element, rows,
                       dict(bits=bits, head_dim=d, block=block_of(d), seed=f'{seed:016x}', mean=int(mean), param=P), enc, dec, full)


def fp8_case(inputs, name, element, rows=None, full=False):
    enc = lambda x: (dict(zip(('scales', 'codes'), fp8_encode(x))), 0)
    return matrix_case(inputs, 'fp8', 'fp8', name, element, rows, {}, enc, lambda e, T, C: fp8_decode(e['scales'], e['codes'], T, C), full)


def cachegen_case(inputs, G, bin_, name, element, rows=None, full=False):
    P = param_type(element)
    return matrix_case(inputs, 'cachegen', f'cachegen-g{G}-bin{bin_}', name, element, rows, dict(group=G, bin=bin_, step=P),
                       lambda x: cachegen_encode(x, G, bin_, P), lambda e, T, C: cachegen_decode(e, T, C, G, P), full)


def svd_case(inputs, rank, bits, name, vectors, element, rows=None, full=False):
    _, v = load(inputs, vectors, 'f16', rank); v = v / F32(16)
    mean = load(inputs, name, 'f16', rank)[1][-1]
    return matrix_case(inputs, 'svd', f'svd-r{rank}-b{bits}-{vectors[:-4]}', name, element, rows, dict(rank=rank, bits=bits, vectors=vectors + '.bin'),
                       lambda x: (svd_encode(x, mean, v, bits), 0), lambda e, T, C: svd_decode(e, mean, v), full)


def kvtc_case(inputs, label, groups, name, element, rows=None, full=False):
    groups = [(int(g.split(':')[0]), g.split(':')[1]) for g in groups.split(',')]; n = sum(g[0] for g in groups)
    _, x = load(inputs, name, element, rows); data, y = kvtc_groups(x, groups)
    src = name.replace('.', '-')
    head = dict(input=name.replace('edget', 'edge') + '.bin', transpose=int(name.startswith('edget')), element=element, tokens=len(x), width=x.shape[1],
                groups=','.join(f'{a}:{b}' for a, b in groups))
    return Case('kvtc', f'kvtc-{label}-{src}-{element}' + (f'-t{len(x)}' if rows else ''), head, {'bytes': data, 'decoded': y.tobytes()}, full)


SEEDS = [0, 1, 0x9E3779B97F4A7C15, 0xDEADBEEFCAFEF00D]


def hexes(a):
    a = np.ascontiguousarray(a); return ','.join(f'{int(v):0{a.itemsize * 2}x}' for v in a.view({2: U16, 4: U32, 8: np.uint64}[a.itemsize]))


def all_cases(inputs):
    # number formats and constants
    g = Rng(7)
    v = [0.0, -0.0]
    for t in (2.0 ** -149, 2.0 ** -133, 2.0 ** -134, 2.0 ** -126, 2.0 ** -24, 2.0 ** -25, 2.0 ** -14, 1.0, 65504.0, 65519.0, 65520.0, 65536.0,
              float(BF16_MAX), float(np.finfo(F32).max), 1 + 2.0 ** -11, 1 + 3 * 2.0 ** -11, 1 + 2.0 ** -8, 1 + 3 * 2.0 ** -8, 0.1, 1 / 3, 1e-5, 3e-8, 6e-8):
        f = F32(t)
        for w in (np.nextafter(f, F32(0)), f, np.nextafter(f, F32(np.inf))):
            if np.isfinite(w): v += [w, -w]
    v += list((g.normal(60) * np.exp2(np.floor(g.u(60) * 60 - 30))).astype(F32))
    x = np.array(v, F32)
    parts = {'input': x.tobytes()}
    for P in ('f16', 'bf16'):
        parts[f'{P}.rne'] = to_bits(x, P).tobytes()
        parts[f'{P}.down'] = round_dir(x, P, False).tobytes(); parts[f'{P}.up'] = round_dir(x, P, True).tobytes()
    yield Case('numbers', 'round', dict(count=len(x)), parts, True)
    yield Case('numbers', 'e4m3-values', {}, {'values': e4m3_values().tobytes()}, True)
    p = e4m3_values()[:0x7F].astype(F64); mid = (p[:-1] + p[1:]) / 2
    a = np.concatenate([p, mid, mid.astype(F32) * (1 - F32(2) ** -23), mid.astype(F32) * (1 + F32(2) ** -22), [2.0 ** -149, 2.0 ** -11]]).astype(F32)
    a = np.concatenate([a, -a])
    yield Case('numbers', 'e4m3-encode', dict(count=len(a)), {'input': a.tobytes(), 'codes': e4m3_encode(a).tobytes()}, True)
    for b in (2, 3, 4):
        c, t = lloyd(b)
        for d in (1, 45, 64, 80, 128, 256, 512, 4096):
            K, A, ci, ti, rho, phi = rotation(b, d)
            yield Case('numbers', f'rotation-b{b}-d{d}', dict(bits=b, head_dim=d, block=block_of(d), K=K, A=A, centroids=','.join(map(str, ci)), thresholds=','.join(map(str, ti)), rho=repr(float(rho)), phi=hexes(np.array([phi]))), {})
        yield Case('numbers', f'lloyd-b{b}', dict(bits=b, centroids=hexes(c), thresholds=hexes(t), centroids_text=','.join(repr(float(f)) for f in lloyd_f64(b))), {})
    for s in SEEDS:
        w = splitmix(s)
        yield Case('numbers', f'splitmix-{s:016x}', dict(seed=f'{s:016x}', words=','.join(f'{next(w):016x}' for _ in range(4))), {})
    # kivi
    for part, names, edge in (('K', REAL[:3], 'edge'), ('V', REAL[3:], 'edget')):
        for bits in (2, 3, 4, 8):
            for G in (32, 64, 128):
                for n in names:
                    yield kivi_case(inputs, part, bits, G, n, 'f16')
                yield kivi_case(inputs, part, bits, G, names[1], 'bf16')
                if G != 64:
                    yield kivi_case(inputs, part, bits, G, edge + '.f16', 'f16', full=G == 32 and bits == 4)
                    yield kivi_case(inputs, part, bits, G, edge + '.bf16', 'bf16', full=G == 32 and bits == 4 and part == 'K')
            yield kivi_case(inputs, part, bits, 32, edge + '.f32', 'f32')
            yield kivi_case(inputs, part, bits, 64, 'mixed.f32', 'f32')
        for T in (1, 33):
            yield kivi_case(inputs, part, 4, 32, names[1], 'f16', rows=T, full=T == 1)
    for bits in (2, 3, 4, 8):
        yield kivi_case(inputs, 'K', bits, 32, 'k07.f16', 'f16', rows=9, full=True)
        yield kivi_case(inputs, 'V', bits, 32, 'edge.f16', 'f16')
    # rotated
    for bits in (2, 3, 4):
        for mean in (False, True):
            for k, n in enumerate(REAL):
                yield rot_case(inputs, bits, mean, n, 'f16', 64, SEEDS[k % 4])
            yield rot_case(inputs, bits, mean, 'k07.f16', 'bf16', 64, SEEDS[2])
            yield rot_case(inputs, bits, mean, 'v07.f16', 'bf16', 64, SEEDS[3])
            yield rot_case(inputs, bits, mean, 'edge.f16', 'f16', 83, SEEDS[1])
            yield rot_case(inputs, bits, mean, 'edge.f16', 'bf16', 83, SEEDS[1])
            yield rot_case(inputs, bits, mean, 'edget.f16', 'f16', 45, SEEDS[2], full=bits == 3 and mean)
            yield rot_case(inputs, bits, mean, 'mixed.f32', 'f32', 128, SEEDS[2])
            yield rot_case(inputs, bits, mean, 'k07.f16', 'f16', 64, SEEDS[0], rows=9, full=bits == 3 or not mean)
        yield rot_case(inputs, bits, True, 'mixed.f32', 'f32', 64, SEEDS[3])
        yield rot_case(inputs, bits, False, 'k20.f16', 'f16', 96, SEEDS[0])
        yield rot_case(inputs, bits, True, 'k20.f16', 'f16', 192, SEEDS[3])
        yield rot_case(inputs, bits, False, 'edge.f16', 'f16', 1, SEEDS[2])
        yield rot_case(inputs, bits, True, 'k00.f16', 'f16', 48, SEEDS[1])
    # fp8
    for n in REAL:
        yield fp8_case(inputs, n, 'f16')
    for n, e in (('k07.f16', 'bf16'), ('v07.f16', 'bf16'), ('edge.f16', 'bf16'), ('edge.bf16', 'bf16'), ('edge.f32', 'f32'), ('edget.bf16', 'bf16'), ('edget.f32', 'f32'), ('mixed.f32', 'f32')):
        yield fp8_case(inputs, n, e)
    yield fp8_case(inputs, 'edge.f16', 'f16')
    yield fp8_case(inputs, 'edget.f16', 'f16')
    yield fp8_case(inputs, 'k07.f16', 'f16', rows=9, full=True)
    # cachegen
    for n in REAL:
        for b in (0.5, 1.5):
            yield cachegen_case(inputs, 10, b, n, 'f16')
    yield cachegen_case(inputs, 10, 1.0, 'k07.f16', 'bf16')
    yield cachegen_case(inputs, 10, 1.0, 'mixed.f32', 'f32')
    yield cachegen_case(inputs, 7, 0.125, 'edge.f16', 'f16')
    yield cachegen_case(inputs, 64, 0.125, 'edget.f16', 'f16')
    yield cachegen_case(inputs, 10, 12.0, 'edge.f16', 'f16')
    yield cachegen_case(inputs, 2, 0.5, 'v07.f16', 'f16', rows=9, full=True)
    yield cachegen_case(inputs, 10, 0.5, 'k07.f16', 'f16', rows=1, full=True)
    # svd
    for bits in (4, 8):
        for n, v in (('k00.f16', 'v20.f16'), ('k07.f16', 'k07.f16'), ('v07.f16', 'v07.f16')):
            yield svd_case(inputs, 16, bits, n, v, 'f16')
        yield svd_case(inputs, 3, bits, 'k20.f16', 'v00.f16', 'bf16')
        yield svd_case(inputs, 5, bits, 'v20.f16', 'k20.f16', 'f16', rows=9, full=True)
    # kvtc
    for n in REAL:
        yield kvtc_case(inputs, 'a', '16:fp8,16:int4,16:int4,16:none,64:int2,1:int2,1:none,1:int2', n, 'f16')
        yield kvtc_case(inputs, 'b', '64:fp8,64:int4,64:int2', n, 'f16')
    yield kvtc_case(inputs, 'c', '16:int4,16:int2,16:fp8,16:fp8', 'edge.f16', 'f16')
    yield kvtc_case(inputs, 'd', '16:fp8,1:int2,1:int2,16:int2,1:none', 'edget.f16', 'f16')
    yield kvtc_case(inputs, 'e', '64:int4,16:fp8,16:int2', 'mixed.f32', 'f32')
    yield kvtc_case(inputs, 'a', '16:fp8,16:int4,16:int4,16:none,64:int2,1:int2,1:none,1:int2', 'k07.f16', 'f16', rows=9, full=True)
    # ggml blocks
    for kind in GGML_BYTES:
        g = Rng(32); n = 12
        blk = np.frombuffer(b''.join(struct.pack('<Q', next(g.g)) for _ in range(-(-n * GGML_BYTES[kind] // 8))), U8)[:n * GGML_BYTES[kind]].reshape(n, -1).copy()
        for o in (0, 2) if kind in ('q4_1', 'q5_1') else (0,):
            blk[:, o + 1] &= 0xBF                                               # |d|, |m| < 2
        blk[0, :2] = 0; blk[1, :2] = (0xFF, 0x7B); blk[2, :2] = (1, 0)           # zero, 65504, smallest subnormal
        yield Case('ggml', f'dequant-{kind}', dict(kind=kind, count=32 * n), {'blocks': blk.tobytes(), 'values': ggml_dequant(blk.tobytes(), kind).tobytes()}, True)
        if kind != 'iq4_nl':
            x = np.concatenate([load(inputs, 'k07.f16', 'f16', 2)[1].ravel(), load(inputs, 'v20.f16', 'f16', 2)[1].ravel(),
                                np.zeros(32, F32), np.full(32, 1.5, F32), np.full(32, -2.5, F32), np.linspace(-8, 7.5, 32).astype(F32), (np.arange(32) / 2).astype(F32)])
            q = ggml_quant(x, kind)
            yield Case('ggml', f'quant-{kind}', dict(kind=kind, count=len(x)), {'input': x.tobytes(), 'blocks': q}, True)
    # rANS
    g = Rng(64)
    skew = lambda n, scale: np.minimum(255, np.floor(np.abs(g.normal(n)) * scale)).astype(U8)
    def rc(name, sym, tables, cmap, count=0):
        unit = np.asarray(sym, U8); sym = np.resize(unit, count or len(unit)); tables = np.asarray(tables, U16).reshape(-1, 256)
        s = rans_encode(sym, tables, cmap); assert rans_decode(s, len(sym), tables, cmap) == sym.tobytes()
        head = dict(count=len(sym), map=','.join(map(str, cmap)), tables=len(tables))
        head.update({f'table.{k}': ','.join(f'{i}:{t[i]}' for i in range(256) if t[i]) for k, t in enumerate(tables)})
        return Case('rans', f'rans-{name}', head, {'symbols': unit.tobytes(), 'tables': store_tables(tables), 'stream': s}, True)
    t1 = make_table(np.bincount(skew(20000, 12), minlength=256) + (np.arange(256) < 60))
    for n in (0, 1, 63, 64, 65, 127, 1000):
        yield rc(f'skew-n{n}', skew(n, 12), [t1], [0])
    for n in (65535, 65536):                                                    # the longest stream of one set of lanes, the shortest of two
        yield rc(f'skew-n{n}', skew(1000, 12), [t1], [0], n)
    yield rc('uniform-n500', np.floor(g.u(500) * 256), [np.full(256, 16, U16)], [0])
    rare = np.zeros(256, U16); rare[7] = 4095; rare[200] = 1
    yield rc('rare-n700', np.where(np.arange(700) % 97 == 5, 200, 7), [rare], [0])
    yield rc('worst-n200', np.full(200, 200), [rare], [0])
    two = np.zeros(256, U16); two[0] = 2048; two[255] = 2048
    yield rc('two-n300', np.where(g.u(300) < 0.5, 0, 255), [two], [0])
    a, b = skew(300, 3), skew(600, 40)
    mixd = np.empty(900, U8); mixd[0::3] = a; mixd[1::3] = b[:300]; mixd[2::3] = b[300:]
    yield rc('context-p3-n900', mixd, [make_table(np.bincount(a, minlength=256)), make_table(np.bincount(b, minlength=256))], [0, 1, 1])
    sym = np.frombuffer(kivi_case(inputs, 'K', 4, 32, 'k07.f16', 'f16').parts['codes'], U8)[:96 * 20]
    cmap = [j // 32 for j in range(96)]
    yield rc('kivi-p96-n1900', sym[:1900], [make_table(np.bincount(sym.reshape(-1, 96)[:, 32 * k:32 * k + 32].ravel(), minlength=256)) for k in range(3)], cmap)
    maps = [(5 * j + 3) % 64 for j in range(64)]
    ts = np.zeros((64, 256), U16); sym = np.zeros(640, U8)
    for k in range(64):
        ts[k, k] = 4096 - 63 - k; ts[k, k + 64] = 63 + k
    for i in range(640):
        sym[i] = maps[i % 64] + (64 if g.u()[0] < 0.1 else 0)
    yield rc('tables64-n640', sym, ts, maps)
    # inverse RoPE
    pos = [0, 1, 2, 17, 511, 4096, 131071]
    for name, style, base, d, n in (('llama', 'interleaved', 100000.0, 64, 'k07.f16'), ('neox', 'half', 1000000.0, 64, 'k20.f16'), ('neox96', 'half', 10000.0, 96, 'k07.f16')):
        _, x = load(inputs, n, 'f16', len(pos))
        yield Case('rope', f'rope-{name}', dict(input=n + '.bin', element='f16', tokens=len(pos), width=192, head_dim=d, style=style, base=base, positions=','.join(map(str, pos))),
                   {'values': rope_inverse(x, pos, d, base, style).astype(F32).tobytes()}, True)


# ---------------------------------------------------------------- files

FAMILIES = ['numbers', 'kivi', 'rotated', 'fp8', 'cachegen', 'svd', 'kvtc', 'ggml', 'rans', 'rope']


def build(inputs):
    """{relative path: bytes} of everything but the inputs."""
    files, text, seen = {}, {f: [] for f in FAMILIES}, set()
    for c in all_cases(inputs):
        assert c.name not in seen, c.name
        seen.add(c.name); text[c.family].append(c.text())
        if c.full:
            files[f'full/{c.name}.bin'] = b''.join(c.parts.values())
    for f in FAMILIES:
        files[f'{f}.cases'] = '\n'.join(text[f]).encode()
    recs = []
    for n, (T, C) in SHAPES.items():
        dtype = n.rsplit('.', 1)[1]
        recs.append(f'input={n}.bin\ndtype={dtype}\ntokens={T}\nwidth={C}\n' + ''.join(
            f'digest.{e}={digest(load(inputs, n, e, T)[0].tobytes())}\n' for e in (('f16', 'bf16') if dtype == 'f16' else (dtype,))))
    files['inputs.cases'] = '\n'.join(recs).encode()
    return files


def stored_inputs(root):
    out = {}
    for n, shape in SHAPES.items():
        with open(os.path.join(root, n + '.bin'), 'rb') as f:
            out[n] = np.frombuffer(f.read(), U32 if n.endswith('f32') else U16).reshape(shape)
    return out


def cmd_make(a):
    os.makedirs(os.path.join(a.out, 'full'), exist_ok=True)
    if a.sample:
        for n, v in {**read_ggsq(a.sample), **synthetic()}.items():
            assert v.shape == SHAPES[n]
            with open(os.path.join(a.out, n + '.bin'), 'wb') as f: f.write(v.tobytes())
    files = build(stored_inputs(a.out))
    for f in os.listdir(os.path.join(a.out, 'full')):
        if 'full/' + f not in files: os.remove(os.path.join(a.out, 'full', f))
    for p, d in files.items():
        with open(os.path.join(a.out, p), 'wb') as f: f.write(d)
    print(f'{len(files)} files, {sum(map(len, files.values()))} bytes, and the inputs')


def cmd_check(a):
    inputs = stored_inputs(a.dir); bad = []
    want = {n + '.bin': v.tobytes() for n, v in synthetic().items()}
    if a.sample:
        want.update({n + '.bin': v.tobytes() for n, v in read_ggsq(a.sample).items()})
    want.update(build(inputs))
    for p, d in want.items():
        q = os.path.join(a.dir, p)
        if not os.path.exists(q): bad.append(p + ': missing'); continue
        with open(q, 'rb') as f: have = f.read()
        if have != d:
            at = next((i for i, (u, v) in enumerate(zip(have, d)) if u != v), min(len(have), len(d)))
            bad.append(f'{p}: differs at byte {at} (stored {len(have)} bytes, computed {len(d)})')
    bad += [f'full/{f}: not expected' for f in os.listdir(os.path.join(a.dir, 'full')) if f'full/{f}' not in want]
    print('\n'.join(bad) or f'{len(want)} files agree'); return 1 if bad else 0


def cmd_show(a):
    os.makedirs(a.out, exist_ok=True); want = set(a.case)
    for c in all_cases(stored_inputs(a.dir)):
        if c.name in want:
            want.discard(c.name)
            with open(os.path.join(a.out, c.name + '.txt'), 'w') as f: f.write(c.text())
            for k, v in c.parts.items():
                with open(os.path.join(a.out, f'{c.name}.{k}.bin'), 'wb') as f: f.write(v)
    if want: print('no such case:', *sorted(want)); return 1


def cmd_selftest(a):
    # known numbers
    g = splitmix(0); assert next(g) == 0xE220A8397B1DCDAF
    assert np.allclose(lloyd_f64(2), [0.4528, 1.5104], atol=1e-4) and np.allclose(lloyd_f64(3), [0.2451, 0.7560, 1.3439, 2.1519], atol=1e-4)
    allb = np.arange(65536, dtype=np.uint32).astype(U16)
    for P in ('f16', 'bf16'):
        v = from_bits(allb, P); ok = np.isfinite(v)
        assert (to_bits(v, P)[ok] == allb[ok]).all() and (round_dir(v, P, True)[ok] == allb[ok]).all() and (round_dir(v, P, False)[ok] == allb[ok]).all()
        n = ok & (v > 0) & (allb < (0x7BFF if P == 'f16' else 0x7F7F))
        m = (v[n].astype(F64) + from_bits(allb[n] + U16(1), P)) / 2          # between two neighbours
        m = np.concatenate([m, np.nextafter(v[n], F32(np.inf))]) if P == 'f16' else m
        m = m.astype(F32); lo = np.concatenate([allb[n]] * (len(m) // n.sum())); exact = from_bits(lo, P) == m
        assert (round_dir(m, P, False) == lo).all() and (round_dir(m, P, True) == np.where(exact, lo, lo + 1)).all()
        assert (round_dir(-m, P, True) == (lo | 0x8000)).all() and (round_dir(-m, P, False) == (np.where(exact, lo, lo + 1) | 0x8000)).all()
    # signed codes; fma against rational numbers
    q = np.arange(-127, 128); assert (unfold(fold(q).tobytes()) == q).all() and unfold(b'\xff')[0] == -128
    r = np.random.default_rng(1); f = (r.standard_normal((3, 3000)) * np.exp2(r.integers(-12, 12, (3, 3000)))).astype(F32)
    f[2, :1000] = -(f[0, :1000] * f[1, :1000])                                # the sum is what rounding the product would lose
    for a_, b_, c_, y in zip(*f, fma(*f)):
        exact = Fraction(float(a_)) * Fraction(float(b_)) + Fraction(float(c_)); away = lambda v: abs(Fraction(float(v)) - exact)
        assert away(y) <= min(away(np.nextafter(y, F32(np.inf))), away(np.nextafter(y, F32(-np.inf))))
    # packing
    r = np.random.default_rng(1)
    for b in (2, 3, 4, 8):
        q = r.integers(0, 2 ** b, (5, 83)); d = pack(q, b); assert (unpack(d, 5, 83, b) == q).all()
        for t, c in ((0, 0), (3, 40), (4, 82)):                                # the formula of the spec, one code at a time
            w = 64 // codes_a_byte(b); n = c % 64
            assert d[(t * 2 + c // 64) * w + n % w] >> (n // w * b) & (2 ** b - 1) == q[t, c]
    # rotated: forward is the Hadamard matrix, error near the Lloyd-Max distortion
    H = np.array([[1.0]])
    while len(H) < 64: H = np.block([[H, H], [H, -H]])
    x = r.standard_normal((300, 128)).astype(F32); n = r.integers(-400, 400, (30, 128))
    assert (wht(n, 64).reshape(-1, 64) == n.reshape(-1, 64) @ H.astype(np.int64)).all()
    for b, mse in ((2, .1175), (3, .03454), (4, .009497)):
        for P in ('f16', 'bf16'):
            y = rotated_decode(*rotated_encode(x, b, 128, 5, False, P)[:3], b, 128, 5, *x.shape, P); e = ((y - x) ** 2).mean() / (x ** 2).mean()
            assert abs(e / mse - 1) < .05, (b, P, e)
    # kivi: half a step plus rounding; fp8 against a search over all values
    for part in 'KV':
        for b in (2, 3, 4, 8):
            c, z, s, _ = kivi_encode(x, part, b, 32, 'f16'); y = kivi_decode(c, z, s, part, b, 32, *x.shape, 'f16')
            assert np.abs(y - x).max() <= from_bits(np.frombuffer(s, U16), 'f16').max() * .5001
    vals = e4m3_values().astype(F64); fin = np.flatnonzero(~np.isnan(vals) & ~np.signbit(vals))
    for t in np.concatenate([r.uniform(0, 448, 500), np.exp2(r.uniform(-12, 8, 500)), (vals[fin][:-1] + vals[fin][1:]) / 2]):
        e = np.abs(vals[fin] - t); near = fin[e == e.min()]
        assert e4m3_encode(t) == (near[0] if len(near) == 1 else near[near % 2 == 0][0])
    # rope: undoes a rotation
    z = r.standard_normal((4, 64)); pos = [0, 3, 77, 9999]
    for style in ('interleaved', 'half'):
        f = z.copy()
        for t, p in enumerate(pos):
            for j in range(32):
                i0, i1 = (2 * j, 2 * j + 1) if style == 'interleaved' else (j, j + 32)
                w = complex(z[t, i0], z[t, i1]) * np.exp(1j * p * 1e5 ** (-2 * j / 64)); f[t, i0], f[t, i1] = w.real, w.imag
        assert np.allclose(rope_inverse(f, pos, 64, 1e5, style), z, atol=1e-9)
    try:
        import gguf
    except ImportError:
        gguf = None
    if gguf:
        for kind in GGML_BYTES:
            qt = gguf.GGMLQuantizationType[kind.upper()]
            blk = r.integers(0, 256, (500, GGML_BYTES[kind]), dtype=U8)
            for o in (0, 2) if kind in ('q4_1', 'q5_1') else (0,): blk[:, o + 1] &= 0xBF
            assert (ggml_dequant(blk.tobytes(), kind).view(U32) == gguf.quants.dequantize(blk, qt).ravel().view(U32)).all(), kind
            if kind != 'iq4_nl':
                x = (r.standard_normal((500, 32)) * np.exp2(r.uniform(-8, 8, (500, 1)))).astype(np.float16).astype(F32); x[0] = 0; x[1] = 2.5; x[2] = np.arange(32) / 2
                assert ggml_quant(x, kind) == gguf.quants.quantize(x, qt).tobytes(), kind
    # on the stored inputs: ggml against gguf
    if a.dir:
        inputs = stored_inputs(a.dir)
        if gguf:
            for c in all_cases(inputs):
                if c.family == 'ggml':
                    qt = gguf.GGMLQuantizationType[c.params['kind'].upper()]
                    if 'values' in c.parts: assert gguf.quants.dequantize(np.frombuffer(c.parts['blocks'], U8).copy(), qt).tobytes() == c.parts['values'], c.name
                    if 'input' in c.parts: assert gguf.quants.quantize(np.frombuffer(c.parts['input'], F32), qt).tobytes() == c.parts['blocks'], c.name
    print('selftest passed' + ('' if gguf else ' (without gguf)'))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter); s = p.add_subparsers(dest='cmd', required=True)
    m = s.add_parser('make'); m.add_argument('--out', required=True); m.add_argument('--sample')
    c = s.add_parser('check'); c.add_argument('--dir', required=True); c.add_argument('--sample')
    w = s.add_parser('show'); w.add_argument('--dir', required=True); w.add_argument('--out', required=True); w.add_argument('case', nargs='+')
    t = s.add_parser('selftest'); t.add_argument('--dir')
    a = p.parse_args()
    sys.exit({'make': cmd_make, 'check': cmd_check, 'show': cmd_show, 'selftest': cmd_selftest}[a.cmd](a) or 0)


if __name__ == '__main__':
    main()
