package dev.kvcapsule.codecs.kvtc;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The bytes of a matrix of coefficients before DEFLATE: for each group that is kept the shifts of all tokens, their scales, then their codes, packed from
 * the low bits of a byte up.
 *
 * @param allocation the groups
 * @param tokens rows
 */
record GroupCodes(BitAllocation allocation, int tokens) {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    int bytes() {
        return Math.toIntExact(tokens * allocation.tokenBytes());
    }

    /**
     * Quantizes.
     *
     * @param coefficients finite f32 {@code [tokens][allocation.components()]}
     * @param out receives {@link #bytes} bytes from {@code at} on
     * @return false if a shift or scale would not be finite
     */
    boolean quantize(MemorySegment coefficients, byte[] out, int at) {
        int components = allocation.components();
        GroupQuantizer quantizer = new GroupQuantizer();
        int first = 0;
        int next = at;
        for (BitAllocation.Group group : allocation.groups()) {
            GroupType type = group.type();
            if (type != GroupType.NONE) {
                float[] values = new float[group.size()];
                for (int t = 0; t < tokens; t++) {
                    MemorySegment.copy(coefficients, FLOAT, 4 * ((long) t * components + first), values, 0, values.length);
                    if (!quantizer.fit(values, 0, values.length, type)) {
                        return false;
                    }
                    putShort(out, next + 2 * t, quantizer.shiftBits());
                    putShort(out, next + 2 * (tokens + t), quantizer.scaleBits());
                    pack(quantizer, values, type, out, next + GroupType.PARAMETER_BYTES * tokens + t * type.codeBytes(values.length));
                }
                next += tokens * type.bytes(group.size());
            }
            first += group.size();
        }
        return true;
    }

    private static void pack(GroupQuantizer quantizer, float[] values, GroupType type, byte[] out, int at) {
        int perByte = Byte.SIZE / type.bits();
        java.util.Arrays.fill(out, at, at + type.codeBytes(values.length), (byte) 0);
        for (int i = 0; i < values.length; i++) {
            out[at + i / perByte] |= (byte) (quantizer.code(values[i], type) << i % perByte * type.bits());
        }
    }

    /**
     * Restores.
     *
     * @param coefficients receives f32 {@code [tokens][allocation.components()]}
     * @return false if one is not finite
     */
    boolean dequantize(byte[] in, int at, MemorySegment coefficients) {
        int components = allocation.components();
        coefficients.asSlice(0, 4L * tokens * components).fill((byte) 0);
        int first = 0;
        int next = at;
        for (BitAllocation.Group group : allocation.groups()) {
            GroupType type = group.type();
            for (int t = 0; type != GroupType.NONE && t < tokens; t++) {
                float shift = half(in, next + 2 * t);
                float scale = half(in, next + 2 * (tokens + t));
                int codes = next + GroupType.PARAMETER_BYTES * tokens + t * type.codeBytes(group.size());
                long row = 4 * ((long) t * components + first);
                if (!unpack(shift, scale, group, in, codes, coefficients, row)) {
                    return false;
                }
            }
            next += tokens * type.bytes(group.size());
            first += group.size();
        }
        return true;
    }

    private static boolean unpack(float shift, float scale, BitAllocation.Group group, byte[] in, int at, MemorySegment coefficients, long row) {
        GroupType type = group.type();
        int perByte = Byte.SIZE / type.bits();
        int mask = type.levels();
        boolean finite = true;
        for (int i = 0; i < group.size(); i++) {
            int code = Byte.toUnsignedInt(in[at + i / perByte]) >>> i % perByte * type.bits() & mask;
            float value = GroupQuantizer.value(shift, scale, code, type);
            finite &= Float.isFinite(value);
            coefficients.set(FLOAT, row + 4L * i, value);
        }
        return finite;
    }

    private static void putShort(byte[] out, int at, short value) {
        out[at] = (byte) value;
        out[at + 1] = (byte) (value >> Byte.SIZE);
    }

    private static float half(byte[] in, int at) {
        return Float.float16ToFloat((short) (Byte.toUnsignedInt(in[at]) | in[at + 1] << Byte.SIZE));
    }
}
