package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.Scope;
import dev.kvcapsule.engine.seal.SealSpec;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.CapsuleFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What commands say of a sealed capsule: to whom, how much, and what they leave unsaid. */
class SealDisclosureTest extends SealedState {
    @Test
    void neitherKeysNorVerifyingTellOthersThatItIsThere() {
        String kid = (String) ((List<?>) Run.of("inspect", capsule, "--json").json().get("signed_by")).getFirst();
        assertEquals(0, Run.of("keys", "revoke", kid, "--keys", keys).exit());
        String other = "org=acme,user=bob,session=s1";
        assertRefused("not-found", decode("--as", other));
        assertTrue(decode("--as", other, "--explain").err().contains("wrong-user"));
        assertFalse(decode("--as", other, "--allow-older-generation").err().contains("wrong-user"));
        assertRefused("revoked", decode("--as", SCOPE));
        Run verified = Run.of("verify", capsule, "--keys", keys, "--as", other);
        Run missing = Run.of("verify", folder.resolve("state.not"), "--keys", keys, "--as", other);
        assertEquals(4, verified.exit());
        assertEquals(4, missing.exit());
        assertEquals(missing.err().replace("state.not", ""), verified.err().replace("state.kvc", ""));
    }

    @Test
    void verifyingSaysWhatItDidNotCheckAndSeesARevokedEpoch() {
        Path set = folder.resolve("public.jwks");
        assertEquals(0, Run.of("keys", "export", "--keys", keys, "-o", set).exit());
        List<?> byFolder = (List<?>) Run.of("verify", capsule, "--keys", keys, "--json").json().get("not_checked");
        assertTrue(byFolder.containsAll(List.of("runtime", "tokens")) && !byFolder.contains("tenant key"));
        assertTrue(((List<?>) Run.of("verify", capsule, "--keys", keys, "--as", SCOPE, "--json").json().get("not_checked")).containsAll(List.of("runtime", "tokens")));
        assertEquals(0, encode("--runtime", "llama.cpp:1.2..1.9").exit());
        assertTrue(decode("--as", SCOPE).err().contains("--runtime checks"));
        assertEquals(0, Run.of("keys", "revoke", "--tenant", "acme", "--epoch", 1, "--keys", keys).exit());
        assertRefusedToVerify("revoked", Run.of("verify", capsule, "--keys", keys, "--json"));
        assertTrue(((List<?>) Run.of("verify", capsule, "--keys", set, "--json").json().get("not_checked")).contains("tenant key"));
    }

    private static void assertRefusedToVerify(String code, Run run) {
        assertEquals(4, run.exit(), run.toString());
        assertEquals(code, run.error("code"));
    }

    @Test
    void whatACapsuleSaysOfItselfStaysOnItsLine() throws IOException {
        KeyFolder folderKeys = KeyFolder.open(keys, null);
        Instant now = Instant.now();
        String signer = folderKeys.defaultSigner(now).orElseThrow().kid();
        SealSpec spec = SealSpec.of("me\n  signed by       root\u001b[2K\u009b", signer, "acme", new Scope("acme", "ann", Optional.empty(), Optional.empty()), now);
        try (CapsuleSeal seal = new CapsuleSeal(spec, folderKeys)) {
            CapsuleFiles.encode(state, ModelFacts.UNKNOWN, Codecs.create("raw"), capsule, new PipelineOptions(1, Kernels.scalar(), Progress.NONE), seal);
        }
        String shown = Run.of("inspect", capsule).out();
        assertTrue(shown.contains("me?  signed by       root?[2K?"), shown);
        assertEquals(1, shown.lines().filter(line -> line.startsWith("  signed by")).count());
        assertThrows(IllegalArgumentException.class, () -> new Scope("acme", "ann\n", Optional.empty(), Optional.empty()));
    }
}
