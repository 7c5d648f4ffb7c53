package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;

/**
 * The metadata and tensor list of a GGUF file (versions 2 and 3, little-endian; specification: docs/gguf.md of ggml). Parsing is total: any bytes
 * give a header or a {@link MalformedDataException}. Strings and arrays stay in the file until they are asked for; tensor data is never touched.
 */
public final class GgufHeader {
    private static final int MAGIC = 0x46554747;
    private static final int MAX_ENTRIES = 1 << 16;
    private static final int MAX_NAME = 1 << 10;
    private static final int MAX_ARRAY = 1 << 16;
    private static final int MAX_DEPTH = 4;

    // Value types of the specification.
    private static final int BOOL = 7;
    private static final int STRING = 8;
    private static final int ARRAY = 9;

    /** A value's type and where it lies; for an array, where its element type lies. */
    private record Value(int type, long offset) {}

    /**
     * One tensor.
     *
     * @param dims elements along each dimension, the fastest first
     * @param type ggml type number
     * @param offset of its data, from the start of the file
     */
    public record Tensor(String name, List<Long> dims, int type, long offset) {}

    private final MemorySegment file;
    private final int version;
    private final Map<String, Value> values = new LinkedHashMap<>();
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();

    private GgufHeader(MemorySegment file) throws Broken {
        this.file = file;
        Input in = new Input(file, 0);
        if (in.i32("magic") != MAGIC) {
            throw new Broken(0, "magic", "expected 'GGUF'");
        }
        version = in.u32("version", 2, 3);
        int tensorCount = (int) in.u64("tensor count", 0, MAX_ENTRIES);
        int valueCount = (int) in.u64("metadata count", 0, MAX_ENTRIES);
        for (int i = 0; i < valueCount; i++) {
            long at = in.offset();
            String key = name(in, "metadata key " + i);
            int type = in.u32("type of " + key, 0, 12);
            Value value = new Value(type, in.offset());
            skip(in, type, key, 0);
            if (values.put(key, value) != null) {
                throw new Broken(at, "metadata key " + i, "'" + key + "' is there twice");
            }
        }
        tensors(in, tensorCount);
    }

    /**
     * @param file the whole file, or as much of it as holds metadata and tensor list
     * @throws MalformedDataException naming offset, field and what was expected
     */
    public static GgufHeader read(MemorySegment file) throws MalformedDataException {
        try {
            return new GgufHeader(file);
        } catch (Broken e) {
            throw e.malformed();
        }
    }

    private void tensors(Input in, int count) throws Broken {
        Map<String, Tensor> relative = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            long at = in.offset();
            String name = name(in, "name of tensor " + i);
            int dimensions = in.u32("dimension count of " + name, 0, 4);
            Long[] dims = new Long[dimensions];
            for (int d = 0; d < dimensions; d++) {
                dims[d] = in.u64("dimension of " + name, 0, Long.MAX_VALUE);
            }
            int type = in.i32("type of " + name);
            long offset = in.u64("offset of " + name, 0, Long.MAX_VALUE / 2);
            if (relative.put(name, new Tensor(name, List.of(dims), type, offset)) != null) {
                throw new Broken(at, "name of tensor " + i, "'" + name + "' is there twice");
            }
        }
        long alignment = Math.clamp(integer("general.alignment").orElse(32), 1L, 1L << 20);
        long data = (in.offset() + alignment - 1) / alignment * alignment;
        relative.forEach((name, tensor) -> tensors.put(name, new Tensor(name, tensor.dims, tensor.type, data + tensor.offset)));
    }

    private String name(Input in, String field) throws Broken {
        int length = (int) in.u64(field, 0, MAX_NAME);
        return text(in.skip(length, field), length);
    }

    private String text(long offset, int length) {
        return new String(file.asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    private static int size(int type) {
        return switch (type) {
            case 0, 1, BOOL -> 1;
            case 2, 3 -> 2;
            case 4, 5, 6 -> 4;
            default -> 8;
        };
    }

    private static void skip(Input in, int type, String key, int depth) throws Broken {
        if (type == STRING) {
            in.skip(in.u64(key, 0, Long.MAX_VALUE), key);
        } else if (type == ARRAY) {
            if (depth == MAX_DEPTH) {
                throw new Broken(in.offset(), key, "arrays nested deeper than " + MAX_DEPTH);
            }
            int element = in.u32("element type of " + key, 0, 12);
            long count = in.u64("length of " + key, 0, in.remaining());
            if (element == STRING || element == ARRAY) {
                for (long i = 0; i < count; i++) {
                    skip(in, element, key, depth + 1);
                }
            } else {
                in.skip(count > Long.MAX_VALUE / 8 ? -1 : count * size(element), key);
            }
        } else {
            in.skip(size(type), key);
        }
    }

    /**
     * Digests the metadata whose keys begin with a prefix, in byte order of the keys: each as the file has it (key, type, value), which is one way only.
     *
     * @param digest takes the bytes
     * @return how many keys there were
     */
    public int digest(String prefix, MessageDigest digest) throws MalformedDataException {
        List<String> keys = values.keySet().stream().filter(key -> key.startsWith(prefix)).sorted().toList();
        try {
            for (String key : keys) {
                Value value = values.get(key);
                Input in = new Input(file, value.offset());
                skip(in, value.type(), key, 0);
                digest.update(ByteBuffer.allocate(2 * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN).putInt(key.length()).putInt(value.type()).flip());
                digest.update(key.getBytes(StandardCharsets.UTF_8));
                digest.update(file.asSlice(value.offset(), in.offset() - value.offset()).asByteBuffer());
            }
        } catch (Broken e) {
            throw e.malformed();
        }
        return keys.size();
    }

    /** GGUF version. */
    public int version() {
        return version;
    }

    /** The keys of all metadata, in file order. */
    public Set<String> keys() {
        return Collections.unmodifiableSet(values.keySet());
    }

    /** A whole number or truth value; empty if it is not there, is of another type, or is an array. */
    public OptionalLong integer(String key) {
        Value value = values.get(key);
        return value == null || !isInteger(value.type) ? OptionalLong.empty() : OptionalLong.of(integer(value.type, value.offset));
    }

    /** A number of any kind. */
    public OptionalDouble number(String key) {
        Value value = values.get(key);
        if (value == null) {
            return OptionalDouble.empty();
        }
        return switch (value.type) {
            case 6 -> OptionalDouble.of(Float.intBitsToFloat(file.get(Input.I32, value.offset)));
            case 12 -> OptionalDouble.of(Double.longBitsToDouble(file.get(Input.I64, value.offset)));
            default -> isInteger(value.type) ? OptionalDouble.of(integer(value.type, value.offset)) : OptionalDouble.empty();
        };
    }

    /** A string of up to 64 KiB. */
    public Optional<String> string(String key) {
        Value value = values.get(key);
        if (value == null || value.type != STRING) {
            return Optional.empty();
        }
        long length = file.get(Input.I64, value.offset);
        return length > MAX_ARRAY ? Optional.empty() : Optional.of(text(value.offset + 8, (int) length));
    }

    /** An array of up to 65,536 whole numbers or truth values. */
    public Optional<long[]> integers(String key) {
        Value value = values.get(key);
        if (value == null || value.type != ARRAY) {
            return Optional.empty();
        }
        int element = file.get(Input.I32, value.offset);
        long count = file.get(Input.I64, value.offset + 4);
        if (!isInteger(element) || count > MAX_ARRAY) {
            return Optional.empty();
        }
        long[] numbers = new long[(int) count];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = integer(element, value.offset + 12 + (long) i * size(element));
        }
        return Optional.of(numbers);
    }

    private static boolean isInteger(int type) {
        return type <= 5 || type == BOOL || type == 10 || type == 11;
    }

    private long integer(int type, long offset) {
        return switch (type) {
            case 0, BOOL -> file.get(ValueLayout.JAVA_BYTE, offset) & 0xff;
            case 1 -> file.get(ValueLayout.JAVA_BYTE, offset);
            case 2 -> file.get(Input.I16, offset) & 0xffff;
            case 3 -> file.get(Input.I16, offset);
            case 4 -> file.get(Input.I32, offset) & 0xffffffffL;
            case 5 -> file.get(Input.I32, offset);
            default -> file.get(Input.I64, offset);
        };
    }

    /** A tensor by its name. */
    public Optional<Tensor> tensor(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    /** Number of tensors. */
    public int tensorCount() {
        return tensors.size();
    }

    /**
     * The numbers of a small F32 tensor.
     *
     * @param count elements it has to have
     * @return empty if there is no such tensor
     * @throws MalformedDataException if it is of another type or size, or lies outside of the file
     */
    public Optional<float[]> floats(String name, int count) throws MalformedDataException {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            return Optional.empty();
        }
        if (tensor.type != 0 || tensor.dims.size() != 1 || tensor.dims.getFirst() != count || tensor.offset > file.byteSize() - 4L * count) {
            throw new MalformedDataException("tensor " + name + " is not " + count + " f32 numbers within the file");
        }
        return Optional.of(file.asSlice(tensor.offset, 4L * count).toArray(Input.F32));
    }
}
