package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.increment.KnownChunks;
import dev.kvcapsule.engine.seal.ChunkRef;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** The body of an incremental export: which chunks its caller has. */
final class KnownChunksBody {
    private KnownChunksBody() {}

    /** @throws RequestException if it is none */
    static KnownChunks parse(Buffer body) {
        KnownChunks known = new KnownChunks();
        if (body.length() == 0) {
            return known;
        }
        try {
            JsonArray have = new JsonObject(body).getJsonArray("have", new JsonArray());
            List<ChunkRef> chunks = new ArrayList<>();
            for (int i = 0; i < have.size(); i++) {
                JsonObject chunk = have.getJsonObject(i);
                chunks.add(new ChunkRef(chunk.getString("id"), chunk.getString("address"), chunk.getString("root"), chunk.getInteger("tokens"), chunk.getLong("bytes"),
                        Instant.ofEpochSecond(chunk.getLong("expires"))));
            }
            known.add(chunks);
            return known;
        } catch (DecodeException | ClassCastException | NullPointerException | IllegalArgumentException | DateTimeException e) {
            throw new RequestException(400, "malformed", "the body is {\"have\": [{id, address, root, tokens, bytes, expires}, ...]}");
        }
    }
}
