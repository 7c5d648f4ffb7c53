package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.SealClaims;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Optional;

/** Seals and opens a capsule, dumps the heap of what is reachable, and looks for keys in it. In a JVM of its own, since the one that looks has them. */
final class SecretsInHeap {
    private SecretsInHeap() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        Path folder = Path.of(args[0]);
        KeyFolder keys = KeyFolder.open(folder.resolve("keys"), null);
        keys.lifecycle().newSigningKey(Optional.of(TestKeys.KID), KeyStatus.ACTIVE, TestKeys.NOW.minusSeconds(1), Optional.empty());
        keys.lifecycle().newTenantKey(TestKeys.TENANT);
        SealClaims claims = use(keys);
        Path dump = folder.resolve("heap.hprof");
        dump(dump);
        String heap = new String(Files.readAllBytes(dump), StandardCharsets.ISO_8859_1);
        if (!heap.contains(latin(claims.capsuleId()))) {
            throw new AssertionError("the dump does not even hold what is public");
        }
        byte[] context = dev.kvcapsule.engine.format.Cbor.write(java.util.List.of(claims.capsuleId(), claims.tenant(), claims.epoch()));
        look(heap, "the data key", keys.unwrap(claims.tenant(), claims.epoch(), claims.wrappedKey(), context));
        for (String name : new String[] {"tenant.acme.1", "sign." + TestKeys.KID}) {
            String secret = Files.readString(folder.resolve("keys/private/" + name + ".private.jwk")).replaceAll("(?s).*\"k\": \"([^\"]+)\".*", "$1");
            look(heap, name, Base64.getUrlDecoder().decode(secret));
            look(heap, name + " as text", secret.getBytes(StandardCharsets.US_ASCII));
        }
        System.out.println("no secret in " + heap.length() + " bytes");
    }

    /** What is reachable, by the JDK's own tool. */
    private static void dump(Path file) throws IOException, InterruptedException {
        String jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
        Process process = new ProcessBuilder(jcmd, Long.toString(ProcessHandle.current().pid()), "GC.heap_dump", file.toString()).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0 || !Files.exists(file)) {
            throw new IOException("jcmd: " + output);
        }
    }

    private static SealClaims use(KeyFolder keys) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.small(arena);
            byte[] capsule = SealedCapsules.seal(cache, "raw", keys);
            try (CapsuleOpening opening = new CapsuleOpening(keys, SealedCapsules.policy())) {
                SealedCapsules.open(CapsuleReader.of(Capsules.channel(capsule), opening), CacheSink.of(TestCaches.empty(arena, cache.layout())));
                return opening.claims();
            }
        }
    }

    private static String latin(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    private static void look(String heap, String what, byte[] secret) {
        if (heap.contains(latin(secret))) {
            throw new AssertionError(what + " is still reachable");
        }
    }
}
