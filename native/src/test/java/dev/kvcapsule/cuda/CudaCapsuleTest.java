package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Real caches through the whole pipeline: what a device makes is what the processor makes, and either reads the other's. */
class CudaCapsuleTest {
    private static final PipelineOptions SCALAR = Capsules.options(2, Kernels.scalar());

    private static CudaKernels cuda;
    private static PipelineOptions device;

    @BeforeAll
    static void open() {
        cuda = StandIn.open();
        device = Capsules.options(2, cuda.kernels(Kernels.scalar()));
    }

    @AfterAll
    static void close() {
        if (cuda != null) {
            cuda.close();
            assertEquals(0, StandIn.alive());
        }
    }

    private static void sameBothWays(KvCache cache, String codec, Arena arena) throws IOException {
        byte[] expected = Capsules.encode(cache, codec, SCALAR);
        byte[] capsule = Capsules.encode(cache, codec, device);
        assertArrayEquals(expected, capsule, codec);
        KvCache byDevice = Capsules.decode(capsule, arena, device);
        KvCache byProcessor = Capsules.decode(capsule, arena, SCALAR);
        assertNull(Capsules.difference(byProcessor, byDevice), codec);
    }

    @ParameterizedTest
    @ValueSource(strings = {"kivi:bits=4,entropy=off,residual=32", "kivi:bits=2,group=64,rope=pre,residual=32,sink=4", "rotated:bits=4", "rotated:bits=3,rope=post,mean=off,entropy=off", "fp8"})
    void aRealCacheGivesTheSameCapsule(String codec) throws IOException {
        StandIn.overlap();
        try (Arena arena = Arena.ofShared()) {
            sameBothWays(RealCaches.smollm2(8, arena), codec, arena);
        }
        assertEquals(2, StandIn.overlap(), "two threads' tiles are not under way at once");
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {"llama-f16.ggsq; lossless", "llama-f16.ggsq; raw", "llama-bf16.ggsq; kivi:bits=8,residual=0", "llama-bf16.ggsq; rotated:bits=2", "granitehybrid-f32.ggsq; kivi:residual=0",
        "granitehybrid-f32.ggsq; rotated", "granitehybrid-f32.ggsq; fp8", "gemma3-q8_0.ggsq; kivi:residual=0", "gemma3-q8_0.ggsq; fp8", "gemma3tiny-f16-259-wrapped-noflash.ggsq; rotated:bits=4",
        "gemma3tiny-f16-259-wrapped.ggsq; klt:basis=none,group=1", "gemma3tiny-f16-259-wrapped.ggsq; svd:rank=8", "gemma3tiny-f16-259-wrapped.ggsq; cachegen", "llama-f16-two-streams.ggsq; kivi:residual=0"})
    void everyCodecAndStructureGivesTheSameCapsule(String state, String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            sameBothWays(RealCaches.state(state, arena), codec, arena);
        }
    }

    @Test
    void infinitiesAndNanFallBackToTheSameLosslessTiles() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = RealCaches.state("llama-f16.ggsq", arena);
            cache.tensor(0, 0, Part.KEY).set(ValueLayout.JAVA_SHORT_UNALIGNED, 6, (short) 0x7c00);
            cache.tensor(0, 1, Part.VALUE).set(ValueLayout.JAVA_SHORT_UNALIGNED, 2, (short) 0x7e01);
            for (String codec : new String[] {"kivi:residual=0", "rotated:sink=0", "fp8"}) {
                sameBothWays(cache, codec, arena);
            }
        }
    }

    @Test
    void aDamagedPayloadIsRefusedAsOnTheProcessor() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = RealCaches.state("llama-f16.ggsq", arena);
            byte[] capsule = Capsules.encode(cache, "rotated", SCALAR);
            Capsules.refusedAlike(capsule, capsule.length / 2, capsule.length / 40, SCALAR, device);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {3 << 20, 1 << 20, 200_000, 0})
    void withLittleMemoryTheResultIsTheSame(long bytes) throws IOException {
        StandIn.memory(bytes);
        try (Arena arena = Arena.ofShared(); CudaKernels small = CudaKernels.open()) {
            PipelineOptions options = Capsules.options(2, small.kernels(Kernels.scalar()));
            for (String codec : new String[] {"kivi:residual=0,rope=pre", "rotated", "fp8", "lossless"}) {
                KvCache cache = RealCaches.state("llama-f16-holes.ggsq", arena);
                byte[] expected = Capsules.encode(cache, codec, SCALAR);
                assertArrayEquals(expected, Capsules.encode(cache, codec, options), codec);
                assertNull(Capsules.difference(Capsules.decode(expected, arena, SCALAR), Capsules.decode(expected, arena, options)), codec);
            }
        } finally {
            StandIn.memory(1L << 30);
        }
    }
}
