package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.TenantKey;
import dev.kvcapsule.engine.keys.VerificationKey;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;

/** How keys are shown: never more than their public part. */
final class KeysOutput extends OutputOptions {
    /** @param what name of the list in JSON */
    void print(KeyFolder folder, String what, List<VerificationKey> signing, List<TenantKey> tenants) {
        print(folder, what, Stream.concat(signing.stream().map(KeysOutput::fields), tenants.stream().map(KeysOutput::fields)).toList());
    }

    /** @param lines fields of whatever each line, or object in JSON, is about */
    void print(KeyFolder folder, String what, List<Map<String, Object>> lines) {
        if (json()) {
            out().println(new JsonReport().put("keys", folder.folder().toString()).put(what, lines));
            return;
        }
        for (Map<String, Object> fields : lines) {
            out().println(fields.entrySet().stream().map(field -> field.getKey() + "=" + field.getValue()).collect(Collectors.joining("  ")));
        }
    }

    private static Map<String, Object> fields(VerificationKey key) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("kid", key.kid());
        fields.put("algorithm", key.algorithm().label());
        fields.put("status", key.status().name());
        fields.put("not_before", key.notBefore().toString());
        key.notAfter().ifPresent(end -> fields.put("not_after", end.toString()));
        key.pair().ifPresent(pair -> fields.put("pair", pair));
        return fields;
    }

    private static Map<String, Object> fields(TenantKey key) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("tenant", key.tenant());
        fields.put("epoch", key.epoch());
        fields.put("status", key.status().name());
        fields.put("present", key.present());
        return fields;
    }
}
