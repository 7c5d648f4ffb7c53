package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.util.Map;

/**
 * The gateway that a session was checkpointed with, so that a resume need not be told.
 *
 * @param url its address
 * @param tokenFile path of the file that holds the token; never the token
 * @param slot the slot
 */
public record GatewayNote(String url, String tokenFile, int slot) {
    static GatewayNote read(Fields fields) throws MalformedDataException {
        return new GatewayNote(fields.required("url"), fields.required("token_file"), Math.toIntExact(Math.clamp(fields.number("slot").orElse(0), 0, Integer.MAX_VALUE)));
    }

    Map<String, Object> toMap() {
        return Map.of("url", url, "token_file", tokenFile, "slot", slot);
    }
}
