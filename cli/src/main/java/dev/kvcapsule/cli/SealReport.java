package dev.kvcapsule.cli;

import dev.kvcapsule.engine.seal.SealClaims;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/** The public part of a seal, by name; no key, wrapped or not, is in it. */
final class SealReport {
    private SealReport() {}

    static Map<String, Object> of(SealClaims claims) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("capsule_id", claims.id());
        fields.put("issuer", claims.issuer());
        fields.put("org", claims.scope().org());
        fields.put("user", claims.scope().user());
        claims.scope().session().ifPresent(session -> fields.put("session", session));
        claims.scope().permission().ifPresent(permission -> fields.put("permission", permission));
        claims.model().ifPresent(model -> {
            fields.put("model", model.id());
            model.weights().ifPresent(digest -> fields.put("weights", digest));
            model.tokenizer().ifPresent(digest -> fields.put("tokenizer", digest));
        });
        claims.runtime().ifPresent(runtime -> fields.put("runtime", runtime.toString()));
        claims.prefixDigest().ifPresent(digest -> fields.put("prefix_digest", HexFormat.of().formatHex(digest)));
        fields.put("positions", claims.positions().first() + ".." + claims.positions().end());
        fields.put("created", claims.created().toString());
        fields.put("not_before", claims.notBefore().toString());
        fields.put("expires", claims.expires().toString());
        fields.put("generation", claims.generation());
        fields.put("tenant", claims.tenant());
        fields.put("epoch", claims.epoch());
        if (!claims.chunks().isEmpty()) {
            fields.put("chunks", claims.chunks().size());
            fields.put("chunk_tokens", claims.chunkTokens());
        }
        fields.put("cipher", claims.aead().label());
        return fields;
    }
}
