package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A real state, a registry, and a capsule of the state that is sealed for one user. */
abstract class SealedState {
    static final String SCOPE = "org=acme,user=ann,session=s1,permission=restore";

    @TempDir
    Path folder;
    Path state;
    Path keys;
    Path capsule;
    Path restored;

    @BeforeEach
    void makeKeysAndSeal() throws IOException {
        state = folder.resolve("state");
        try (InputStream in = Samples.state("llama-f16.ggsq")) {
            Files.copy(in, state);
        }
        keys = folder.resolve("keys");
        capsule = folder.resolve("state.kvc");
        restored = folder.resolve("restored");
        assertEquals(0, Run.of("keys", "new", "--tenant", "acme", "--keys", keys).exit());
        assertEquals(0, encode().exit());
    }

    Run encode(Object... more) {
        return run(Stream.of("encode", state, "-o", capsule, "--profile", "exact", "--keys", keys, "--scope", SCOPE), more);
    }

    Run decode(Object... more) {
        return run(Stream.of("decode", capsule, "-o", restored, "--keys", keys, "--json"), more);
    }

    private static Run run(Stream<Object> args, Object... more) {
        return Run.of(Stream.concat(args, Stream.of(more)).toArray());
    }

    void assertRefused(String code, Run run) {
        assertEquals(4, run.exit(), run.toString());
        assertEquals(code, run.error("code"));
        assertFalse(Files.exists(restored));
    }
}
