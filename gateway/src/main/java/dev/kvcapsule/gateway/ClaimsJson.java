package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.seal.SealClaims;
import io.vertx.core.json.JsonObject;

/** The public part of a capsule, by name; no key, wrapped or not, is in it. */
final class ClaimsJson {
    private ClaimsJson() {}

    static JsonObject of(CapsuleStore.Kept kept) {
        SealClaims claims = kept.claims();
        Manifest manifest = kept.manifest();
        JsonObject json = new JsonObject().put("capsule_id", claims.id()).put("tokens", manifest.layout().tokens()).put("layers", manifest.layout().layers())
                .put("capsule_bytes", kept.bytes()).put("tensor_bytes", manifest.layout().tensorBytes()).put("codec", manifest.codec().toString())
                .put("created", claims.created().toString()).put("expires", claims.expires().toString()).put("generation", claims.generation());
        claims.scope().session().ifPresent(session -> json.put("session", session));
        claims.model().ifPresent(model -> json.put("model", model.id()));
        return json;
    }
}
