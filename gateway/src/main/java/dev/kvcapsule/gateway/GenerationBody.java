package dev.kvcapsule.gateway;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.vertx.core.buffer.Buffer;
import java.io.IOException;
import java.util.OptionalInt;

/**
 * The body of a request that generates, as far as slots go: which one it asks for, and the same with the one it gets. The rest of it passes through as it came, byte by
 * byte. What the server could read in another way than this does (a name that comes twice) is refused, since the slot must be the one that was checked.
 */
final class GenerationBody {
    private static final JsonFactory JSON = JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

    private final Buffer body;
    private final int slotStart;
    private final int slotEnd;
    private final OptionalInt slot;
    private final int firstField;
    private final boolean empty;

    private GenerationBody(Buffer body, int firstField, boolean empty, OptionalInt slot, int slotStart, int slotEnd) {
        this.body = body;
        this.firstField = firstField;
        this.empty = empty;
        this.slot = slot;
        this.slotStart = slotStart;
        this.slotEnd = slotEnd;
    }

    /** @throws RequestException if it is not a JSON object, or asks for what the gateway cannot let through */
    static GenerationBody of(Buffer body) {
        try (JsonParser parser = JSON.createParser(body.getBytes())) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw malformed("a JSON object was expected");
            }
            int first = Math.toIntExact(parser.currentTokenLocation().getByteOffset()) + 1;
            OptionalInt slot = OptionalInt.empty();
            int start = 0;
            int end = 0;
            boolean empty = true;
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                empty = false;
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                switch (name) {
                    case "id_slot" -> {
                        int number = integer(parser, value, name);
                        start = Math.toIntExact(parser.currentTokenLocation().getByteOffset());
                        end = Math.toIntExact(parser.currentLocation().getByteOffset());
                        slot = number == -1 ? OptionalInt.empty() : OptionalInt.of(number);
                    }
                    // Several answers at once are put into other slots than the one that was given.
                    case "n", "n_cmpl" -> {
                        if (value != JsonToken.VALUE_NULL && integer(parser, value, name) > 1) {
                            throw new RequestException(400, "unsupported", name + " larger than 1 would use slots that are not the caller's");
                        }
                    }
                    default -> skip(parser, value);
                }
            }
            if (parser.nextToken() != null) {
                throw malformed("text after the object");
            }
            return new GenerationBody(body, first, empty, slot, start, end);
        } catch (IOException | ArithmeticException e) {
            throw malformed("not JSON, or a name that comes twice");
        }
    }

    /** Skips a value, objects and arrays as deep as Jackson goes. */
    private static void skip(JsonParser parser, JsonToken value) throws IOException {
        if (value == null) {
            throw malformed("truncated");
        }
        parser.skipChildren();
    }

    private static int integer(JsonParser parser, JsonToken value, String name) throws IOException {
        if (value != JsonToken.VALUE_NUMBER_INT) {
            throw malformed(name + " is not a whole number");
        }
        return parser.getIntValue();
    }

    private static RequestException malformed(String why) {
        return new RequestException(400, "malformed", "request body: " + why);
    }

    /** The slot it asks for; empty if it leaves that to the server. */
    OptionalInt slot() {
        return slot;
    }

    /** The body with that slot. */
    Buffer in(int number) {
        Buffer out = Buffer.buffer(body.length() + 32);
        if (slotEnd > slotStart) {
            return out.appendBuffer(body, 0, slotStart).appendString(Integer.toString(number)).appendBuffer(body, slotEnd, body.length() - slotEnd);
        }
        return out.appendBuffer(body, 0, firstField).appendString("\"id_slot\":" + number + (empty ? "" : ",")).appendBuffer(body, firstField, body.length() - firstField);
    }
}
