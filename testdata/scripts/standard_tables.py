#!/usr/bin/env python3
"""Takes the coefficient tables out of a basis file: how codecs' standard.tables was made.

  ./capsule calibrate --model SmolLM2-135M-Instruct.Q4_1.gguf --group 1 --weights query -o one.kvb --text ...
  standard_tables.py one.kvb codecs/src/main/resources/dev/kvcapsule/codecs/coefficients/standard.tables

The texts: three modules of CPython's library, two sources of OpenJDK, C headers of glibc, chapters of the Rust book, the Debian Handbook and the
Anarchist FAQ, and the latter as questions and answers; 4,096 tokens of each. Any mixture does: another one moves sizes by a fraction of a per cent.
"""
import struct, sys

TABLES = 18432

b = open(sys.argv[1], 'rb').read()
assert b[:8] == bytes.fromhex('894b56420d0a1a0a'), 'not a basis of klt'
version, header = struct.unpack_from('<II', b, 8)
assert version == 1
start = 16 + header + 63 & -64
tables = b[start:start + TABLES]
assert all(sum(struct.unpack_from('<32H', tables, 64 * c)) == 1 << 14 for c in range(TABLES // 64))
open(sys.argv[2], 'wb').write(tables)
