package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class SealCommandTest extends SealedState {
    @Test
    void aSealedCapsuleComesBackToItsUser() throws IOException {
        Run run = decode("--as", SCOPE);
        assertEquals(0, run.exit(), run.err());
        assertEquals(-1, Files.mismatch(state, restored));
        Path prefix = folder.resolve("prefix");
        assertEquals(0, Run.of("decode", capsule, "-o", prefix, "--keys", keys, "--as", SCOPE, "--tokens", 5).exit());
        assertTrue(Files.size(prefix) < Files.size(state));
        assertEquals(0, Run.fed(Files.readAllBytes(capsule), "decode", "-", "-o", prefix, "--keys", keys, "--as", SCOPE).exit());
        assertEquals(-1, Files.mismatch(state, prefix));
    }

    @Test
    void othersCannotTellItFromOneThatIsNotThere() {
        Run other = decode("--as", "org=acme,user=bob,session=s1,permission=restore");
        assertRefused("not-found", other);
        Path here = capsule;
        capsule = folder.resolve("state.not");
        Run missing = decode("--as", SCOPE);
        assertRefused("not-found", missing);
        assertEquals(missing.error("message").replace("state.not", ""), other.error("message").replace("state.kvc", ""));
        assertEquals(missing.err().replace("state.not", ""), other.err().replace("state.kvc", ""));
        capsule = here;
        assertTrue(decode("--as", "org=acme,user=bob", "--explain").err().contains("wrong-user"));
        assertRefused("permission", decode("--as", "org=acme,user=ann,session=s1"));
    }

    @Test
    void aFlippedBitIsRefused() throws IOException {
        byte[] bytes = Files.readAllBytes(capsule);
        bytes[bytes.length / 2] ^= 1;
        Files.write(capsule, bytes);
        assertRefused("damaged", decode("--as", SCOPE));
        assertRefused("damaged", Run.of("verify", capsule, "--keys", keys, "--json"));
        Files.write(capsule, java.util.Arrays.copyOf(bytes, 300));
        assertRefused("truncated", decode("--as", SCOPE));
    }

    @Test
    void sealedIsTheDefaultAndSaysWhatItTakes() throws IOException {
        Path none = folder.resolve("none");
        Run run = Run.of("encode", state, "-o", restored, "--scope", SCOPE, "--keys", none, "--json");
        assertEquals(2, run.exit());
        assertTrue(run.error("message").contains("capsule keys new") && run.error("message").contains("--unsealed"));
        assertTrue(Run.of("encode", state, "-o", restored, "--keys", keys, "--json").error("message").contains("--scope"));
        assertTrue(decode().error("message").contains("--as"));
        assertEquals(2, encode("--scope", "org=acme").exit());
        assertEquals(2, encode("--expires", "soon").exit());
        assertEquals(2, encode("--seal-to", "nobody").exit());
        assertEquals(2, encode("--sign", "nothing").exit());
        assertEquals(2, decode("--as", "user").exit());
        assertFalse(Files.exists(restored));
        Run unsealed = Run.of("decode", capsule, "-o", restored, "--unsealed", "--json");
        assertRefused("sealed", unsealed);
        assertEquals(0, Run.of("encode", state, "-o", capsule, "--unsealed").exit());
        assertRefused("unsealed", decode("--as", SCOPE));
        assertRefused("unsealed", Run.of("verify", capsule, "--keys", keys, "--json"));
    }

    @Test
    void publicKeysVerifyAndInspectNeedsNone() throws IOException {
        Path set = folder.resolve("public.jwks");
        assertEquals(0, Run.of("keys", "export", "--keys", keys, "-o", set).exit());
        assertFalse(Files.readString(set).contains("\"d\""));
        Run verified = Run.of("verify", capsule, "--keys", set, "--json");
        assertEquals(0, verified.exit(), verified.err());
        assertTrue(((List<?>) verified.json().get("not_checked")).contains("contents of the tiles"));
        Run full = Run.of("verify", capsule, "--keys", keys, "--as", SCOPE, "--json");
        assertEquals(0, full.exit(), full.err());
        assertFalse(((List<?>) full.json().get("not_checked")).contains("contents of the tiles"));
        Map<String, Object> shown = Run.of("inspect", capsule, "--json").json();
        assertEquals(true, shown.get("sealed"));
        assertEquals("ann", ((Map<?, ?>) shown.get("seal")).get("user"));
        long sum = ((Map<?, ?>) shown.get("bytes")).values().stream().mapToLong(part -> (Long) part).sum();
        assertEquals(Files.size(capsule), sum);
        assertTrue(Run.of("inspect", capsule).out().contains("not verified"));
        Path elsewhere = folder.resolve("elsewhere");
        assertEquals(0, Run.of("keys", "import", set, "--keys", elsewhere).exit());
        assertEquals(0, Run.of("verify", capsule, "--keys", elsewhere).exit());
        assertRefused("no-tenant-key", Run.of("decode", capsule, "-o", restored, "--keys", elsewhere, "--as", SCOPE, "--json"));
    }

    @Test
    void olderGenerationsOfASessionAreReplays() throws IOException {
        Path first = folder.resolve("first.kvc");
        Files.copy(capsule, first);
        assertEquals(2L, ((Map<?, ?>) encode("--json").json().get("seal")).get("generation"));
        capsule = first;
        assertRefused("replayed", decode("--as", SCOPE));
        Run fork = decode("--as", SCOPE, "--allow-older-generation");
        assertEquals(0, fork.exit());
        assertTrue(fork.err().contains("fork"));
    }

    @Test
    void theModelThatMadeItMustBeTheOneThatUsesIt() throws IOException {
        Path model = folder.resolve("model.gguf");
        try (InputStream in = Samples.class.getResourceAsStream("gguf/tiny-llama.gguf")) {
            Files.copy(in, model);
        }
        assertEquals(0, encode("--model", model).exit());
        assertTrue(decode("--as", SCOPE).err().contains("--model checks"));
        Files.delete(restored);
        Run same = decode("--as", SCOPE, "--model", model);
        assertEquals(0, same.exit(), same.err());
        Files.delete(restored);
        byte[] other = Files.readAllBytes(model);
        other[other.length - 1] ^= 1;
        Files.write(model, other);
        assertRefused("wrong-weights", decode("--as", SCOPE, "--model", model));
    }

    @Test
    void timeRuntimeAndRevocationAreChecked() throws InterruptedException {
        assertEquals(0, encode("--runtime", "llama.cpp:1.2..1.9").exit());
        assertRefused("wrong-runtime", decode("--as", SCOPE, "--runtime", "llama.cpp:1.10"));
        String id = (String) ((Map<?, ?>) Run.of("inspect", capsule, "--json").json().get("seal")).get("capsule_id");
        assertEquals(0, Run.of("keys", "revoke", "--capsule", id, "--keys", keys).exit());
        assertRefused("revoked", decode("--as", SCOPE));
        assertEquals(0, encode("--expires", "1s").exit());
        Thread.sleep(1100);
        assertRefused("expired", decode("--as", SCOPE));
        assertEquals(0, encode().exit());
        assertEquals(0, Run.of("keys", "revoke", "--tenant", "acme", "--epoch", 1, "--destroy", "--keys", keys).exit());
        assertRefused("revoked", decode("--as", SCOPE));
    }

    @Test
    void keysRotateAndHybridKeysSignTogether() {
        String kid = (String) ((Map<?, ?>) ((List<?>) Run.of("keys", "list", "--keys", keys, "--json").json().get("list")).getFirst()).get("kid");
        assertEquals(0, Run.of("keys", "rotate", kid, "--keys", keys, "--json").exit());
        assertEquals(0, decode("--as", SCOPE).exit());
        assertTrue(Run.of("keys", "list", "--keys", keys).out().contains("VERIFY_ONLY"));
        assertEquals(2, encode("--sign", kid).exit());
        assertEquals(0, Run.of("keys", "new", "--hybrid", "--kid", "both", "--keys", keys).exit());
        assertEquals(0, encode("--sign", "both").exit());
        assertEquals(0, decode("--as", SCOPE).exit());
        assertEquals(List.of("both", "both.ml-dsa"), Run.of("inspect", capsule, "--json").json().get("signed_by"));
        assertEquals(0, encode("--cipher", "chacha20-poly1305").exit());
        assertEquals(0, decode("--as", SCOPE).exit());
        assertEquals(2, Run.of("keys", "revoke", "--keys", keys).exit());
        assertEquals(2, Run.of("keys", "rotate", "--keys", keys).exit());
        assertEquals(2, Run.of("keys", "rotate", "nothing", "--keys", keys).exit());
    }

    @Test
    void privateKeysThatOthersCanReadAreNotUsed() throws IOException {
        try (Stream<Path> files = Files.list(keys.resolve("private"))) {
            for (Path file : files.toList()) {
                assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
                Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
            }
        }
        Run run = decode("--as", SCOPE);
        assertEquals(2, run.exit());
        assertEquals("keys", run.error("code"));
        assertTrue(run.error("message").contains("chmod 600"));
        assertEquals(2, encode("--json").exit());
    }

    @Test
    void anEncryptedRegistryOpensWithItsPasswordOnly() throws IOException {
        Path vault = folder.resolve("vault");
        Path password = Files.writeString(folder.resolve("password"), "correct horse\n");
        Path wrong = Files.writeString(folder.resolve("wrong"), "battery staple\n");
        assertEquals(2, Run.of("keys", "new", "--pkcs12", "--keys", vault).exit());
        assertEquals(0, Run.of("keys", "new", "--pkcs12", "--keys", vault, "--tenant", "acme", "--keys-password-file", password).exit());
        assertFalse(Files.exists(vault.resolve("private")));
        keys = vault;
        assertEquals(0, encode("--keys-password-file", password).exit());
        assertEquals(2, decode("--as", SCOPE).exit());
        assertEquals(2, decode("--as", SCOPE, "--keys-password-file", wrong).exit());
        assertEquals(0, decode("--as", SCOPE, "--keys-password-file", password).exit());
        assertEquals(0, Run.of("verify", capsule, "--keys", vault).exit());
    }

    @Test
    void noSecretIsPrinted() throws IOException {
        StringBuilder printed = new StringBuilder();
        for (Run run : List.of(Run.of("keys", "list", "--keys", keys, "--json"), Run.of("keys", "export", "--keys", keys), encode("--json"), decode("--as", SCOPE),
                Run.of("inspect", capsule, "--json"))) {
            printed.append(run.out()).append(run.err());
        }
        try (Stream<Path> files = Files.list(keys.resolve("private"))) {
            for (Path file : files.toList()) {
                String secret = Files.readString(file).replaceAll("(?s).*\"k\": \"([^\"]+)\".*", "$1");
                assertEquals(43, secret.length());
                assertFalse(printed.toString().contains(secret));
            }
        }
    }

    @Test
    void anEncodeThatFailsLeavesTheGoodCapsuleUsable() throws IOException {
        Path good = capsule;
        capsule = folder.resolve("missing/state.kvc");
        assertEquals(5, encode().exit());
        capsule = Path.of("/dev/full");
        assertEquals(5, encode().exit());
        capsule = good;
        assertEquals(0, decode("--as", SCOPE).exit());
        Path first = Files.copy(capsule, folder.resolve("first.kvc"));
        Files.delete(restored);
        assertEquals(4L, ((Map<?, ?>) encode("--json").json().get("seal")).get("generation"), "a number that was issued is never issued again");
        capsule = first;
        assertRefused("replayed", decode("--as", SCOPE));
    }

    @Test
    void aCapsuleNeverOutlivesItsSigningKey() {
        assertEquals(0, Run.of("keys", "new", "--kid", "short", "--expires", "2h", "--keys", keys).exit());
        Run capped = encode("--sign", "short", "--json");
        assertEquals(0, capped.exit(), capped.err());
        String end = (String) ((Map<?, ?>) ((List<?>) Run.of("keys", "list", "--keys", keys, "--json").json().get("list")).stream()
                .filter(key -> "short".equals(((Map<?, ?>) key).get("kid"))).findFirst().orElseThrow()).get("not_after");
        assertEquals(end, ((Map<?, ?>) Run.of("inspect", capsule, "--json").json().get("seal")).get("expires"));
        assertTrue(capped.err().contains("until " + end), capped.err());
        Run longer = encode("--sign", "short", "--expires", "3h");
        assertEquals(2, longer.exit());
        assertTrue(longer.err().contains(end), longer.err());
        assertEquals("", encode("--sign", "short", "--expires", "1h").err());
        assertEquals(0, Run.of("keys", "new", "--hybrid", "--kid", "both", "--expires", "2h", "--keys", keys).exit());
        assertTrue(encode("--sign", "both").err().contains("signing key both"));
    }

    @Test
    void anEmptyPasswordIsNone() throws IOException {
        Path vault = folder.resolve("vault");
        Path empty = Files.writeString(folder.resolve("password"), " \n");
        Run run = Run.of("keys", "new", "--pkcs12", "--keys", vault, "--keys-password-file", empty);
        assertEquals(2, run.exit());
        assertTrue(run.err().contains("holds no password"), run.err());
        assertFalse(Files.exists(vault));
    }

    @Test
    void aDamagedTenantFileIsToldAndStopsNobodyElse() throws IOException {
        Files.writeString(keys.resolve("tenants/evil.1.jwk"), "{\"kty\": \"oct\", \"tenant\": \"evil\"}");
        assertEquals(0, encode().exit());
        Run evil = encode("--seal-to", "evil", "--json");
        assertEquals(2, evil.exit(), evil.err());
        assertTrue(evil.error("message").contains("evil.1.jwk"), evil.err());
        assertEquals(2, encode("--seal-to", "../acme").exit());
    }
}
