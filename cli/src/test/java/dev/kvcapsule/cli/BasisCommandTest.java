package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Shared bases: {@code calibrate}, and the other commands with what it makes. */
class BasisCommandTest {
    @TempDir
    private Path folder;
    private Path state;
    private Path model;
    private Path basis;
    private Path capsule;
    private String digest;

    @BeforeEach
    void calibrate() throws IOException {
        state = copy("states/llama-f16.ggsq");
        model = copy("gguf/tiny-llama.gguf");
        // Not where capsules lie, so that it is found only where it is named.
        basis = Files.createDirectory(folder.resolve("models")).resolve("llama.kvb");
        capsule = folder.resolve("state.kvc");
        Run run = Run.of("calibrate", state, "--model", model, "-o", basis, "--json");
        assertEquals(0, run.exit(), run.err());
        digest = (String) run.json().get("basis");
        assertEquals(Files.size(basis), run.json().get("bytes"));
        assertEquals(1L, run.json().get("caches"));
    }

    private Path copy(String name) throws IOException {
        Path path = folder.resolve(name.substring(name.indexOf('/') + 1));
        try (InputStream in = Samples.class.getResourceAsStream(name)) {
            Files.copy(in, path);
        }
        return path;
    }

    private Run encode(Object... more) {
        return Run.of(Stream.concat(Stream.of("encode", "--unsealed", state, "-o", capsule, "--model", model, "--json"), Arrays.stream(more)).toArray());
    }

    private static void assertFails(int exit, String message, Run run) {
        assertEquals(exit, run.exit(), run.toString());
        List<String> codes = switch (exit) {
            case 2 -> List.of("usage");
            case 3 -> List.of("malformed");
            // A capsule that needs another basis than those here, or a basis that does not fit.
            case 4 -> List.of("basis", "refused");
            default -> List.of("io");
        };
        assertTrue(codes.contains(run.error("code")), run.out());
        assertTrue(run.error("message").contains(message), run.out());
        assertFalse(run.err().contains("\tat "), run.err());
    }

    @Test
    void capsulesAreMadeAndReadWithASharedBasis() throws IOException {
        for (List<String> how : List.of(List.<String>of(), List.of("--profile", "small"), List.of("--codec", "klt:step=0.2,sink=2,window=3"))) {
            Run encoded = encode(Stream.concat(Stream.of("--basis", basis), how.stream()).toArray());
            assertEquals(0, encoded.exit(), encoded.err());
            assertTrue(((String) encoded.json().get("codec")).contains("basis=" + digest), encoded.out());
            Path restored = folder.resolve("restored");
            for (Run run : List.of(Run.of("decode", "--unsealed", capsule, "-o", restored, "--basis", basis, "--json"), Run.of("verify", "--unsealed", capsule, "--basis", basis, "--json"),
                    Run.of("compare", state, restored, "--model", model, "--json"), Run.of("decode", "--unsealed", capsule, "-o", folder.resolve("prefix"), "--tokens", 5, "--basis", basis, "--json"))) {
                assertEquals(0, run.exit(), run.err());
            }
            assertEquals(Files.size(state), Files.size(restored));
            assertEquals(0, Run.fed(Files.readAllBytes(capsule), "decode", "--unsealed", "-", "-o", restored, "--basis", basis).exit());
        }
        // What a capsule holds can be seen without its basis.
        assertEquals(0, Run.of("inspect", capsule, "--json").exit());
    }

    private static Map<?, ?> fit(Run run) {
        return (Map<?, ?>) run.json().get("basis_fit");
    }

    @Test
    void aBasisThatDoesNotKnowACacheIsToldOf() throws IOException {
        // 4 bits are rough where eight tokens span all there is.
        Path exact = folder.resolve("exact.kvb");
        assertEquals(0, Run.of("calibrate", state, "--model", model, "-o", exact, "--fine", 100).exit());
        Run good = encode("--basis", exact);
        assertEquals(true, fit(good).get("good"), good.out());
        assertFalse(good.err().contains("warning"), good.err());
        assertTrue(Run.of("inspect", capsule).out().contains("basis           fits: "));
        Path start = folder.resolve("start");
        Path narrow = folder.resolve("narrow.kvb");
        assertEquals(0, Run.of("decode", "--unsealed", capsule, "-o", start, "--tokens", 7, "--basis", exact).exit());
        assertEquals(0, Run.of("calibrate", start, "--model", model, "-o", narrow).exit());
        Run bad = encode("--basis", narrow);
        assertEquals(0, bad.exit(), bad.err());
        assertEquals(false, fit(bad).get("good"), bad.out());
        assertTrue(bad.err().contains("warning: ") && bad.err().contains("lies outside the basis") && bad.err().contains("--group 3"), bad.err());
        for (Run later : List.of(Run.of("inspect", capsule, "--json"), Run.of("verify", "--unsealed", capsule, "--basis", narrow, "--json"))) {
            assertEquals(fit(bad), fit(later), later.out());
        }
        assertTrue(Run.of("inspect", capsule).out().contains("does not fit: "));
    }

    @Test
    void aBasisBesideTheCapsuleIsFound() throws IOException {
        assertEquals(0, encode("--basis", basis).exit());
        Files.copy(basis, folder.resolve("any name.kvb"));
        assertEquals(0, Run.of("verify", "--unsealed", capsule).exit());
        assertEquals(0, Run.of("decode", "--unsealed", capsule, "-o", folder.resolve("restored")).exit());
        assertEquals(0, encode("--codec", "klt:step=1,basis=" + digest).exit());
    }

    @Test
    void twoRunsMakeTheSameBasis() throws IOException {
        Path again = folder.resolve("again.kvb");
        assertEquals(0, Run.of("calibrate", state, "--model", model, "-o", again).exit());
        assertEquals(-1, Files.mismatch(basis, again));
        assertTrue(Run.of("calibrate", state, state, "--model", model, "-o", again, "--group", 1, "--components", 3).out().contains("again.kvb: basis "));
    }

    @Test
    void aMissingBasisIsNamedWithThePlacesThatWereSearched() {
        assertEquals(0, encode("--basis", basis).exit());
        for (Run run : List.of(Run.of("decode", "--unsealed", capsule, "-o", folder.resolve("restored"), "--json"), Run.of("verify", "--unsealed", capsule, "--json"))) {
            assertFails(4, digest, run);
            assertTrue(run.error("message").contains(folder.resolve("*.kvb").toString()) && run.error("message").contains("bases"), run.out());
        }
        assertFails(4, digest, encode("--codec", "klt:step=1,basis=" + digest));
        assertFalse(Files.exists(folder.resolve("restored")));
    }

    @Test
    void aBasisOfAnotherModelIsRefused() throws IOException {
        Path gemma = copy("states/gemma3tiny-f16-20.ggsq");
        Path other = folder.resolve("gemma.other");
        assertEquals(0, Run.of("calibrate", gemma, "--model", copy("gguf/tiny-gemma3.gguf"), "-o", other).exit());
        assertFails(4, "another model", encode("--basis", other));
        assertFalse(Files.exists(capsule));
        assertEquals(0, encode("--basis", basis).exit());
        assertFails(4, digest, Run.of("decode", "--unsealed", capsule, "-o", folder.resolve("restored"), "--basis", other, "--json"));
        // The model is the same, but nobody says so.
        assertFails(4, "another model", Run.of("encode", "--unsealed", state, "-o", folder.resolve("x"), "--basis", basis, "--json"));
    }

    @Test
    void aDamagedBasisIsMalformed() throws IOException {
        assertEquals(0, encode("--basis", basis).exit());
        byte[] good = Files.readAllBytes(basis);
        byte[] flipped = good.clone();
        flipped[good.length / 2] ^= 4;
        Files.write(basis, flipped);
        assertFails(3, "damaged", encode("--basis", basis));
        assertFails(3, "damaged", Run.of("decode", "--unsealed", capsule, "-o", folder.resolve("restored"), "--basis", basis, "--json"));
        assertFails(3, "damaged", Run.of("verify", "--unsealed", capsule, "--basis", basis, "--json"));
        Files.write(basis, Arrays.copyOf(good, good.length - 1));
        assertFails(3, "", encode("--basis", basis));
        for (byte[] none : List.of(new byte[0], new byte[10], new byte[100])) {
            Files.write(basis, none);
            assertFails(3, "not a basis file", encode("--basis", basis));
        }
        byte[] later = good.clone();
        later[8] = 4;
        Files.write(basis, later);
        assertFails(4, "version 4", encode("--basis", basis));
        Files.delete(basis);
        assertFails(5, "no such file", encode("--basis", basis));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "STATE", "-o B", "STATE -o B", "STATE --text STATE -o B", "--text STATE -o B", "STATE --model MODEL -o B --weights harm",
        "STATE --model MODEL -o B --weights query", "STATE --model MODEL -o B --weights noise", "STATE --model MODEL -o B --group 0", "STATE --model MODEL -o B --group some",
        "STATE --model MODEL -o B --components 0", "STATE --model MODEL -o B --components x", "--text STATE --model MODEL -o B --tokens 0", "--text STATE --model MODEL -o B", "STATE --model-facts nonsense -o B"})
    void wrongUsageOfCalibrateIsToldAsSuch(String line) {
        Path out = folder.resolve("out.kvb");
        Object[] words = Stream.of(("calibrate --json " + line).strip().split(" ")).map(word -> switch (word) {
            case "STATE" -> state;
            case "MODEL" -> model;
            case "B" -> out;
            default -> word;
        }).toArray();
        assertFails(2, "", Run.of(words));
        assertFalse(Files.exists(out));
    }

    @Test
    void wrongUsageOfBasesIsToldAsSuch() {
        assertFails(2, "2 bases", encode("--basis", basis, "--basis", basis));
        assertFails(2, "basis", encode("--basis", basis, "--codec", "lossless"));
        assertFails(2, "no basis", encode("--basis", basis, "--profile", "fast"));
        assertFails(3, state + ": offset 0, magic: not a basis file", encode("--basis", state));
        assertFails(2, "digest", encode("--codec", "klt:basis=abc"));
        assertFails(2, "one of them", encode("--codec", "klt:ratio=4,max-error=0.1"));
    }

    @Test
    void statesThatCannotBeReadLeaveNoBasis() throws IOException {
        Path out = Files.writeString(folder.resolve("out.kvb"), "before");
        Path gemma = copy("states/gemma3tiny-f16-20.ggsq");
        Path cut = Files.write(folder.resolve("cut.ggsq"), Arrays.copyOf(Files.readAllBytes(state), 1000));
        assertFails(5, "no such file", Run.of("calibrate", folder.resolve("missing"), "--model", model, "-o", out, "--json"));
        assertFails(3, cut.toString(), Run.of("calibrate", cut, "--model", model, "-o", out, "--json"));
        assertFails(3, state.toString(), Run.of("calibrate", state, cut, "--model", state, "-o", out, "--json"));
        Run two = Run.of("calibrate", gemma, state, "--model-facts", "heads=1x16,rope=half-split:10000:16", "-o", out, "--json");
        assertTrue(two.exit() == 3 || two.exit() == 2, two.toString());
        assertEquals("before", Files.readString(out));
    }

    @Test
    void withoutRopeCapsulesOfTheTransformCodecSaySo() {
        assertTrue(Run.of("encode", "--unsealed", state, "-o", capsule, "--codec", "klt:step=1").err().contains("RoPE of the model are unknown"));
        assertFalse(encode("--codec", "klt:step=1").err().contains("unknown"));
        assertEquals(0, Run.of("verify", "--unsealed", capsule).exit());
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama-f16-empty.ggsq", "llama-f16-holes-noflash.ggsq", "llama-f16-two-streams.ggsq", "llama-f32.ggsq", "llama-bf16-noflash.ggsq", "llama-q8_0.ggsq",
        "llama-k-q8_0-v-q4_0.ggsq", "llama-iq4_nl.ggsq", "gemma3tiny-f16-259-wrapped.ggsq", "granitehybrid-f16-noflash.ggsq", "lfm2-f16.ggsq", "mamba.ggsq",
        "qwen2vl-f16-image.ggsq"})
    void statesOfEveryStructureAreCodedWithABasisOfTheirOwn(String name) throws IOException {
        Path other = name.equals(state.getFileName().toString()) ? state : copy("states/" + name);
        Path restored = folder.resolve("restored");
        Run run = Run.of("encode", "--unsealed", other, "-o", capsule, "--codec", "klt:step=0.3", "--json");
        assertEquals(0, run.exit(), run.err());
        assertEquals(0, Run.of("decode", "--unsealed", capsule, "-o", restored).exit());
        assertEquals(0, Run.of("verify", "--unsealed", capsule).exit());
        assertEquals(Files.size(other), Files.size(restored));
        assertEquals(0, Run.of("compare", other, restored).exit());
    }

    @Test
    void kvtcHasItsOwnBasis() throws IOException {
        Path published = folder.resolve("kvtc.kvb");
        Path restored = folder.resolve("restored");
        assertEquals(0, Run.of("calibrate", state, "--model", model, "--codec", "kvtc", "-o", published).exit());
        Run run = encode("--basis", published, "--codec", "kvtc:ratio=4,window=2");
        assertEquals(0, run.exit(), run.err());
        assertEquals(0, Run.of("decode", "--unsealed", capsule, "-o", restored, "--basis", published).exit());
        assertEquals(Files.size(state), Files.size(restored));
        assertFails(2, "--basis is for codec kvtc, not for klt: choose it with --codec", encode("--basis", published));
        assertFails(2, "--basis is for codec kvtc, not for klt", encode("--basis", published, "--codec", "klt:step=1"));
        for (List<String> refused : List.of(List.of("--group", "1"), List.of("--partial"), List.of("--weights", "none", "--group", "2"))) {
            Run usage = Run.of(Stream.concat(Stream.of("calibrate", state, "--model", model, "--codec", "kvtc", "-o", folder.resolve("no.kvb"), "--json"), refused.stream()).toArray());
            assertFails(2, "--codec kvtc has all layers in one transform", usage);
        }
        assertFails(2, "--codec svd: codec svd takes no basis; klt and kvtc do", Run.of("calibrate", state, "--model", model, "--codec", "svd", "-o", folder.resolve("no.kvb"), "--json"));
    }

    @Test
    void aBasisIsSignedAndVerified() throws IOException {
        Path keys = folder.resolve("keys");
        Path signed = folder.resolve("signed.kvb");
        Path signature = folder.resolve("signed.kvb.sig");
        assertEquals(0, Run.of("keys", "new", "--kid", "maker", "--tenant", "acme", "--keys", keys).exit());
        assertFails(2, "leave --sign out", Run.of("calibrate", state, "--model", model, "-o", signed, "--sign", "maker", "--keys", folder.resolve("none"), "--json"));
        assertFalse(Files.exists(signed));
        Run made = Run.of("calibrate", state, "--model", model, "-o", signed, "--sign", "maker", "--keys", keys, "--json");
        assertEquals(0, made.exit(), made.err());
        assertEquals("maker", made.json().get("signed_by"));

        Run verified = Run.of("verify", signed, "--keys", keys, "--json");
        assertEquals(List.of("maker"), verified.json().get("signed_by"), verified.toString());
        assertEquals(digest, verified.json().get("basis"));
        assertEquals(0, Run.of("verify", "--unsealed", basis).exit());
        Run unsigned = Run.of("verify", basis, "--keys", keys, "--json");
        assertEquals(4, unsigned.exit());
        assertTrue(unsigned.error("message").contains("llama.kvb.sig"), unsigned.out());

        Files.copy(signature, folder.resolve("other.kvb.sig"));
        assertEquals(0, Run.of("calibrate", state, state, "--model", model, "-o", folder.resolve("other.kvb")).exit());
        Run other = Run.of("verify", folder.resolve("other.kvb"), "--keys", keys, "--json");
        assertEquals(4, other.exit());
        assertTrue(other.error("message").contains("the signature is of another file"), other.out());
        byte[] damaged = Files.readAllBytes(signed);
        damaged[damaged.length / 2] ^= 1;
        Files.write(signed, damaged);
        assertFails(3, "signed.kvb", Run.of("verify", signed, "--keys", keys, "--json"));
    }

    @Test
    void keysWithoutValuesAreCodedWithEitherBasis() throws IOException {
        Path latent = copy("states/deepseek2-f16.ggsq");
        Path deepseek = copy("gguf/tiny-deepseek2.gguf");
        Path shared = folder.resolve("deepseek.kvb");
        Path restored = folder.resolve("restored");
        assertEquals(0, Run.of("calibrate", latent, "--model", deepseek, "-o", shared).exit());
        assertEquals(0, Run.of("encode", "--unsealed", latent, "-o", capsule, "--model", deepseek, "--basis", shared).exit());
        assertEquals(0, Run.of("decode", "--unsealed", capsule, "-o", restored, "--basis", shared).exit());
        assertEquals(0, Run.of("encode", "--unsealed", latent, "-o", capsule, "--model", deepseek, "--codec", "klt:step=0.3").exit());
        assertEquals(0, Run.of("decode", "--unsealed", capsule, "-o", restored).exit());
        assertEquals(0, Run.of("compare", latent, restored, "--model", deepseek).exit());
    }
}
