package dev.kvcapsule.serving.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The header of a safetensors file: an unsigned 64-bit length, then so many bytes of JSON with one object a tensor ({@code dtype}, {@code shape},
 * {@code data_offsets}) and {@code __metadata__}, a map of strings. Tensors have to fill the rest of the file without gap or overlap.
 */
final class SafetensorsHeader {
    static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Far above the header of any cache; the format itself allows 100 MB. */
    static final int MAX_BYTES = 16 << 20;

    private static final int LENGTH_BYTES = 8;
    private static final int MAX_DIMS = 8;
    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(4).maxNumberLength(20).maxStringLength(MAX_BYTES).maxNameLength(1024).build())
            .build();

    /**
     * One tensor.
     *
     * @param begin offset of its first byte from the end of the header
     * @param end offset behind its last byte
     */
    record Entry(String name, String dtype, List<Long> shape, long begin, long end) {}

    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final int jsonBytes;

    /**
     * @param file begins with the header
     * @param dataBytes bytes the tensors have to fill
     */
    private SafetensorsHeader(MemorySegment file, long dataBytes, int jsonBytes) throws IOException {
        this.jsonBytes = jsonBytes;
        byte[] json = file.asSlice(LENGTH_BYTES, jsonBytes).toArray(ValueLayout.JAVA_BYTE);
        try (JsonParser parser = JSON.createParser(json)) {
            object(parser, parser.nextToken());
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                if (name.equals("__metadata__")) {
                    metadata(parser);
                } else {
                    entry(parser, name);
                }
            }
            if (parser.nextToken() != null) {
                throw wrong(parser, "header", "has something behind its JSON object");
            }
        }
        fill(dataBytes);
    }

    /** The length field, if a file begins like a safetensors file; otherwise -1. */
    static int jsonBytes(MemorySegment file) {
        if (file.byteSize() < LENGTH_BYTES + 2) {
            return -1;
        }
        long length = file.get(I64, 0);
        return length >= 2 && length <= MAX_BYTES && length <= file.byteSize() - LENGTH_BYTES && file.get(ValueLayout.JAVA_BYTE, LENGTH_BYTES) == '{'
                ? (int) length : -1;
    }

    /**
     * @param file the whole file
     * @throws MalformedDataException naming offset, field and what was expected
     */
    static SafetensorsHeader read(MemorySegment file) throws MalformedDataException {
        int length = jsonBytes(file);
        if (length < 0) {
            throw MalformedDataException.at(0, "header length", "expected a length of 2 to " + MAX_BYTES + " within the file, and a JSON object");
        }
        return read(file, file.byteSize() - LENGTH_BYTES - length);
    }

    /** The same when only the header is at hand, for tensors of {@code dataBytes} bytes in all. */
    static SafetensorsHeader read(MemorySegment header, long dataBytes) throws MalformedDataException {
        int length = jsonBytes(header);
        if (length < 0) {
            throw MalformedDataException.at(0, "header length", "is not the length of the header");
        }
        try {
            return new SafetensorsHeader(header, dataBytes, length);
        } catch (MalformedDataException e) {
            throw e;
        } catch (JsonParseException e) {
            throw MalformedDataException.at(LENGTH_BYTES + Math.max(0, e.getLocation().getByteOffset()), "header",
                    "is not valid JSON, or names something twice");
        } catch (JsonProcessingException e) {
            throw MalformedDataException.at(LENGTH_BYTES, "header", "is not JSON of the expected size and depth");
        } catch (IOException e) {
            throw MalformedDataException.at(LENGTH_BYTES, "header", "is not UTF-8 text");
        }
    }

    private static void object(JsonParser parser, JsonToken token) throws IOException {
        if (token != JsonToken.START_OBJECT) {
            throw wrong(parser, "header", "expected a JSON object");
        }
    }

    private void metadata(JsonParser parser) throws IOException {
        object(parser, parser.nextToken());
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            if (parser.nextToken() != JsonToken.VALUE_STRING) {
                throw wrong(parser, "__metadata__", "values have to be strings");
            }
            metadata.put(key, parser.getText());
        }
    }

    private void entry(JsonParser parser, String name) throws IOException {
        object(parser, parser.nextToken());
        String dtype = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String field = parser.currentName();
            parser.nextToken();
            switch (field) {
                case "dtype" -> {
                    if (parser.currentToken() != JsonToken.VALUE_STRING) {
                        throw wrong(parser, "dtype of " + name, "expected a string");
                    }
                    dtype = parser.getText();
                }
                case "shape" -> shape = numbers(parser, "shape of " + name, MAX_DIMS);
                case "data_offsets" -> offsets = numbers(parser, "data_offsets of " + name, 2);
                default -> throw wrong(parser, name, "has a field that is none of dtype, shape, data_offsets");
            }
        }
        if (dtype == null || shape == null || offsets == null || offsets.size() != 2 || offsets.get(0) > offsets.get(1)) {
            throw wrong(parser, name, "needs dtype, shape and data_offsets [begin, end]");
        }
        entries.put(name, new Entry(name, dtype, List.copyOf(shape), offsets.get(0), offsets.get(1)));
    }

    private static List<Long> numbers(JsonParser parser, String field, int max) throws IOException {
        if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw wrong(parser, field, "expected an array");
        }
        List<Long> numbers = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT || parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
                    || parser.getLongValue() < 0 || numbers.size() == max) {
                throw wrong(parser, field, "expected up to " + max + " whole numbers of at least 0");
            }
            numbers.add(parser.getLongValue());
        }
        return numbers;
    }

    private static MalformedDataException wrong(JsonParser parser, String field, String reason) {
        return MalformedDataException.at(LENGTH_BYTES + Math.max(0, parser.currentTokenLocation().getByteOffset()), field, reason);
    }

    private void fill(long dataBytes) throws MalformedDataException {
        List<Entry> inOrder = new ArrayList<>(entries.values());
        inOrder.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        long end = 0;
        for (Entry entry : inOrder) {
            if (entry.begin != end) {
                throw MalformedDataException.at(dataStart() + Math.min(entry.begin, end), "data_offsets of " + entry.name,
                        "begins at " + entry.begin + ", expected " + end + " (" + (entry.begin < end ? "overlap" : "gap") + ")");
            }
            end = entry.end;
            if (end > dataBytes) {
                break;
            }
        }
        if (end != dataBytes) {
            throw MalformedDataException.at(dataStart() + Math.min(end, dataBytes), "data_offsets", "end at " + end + ", the file's data at "
                    + dataBytes);
        }
    }

    /** Tensors by name, in header order. */
    Map<String, Entry> entries() {
        return entries;
    }

    /** {@code __metadata__}. */
    Map<String, String> metadata() {
        return metadata;
    }

    /** Offset of the tensors' data in the file. */
    long dataStart() {
        return LENGTH_BYTES + jsonBytes;
    }
}
