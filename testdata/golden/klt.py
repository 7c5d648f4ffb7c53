#!/usr/bin/env python3
"""Decodes klt capsules: an implementation of docs/format.md that shares nothing with the engine.

  klt.py CAPSULE [--basis FILE] --tables standard.tables -o OUT    writes all decoded tensors, K and V of each layer, in the cells' order, f32
  klt.py make DIR --tables standard.tables                         writes CASE.f16 besides each CASE.kvc of DIR, with the basis CASE.kvb where there is one

Needs numpy. Reads what its golden capsules have: token order, types f16, bf16 and f32. Checks what matters for decoding, not every rule of the format.
"""
import argparse, hashlib, math, pathlib, struct, zlib
import numpy as np

F32 = np.float32


# ---------------------------------------------------------------- capsule

def cbor(b, at=0):
    """(value, position behind it)."""
    kind, low = b[at] >> 5, b[at] & 31
    at += 1
    if kind == 7:
        return (low == 21, at) if low in (20, 21) else (struct.unpack_from('>d', b, at)[0], at + 8)
    n = low
    if low >= 24:
        width = 1 << low - 24
        n = int.from_bytes(b[at:at + width], 'big')
        at += width
    if kind in (0, 1):
        return (n if kind == 0 else -1 - n), at
    if kind in (2, 3):
        return (b[at:at + n] if kind == 2 else b[at:at + n].decode()), at + n
    items = []
    for _ in range(n if kind == 4 else 2 * n):
        item, at = cbor(b, at)
        items.append(item)
    return (items if kind == 4 else dict(zip(items[::2], items[1::2]))), at


def frames(b):
    """(type, payload) of every frame."""
    assert b[:8] == b'\x89KVC\r\n\x1a\n'
    at = 16
    while b[at:at + 4] == b'KVFM':
        length = struct.unpack_from('<I', b, at + 24)[0]
        yield b[at + 4], b[at + 40:at + 40 + length]
        at += 40 + length
    assert b[at:at + 8] == b'KVCEND\r\n'


def piece(payload):
    return payload[1:] if payload[0] == 0 else zlib.decompress(payload[1:])


# ---------------------------------------------------------------- coefficients

def bits(x):
    return np.asarray(x, F32).view(np.int32)


def expected(d):
    if not d > 1e-3:
        return F32(2.0 ** -14)
    q = math.sqrt(2) / d
    return F32(min(max(math.exp(-q / 2) / -math.expm1(-q), 2.0 ** -14), 2.0 ** 20))


class BitString:
    def __init__(self, b):
        self.n, self.at, self.size = int.from_bytes(b, 'little'), 0, 8 * len(b)

    def take(self, count):
        assert self.at + count <= self.size
        value = self.n >> self.at & (1 << count) - 1
        self.at += count
        return value

    def gamma(self):
        z = 0
        while self.take(1) == 0:
            z += 1
        return 1 << z | self.take(z)

    def end(self):
        assert self.size - self.at < 8 and self.n >> self.at == 0


def striped(terms):
    """The sum of binary32: in 16 stripes, then by pairs."""
    sums = np.zeros(16, F32)
    for i, term in enumerate(terms):
        sums[i % 16] += term
    while len(sums) > 1:
        sums = sums[0::2] + sums[1::2]
    return sums[0]


def coefficients(b, rows, n, priors, scales, tables):
    """int32 [rows][n]."""
    words = struct.unpack_from('<I', b)[0]
    stream = np.frombuffer(b, '<u2', words, 4)
    at = 4 + 2 * words
    states = [int(x) for x in np.frombuffer(b, '<u4', 64, at)]
    low_bits = BitString(b[at + 256:])
    starts = np.concatenate([np.zeros((288, 1), np.int64), np.cumsum(tables, 1)], 1)
    assert (starts[:, 32] == 16384).all() and min(states) >= 1 << 16
    p = np.asarray(priors, F32)
    past, last, before = np.zeros(n, F32), p.copy(), p.copy()
    weight, word = F32(0), 0
    out = np.zeros((rows, n), np.int32)
    for r in range(rows):
        s = F32(scales[r])
        share = F32(1) / (F32(64) + weight)
        e = (F32(64) * p + past) * share
        per = F32(1) / s
        seen = usual = F32(0)
        for first in range(0, n, 64):
            k = slice(first, min(first + 64, n))
            num = F32(0.1) * seen + last[k] + F32(0.7) * before[k] + F32(0.5) * e[k]
            den = F32(0.1) * usual + (F32(1) + F32(0.7) + F32(0.5)) * e[k]
            energy = np.clip((bits(num) - bits(den) + (1 << 21) >> 22) + 4, 0, 8)
            low = np.maximum(0, (bits(p[k] * s) >> 23) - 129)
            scale = np.clip((bits(e[k] * s) >> 22) - 2 * low - 230, 0, 31)
            context = 9 * scale + energy
            for i in range(k.stop - k.start):
                row = starts[context[i]]
                x = states[i]
                slot = x % 16384
                symbol = int(np.searchsorted(row, slot, 'right')) - 1
                x = int(row[symbol + 1] - row[symbol]) * (x // 16384) + slot - int(row[symbol])
                if x < 1 << 16:
                    x = 65536 * x + int(stream[word])
                    word += 1
                states[i] = x
                bottom = low_bits.take(int(low[i]))
                folded = symbol if symbol < 31 else low_bits.gamma() + 30
                high = (folded + 1) // 2 if folded % 2 else -(folded // 2)
                out[r, first + i] = high if low[i] == 0 else (high << int(low[i])) + bottom - (1 << int(low[i]) - 1)
            m = np.abs(out[r, k]).astype(F32) * per
            a = striped(np.minimum(m, F32(4) * e[k] + F32(2) * per))
            c = striped(e[k])
            past[k] = F32(0.98) * past[k] + m
            before[k] = last[k]
            last[k] = m
            seen = F32(0.5) * seen + a
            usual = F32(0.5) * usual + c
        weight = F32(0.98) * weight + F32(1)
    assert word == words and all(x == 1 << 16 for x in states)
    low_bits.end()
    return out


# ---------------------------------------------------------------- byte streams (of sinks)

def stream(b, at, count):
    form, length = b[at], struct.unpack_from('<I', b, at + 1)[0]
    body, after = b[at + 5:at + 5 + length], at + 5 + length
    if form == 0:
        assert length == count
        return np.frombuffer(body, np.uint8), after
    if form == 1:
        return np.full(count, body[0], np.uint8), after
    assert form == 2
    string = BitString(body)
    assert string.take(6) == 0

    def golomb(k):
        z = 0
        while string.take(1) == 0:
            z += 1
        return (1 << k + z | string.take(k + z)) - (1 << k)
    freq, order, s = [0] * 256, string.take(4), 0
    while sum(freq) < 4096:
        freq[s] = golomb(order)
        s += 1 + (golomb(2) if freq[s] == 0 else 0)
    return rans(body[(string.at + 7) // 8:], count, freq), after


def rans(b, count, freq):
    split, alias, left, donor = [16] * 256, list(range(256)), list(freq), 0
    for bucket in range(256):
        if freq[bucket] < 16:
            hole = bucket
            while True:
                while left[donor] <= 16:
                    donor += 1
                split[hole], alias[hole] = left[hole], donor
                left[donor] -= 16 - left[hole]
                if left[donor] >= 16:
                    break
                hole = donor
    slots, rank = {}, [0] * 256
    for own in (True, False):
        for bucket in range(256):
            for place in range(16):
                s = bucket if place < split[bucket] else alias[bucket]
                if (s == bucket) == own:
                    slots[256 * place + bucket] = (s, rank[s])
                    rank[s] += 1
    sets = 1 if count < 65536 else 2
    words = np.frombuffer(b, '<u2', (len(b) - 256 * sets) // 2)
    states = [int(x) for x in np.frombuffer(b, '<u4', 64 * sets, 2 * len(words))]
    out, word = np.zeros(count, np.uint8), 0
    for row in range(0, count, 64):
        base = row // 64 % sets * 64
        for lane in range(64):
            position = row + 4 * (lane % 16) + lane // 16
            if position < count:
                x = states[base + lane]
                s, r = slots[x % 4096]
                out[position] = s
                states[base + lane] = freq[s] * (x // 4096) + r
        for lane in range(64):
            if states[base + lane] < 1 << 15:
                states[base + lane] = 65536 * states[base + lane] + int(words[word])
                word += 1
    assert word == len(words) and all(x == 1 << 15 for x in states)
    return out


# ---------------------------------------------------------------- transforms

class Cursor:
    def __init__(self, b, at=0, align=1):
        self.b, self.at, self.align = b, at, align

    def take(self, kind, count):
        self.at = -(-self.at // self.align) * self.align
        out = np.frombuffer(self.b, kind, count, self.at)
        self.at += out.nbytes
        return out


def dequantized(codes, scales):
    """codes [C][width] times scales [C][runs]: exact."""
    return codes.astype(F32) * np.repeat(scales.astype(F32), 64, 1)[:, :codes.shape[1]]


def carried_rows(cursor, count, width, tables):
    """(deviations and scales, codes) of components in a capsule."""
    pairs = cursor.take('<f2', 2 * count).reshape(count, 2)
    length = int(cursor.take('<u4', 1)[0])
    scales = [expected(1 / (math.sqrt(width) * float(x))) for x in pairs[:, 1]]
    return pairs, coefficients(cursor.take('u1', length).tobytes(), count, width, np.ones(width), scales, tables)


def with_own_components(b, groups, transforms, most, standard):
    """Components of the capsule's own before those of the shared basis."""
    cursor = Cursor(b)
    for group, transform in zip(groups, transforms):
        count, width = int(cursor.take('<u4', 1)[0]), group['width']
        assert count <= most
        if count > 0:
            pairs, codes = carried_rows(cursor, count, width, standard)
            assert np.abs(codes).max() <= 127
            transform['deviations'] = np.concatenate([pairs[:, 0].astype(F32), transform['deviations']])
            transform['u'] = np.concatenate([dequantized(codes, np.repeat(pairs[:, 1:2], -(-width // 64), 1)), transform['u']])
    assert cursor.at == len(b)


def own_basis(b, groups, tables):
    cursor, out = Cursor(b), []
    for group in groups:
        width, tensors = group['width'], group['tensors']
        count = int(cursor.take('<u4', 1)[0])
        mean = cursor.take('<f2', width).astype(F32)
        z = cursor.take('<f4', len(tensors))
        pairs, codes = carried_rows(cursor, count, width, tables)
        factors = np.concatenate([np.full(t['heads'] * t['dim'], x, F32) for t, x in zip(tensors, z)])
        split = [k for k in range(count) if np.abs(codes[k]).max() >= 128]
        high = codes[split] + 64 >> 7
        codes[split] -= 128 * high
        u = dequantized(codes, np.repeat(pairs[:, 1:2], -(-width // 64), 1))
        second = dequantized(high, np.repeat((128 * pairs[split, 1:2].astype(F32)).astype(np.float16), -(-width // 64), 1))
        out.append(dict(mean=mean, deviations=pairs[:, 0].astype(F32), u=u, split=split, second=second, back=lambda y, factors=factors: y * factors))
    assert cursor.at == len(b)
    return out, tables


def shared_basis(b, groups):
    assert b[:8] == b'\x89KVB\r\n\x1a\n' and struct.unpack_from('<I', b, 8)[0] == 3
    assert hashlib.sha256(b[:-32]).digest() == b[-32:]
    length = struct.unpack_from('<I', b, 12)[0]
    header = cbor(b[16:16 + length])[0]
    cursor, out = Cursor(b, 16 + length, 64), []
    tables = cursor.take('<u2', 288 * 32).reshape(288, 32)
    for group, found in zip(groups, header['groups'], strict=True):
        dims, count, width = found['heads'], found['components'], group['width']
        assert dims == [t['dim'] for t in group['tensors'] for _ in range(t['heads'])]
        mean, deviations = cursor.take('<f4', width), cursor.take('<f4', count)
        flat, matrices, at = cursor.take('<f4', sum(d * d for d in dims)), [], 0
        for d in dims:
            matrices.append(flat[at:at + d * d].reshape(d, d))
            at += d * d
        if found['predicts']:
            cursor.take('<f4', 2 + len(dims))  # the encoder's business
        fine = found['fine']
        codes = cursor.take('i1', fine * width).reshape(fine, width)
        packed = cursor.take('u1', (count - fine) * -(-width // 2)).reshape(count - fine, -1)
        halves = np.stack([packed & 15, packed >> 4], 2).reshape(count - fine, -1)[:, :width].astype(np.int8)
        codes = np.concatenate([codes, halves - 16 * (halves > 7)])
        scales = cursor.take('<f2', count * -(-width // 64)).reshape(count, -1)
        out.append(dict(mean=mean, deviations=deviations, u=dequantized(codes, scales), back=lambda y, m=matrices: by_head(y, m)))
    assert cursor.at == len(b) - 32
    return out, tables


def fma(a, b, c):
    """binary64 holds the product exactly; the sum is rounded twice, which shows once in some 2^29 times."""
    return (np.asarray(a, np.float64) * b + c).astype(F32)


def by_head(y, matrices):
    out, at = np.zeros_like(y), 0
    for m in matrices:
        d = len(m)
        for i in range(d):
            out[:, at:at + d] = fma(y[:, at + i:at + i + 1], m[i], out[:, at:at + d])
        at += d
    return out


def token_scales(b, tokens):
    """(factors, bytes)."""
    lowest, width = b[0], b[1]
    assert width in (0, 4)
    size = 2 + (tokens + 1) // 2 if width else 2
    symbols = np.array([lowest + (b[2 + t // 2] >> 4 * (t & 1) & 15 if width else 0) for t in range(tokens)])
    assert symbols.max() < 32
    half = symbols - 16
    return np.where(half & 1, F32(2 ** .5), F32(1)) * F32(2) ** (half >> 1).astype(F32), size


def tile(b, transform, tables, tokens, q):
    count = struct.unpack_from('<I', b)[0]
    factors, size = token_scales(b[4:], tokens)
    factors = factors.astype(F32)
    priors = [expected(float(d / q)) for d in transform['deviations'][:count]]
    c = coefficients(b[4 + size:], tokens, count, priors, F32(1) / factors, tables).astype(F32) * (q * factors)[:, None]
    y = np.zeros((tokens, len(transform['mean'])), F32)
    for k in range(count):
        y = fma(c[:, k:k + 1], transform['u'][k], y)
    for i, k in enumerate(transform.get('split', [])):
        if k < count:
            y = fma(c[:, k:k + 1], transform['second'][i], y)
    return transform['back'](y) + transform['mean']


def sink(b, tokens, width):
    runs = -(-width // 32)
    codes, at = stream(b, 0, tokens * width)
    scales, at = stream(b, at, 2 * tokens * runs)
    assert at == len(b)
    scales = np.repeat(scales.tobytes() and np.frombuffer(scales.tobytes(), '<f2').reshape(tokens, runs), 32, 1)[:, :width]
    return codes.view(np.int8).reshape(tokens, width).astype(F32) * scales.astype(F32)


def rotate(x, rope, dim, positions):
    """Keys to their positions."""
    half = rope['dims'] // 2
    factors = rope['factors'] or [1.0] * half
    frequencies = np.array([rope['scale'] * rope['base'] ** (-2.0 * i / rope['dims']) / factors[i] for i in range(half)])
    angle = np.outer(positions, frequencies)
    cos, sin = np.cos(angle).astype(F32)[:, None], np.sin(angle).astype(F32)[:, None]
    heads = x.reshape(len(x), -1, dim).copy()
    one = slice(0, 2 * half, 2) if rope['pairing'] == 'interleaved' else slice(0, half)
    two = slice(1, 2 * half, 2) if rope['pairing'] == 'interleaved' else slice(half, 2 * half)
    a, b = heads[:, :, one].copy(), heads[:, :, two].copy()
    heads[:, :, one] = a * cos - b * sin
    heads[:, :, two] = b * cos + a * sin
    return heads.reshape(x.shape)


def to_type(x, kind):
    if kind == 'f16':
        return x.astype(np.float16).astype(F32)
    if kind == 'bf16':
        n = x.view(np.uint32)
        return (n + 0x7FFF + (n >> 16 & 1) & 0xFFFF0000).astype(np.uint32).view(F32)
    return x


# ---------------------------------------------------------------- all of it

def decode(capsule, basis, standard):
    """f32 [cells][width] of every tensor: K of the first layer of the first sub-cache, its V, ..."""
    kinds = list(frames(capsule))
    manifest = cbor(kinds[0][1])[0]
    parameters = dict(pair.split('=') for pair in manifest['codec'].split(':')[1].split(','))
    q = F32(float(parameters['step']))
    groups = []
    for s, sub in enumerate(manifest['caches']):
        assert sub['k_order'] == sub['v_order'] == 'token'
        layers = sub['layers']
        per = len(layers) if parameters['group'] == 'all' else int(parameters['group'])
        for first in range(0, len(layers), per):
            tensors = []
            for l, layer in list(enumerate(layers))[first:first + per]:
                for part in 'kv':
                    if layer[part + '_dim'] > 0:
                        tensors.append(dict(sub=s, layer=l, part=part, heads=layer['heads'], dim=layer[part + '_dim'], type=layer[part + '_type'], rope=layer.get('rope')))
            groups.append(dict(sub=s, tensors=tensors, width=sum(t['heads'] * t['dim'] for t in tensors)))
    carried = b''.join(piece(p) for kind, p in kinds if kind == 6)
    if parameters['basis'] == 'none':
        transforms, tables = own_basis(carried, groups, standard)
    else:
        assert basis[-32:].hex() == parameters['basis']
        transforms, tables = shared_basis(basis, groups)
        if int(parameters['own']) > 0:
            with_own_components(carried, groups, transforms, int(parameters['own']), standard)
        else:
            assert carried == b''
    tiles = iter([p for kind, p in kinds if kind == 3])
    results = {}
    for s, sub in enumerate(manifest['caches']):
        runs = sub['positions']
        positions = np.concatenate([np.arange(a, a + n) for a, n in zip(runs[::2], runs[1::2])] or [np.zeros(0, int)])
        order = np.argsort(positions, kind='stable')
        n = len(positions)
        sinks = min(int(parameters['sink']), n)
        window = min(int(parameters['window']), n - sinks)
        own = [(g, t) for g, t in zip(groups, transforms) if g['sub'] == s]
        block = 1024
        while block > 64 and 4 * block * max([g['width'] for g, t in own] or [1]) > 25165824:
            block //= 2
        for g, t in own:
            for tensor in g['tensors']:
                results[s, tensor['layer'], tensor['part']] = np.zeros((n, tensor['heads'] * tensor['dim']), F32)
        for region, first, count in (('sink', 0, sinks), ('body', sinks, n - sinks - window), ('window', n - window, window)):
            for start in range(first, first + count, block):
                tokens = min(block, first + count - start)
                cells = order[start:start + tokens]
                for g, t in own:
                    payload = next(tiles)
                    assert payload[0] == 0
                    x = sink(payload[1:], tokens, g['width']) if region == 'sink' else tile(payload[1:], t, tables, tokens, q)
                    at = 0
                    for tensor in g['tensors']:
                        width = tensor['heads'] * tensor['dim']
                        rows = x[:, at:at + width]
                        if tensor['part'] == 'k' and tensor['rope']:
                            rows = rotate(rows, tensor['rope'], tensor['dim'], positions[cells])
                        results[s, tensor['layer'], tensor['part']][cells] = to_type(np.ascontiguousarray(rows), tensor['type'])
                        at += width
    assert next(tiles, None) is None
    return [results[key] for key in sorted(results)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', nargs='+')
    parser.add_argument('--basis')
    parser.add_argument('--tables', required=True)
    parser.add_argument('-o', '--output')
    args = parser.parse_args()
    standard = np.fromfile(args.tables, '<u2').reshape(288, 32)
    if args.what[0] == 'make':
        for capsule in sorted(pathlib.Path(args.what[1]).glob('*.kvc')):
            basis = capsule.with_suffix('.kvb')
            tensors = decode(capsule.read_bytes(), basis.read_bytes() if basis.exists() else None, standard)
            capsule.with_suffix('.f16').write_bytes(b''.join(t.astype(np.float16).tobytes() for t in tensors))
        return
    basis = pathlib.Path(args.basis).read_bytes() if args.basis else None
    tensors = decode(pathlib.Path(args.what[0]).read_bytes(), basis, standard)
    pathlib.Path(args.output).write_bytes(b''.join(t.tobytes() for t in tensors))


if __name__ == '__main__':
    main()
