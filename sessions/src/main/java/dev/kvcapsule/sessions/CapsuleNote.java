package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * The capsule of a checkpoint.
 *
 * @param file its name in the session's folder
 * @param id its id
 * @param session the session that it is sealed for: another than the one it lies in after a fork
 * @param codec that it is coded with
 * @param layers of the model
 * @param tokens it holds
 * @param bytes of it, with the chunks that it goes on from
 * @param chunks that it goes on from; 0 if it holds all of its tokens itself
 * @param writtenBytes that its checkpoint wrote: less than {@code bytes} where chunks were there already
 * @param stateBytes of the state it was made of
 * @param expires until when it may be used
 * @param prefillRate tokens a second that the server evaluates, as the gateway had measured; empty if it had not
 * @param contextTokens that a slot of the server takes; empty if it did not say
 */
public record CapsuleNote(String file, String id, String session, String codec, long layers, long tokens, long bytes, long chunks, long writtenBytes, long stateBytes, Instant expires, OptionalDouble prefillRate,
        OptionalLong contextTokens) {
    /** A whole capsule. */
    public CapsuleNote(String file, String id, String session, String codec, long layers, long tokens, long bytes, long stateBytes, Instant expires, OptionalDouble prefillRate) {
        this(file, id, session, codec, layers, tokens, bytes, 0, bytes, stateBytes, expires, prefillRate, OptionalLong.empty());
    }

    static CapsuleNote read(Fields fields) throws MalformedDataException {
        CapsuleNote note = new CapsuleNote(fields.required("file"), fields.required("id"), fields.required("session"), fields.text("codec").orElse(""), fields.number("layers").orElse(0), fields.number("tokens").orElse(0),
                fields.number("bytes").orElse(0), fields.number("chunks").orElse(0), fields.number("written_bytes").orElse(0), fields.number("state_bytes").orElse(0), fields.time("expires").orElse(Instant.EPOCH), fields.real("prefill_tokens_per_second"),
                fields.number("context_window"));
        if (!note.file.matches("capsule-[0-9a-f]+\\.kvc")) {
            throw new MalformedDataException("state.capsule.file: not the name of a capsule");
        }
        return note;
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("file", file);
        map.put("id", id);
        map.put("session", session);
        map.put("codec", codec);
        map.put("layers", layers);
        map.put("tokens", tokens);
        map.put("bytes", bytes);
        map.put("chunks", chunks);
        map.put("written_bytes", writtenBytes);
        map.put("state_bytes", stateBytes);
        map.put("expires", expires.toString());
        prefillRate.ifPresent(rate -> map.put("prefill_tokens_per_second", rate));
        contextTokens.ifPresent(count -> map.put("context_window", count));
        return map;
    }

    /** State bytes by capsule bytes. */
    public double ratio() {
        return bytes == 0 ? 0 : (double) stateBytes / bytes;
    }
}
