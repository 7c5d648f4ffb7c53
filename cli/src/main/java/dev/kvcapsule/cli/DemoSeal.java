package dev.kvcapsule.cli;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.seal.Caller;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.RestorePolicy;
import dev.kvcapsule.engine.seal.Scope;
import dev.kvcapsule.engine.seal.SealSpec;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.CapsuleFiles;
import dev.kvcapsule.serving.files.TemporaryFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** The demo's sealed capsule, with keys that nobody keeps: its user gets it back, others and changed bytes do not. */
final class DemoSeal {
    private final TemporaryFolder folder;
    private final KeyFolder keys;

    private DemoSeal(TemporaryFolder folder) throws IOException {
        this.folder = folder;
        this.keys = KeyFolder.open(folder.resolve("keys"), null);
    }

    /** @return what came of each attempt: {@code restored}, or a refusal's code */
    static Map<String, Object> run(TemporaryFolder folder, Path state, ModelFacts facts, Codec codec, PipelineOptions pipeline) throws IOException {
        return new DemoSeal(folder).run(state, facts, codec, pipeline);
    }

    private Map<String, Object> run(Path state, ModelFacts facts, Codec codec, PipelineOptions pipeline) throws IOException {
        Instant now = Instant.now();
        String signer = keys.lifecycle().newSigningKey(Optional.empty(), KeyStatus.ACTIVE, now, Optional.empty()).kid();
        keys.lifecycle().newTenantKey("demo");
        Path capsule = folder.resolve("sealed.kvc");
        Scope scope = new Scope("demo", "ann", Optional.empty(), Optional.empty());
        try (CapsuleSeal seal = new CapsuleSeal(SealSpec.of("demo", signer, "demo", scope, now), keys)) {
            CapsuleFiles.encode(state, facts, codec, capsule, pipeline, seal);
        }
        Map<String, Object> outcomes = new LinkedHashMap<>();
        outcomes.put("its user", open(capsule, "ann", pipeline));
        outcomes.put("another user", open(capsule, "bob", pipeline));
        byte[] bytes = Files.readAllBytes(capsule);
        bytes[bytes.length / 2] ^= 1;
        Files.write(capsule, bytes);
        outcomes.put("its user, after one bit was flipped", open(capsule, "ann", pipeline));
        return outcomes;
    }

    private String open(Path capsule, String user, PipelineOptions pipeline) throws IOException {
        Path restored = folder.resolve("sealed.restored");
        RestorePolicy policy = RestorePolicy.of(new Caller("demo", user, Optional.empty(), Set.of()));
        try (CapsuleOpening opening = new CapsuleOpening(keys, policy)) {
            CapsuleFiles.decode(capsule, Optional.empty(), OptionalInt.empty(), restored, pipeline, opening);
            return "restored";
        } catch (CapsuleRefusedException e) {
            return e.code().label();
        }
    }
}
