package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.kernel.DeviceException;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.Channels;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Transform codecs through the whole pipeline, with bases of the capsule's own and shared ones: what a device makes is what the processor makes, and either reads the other's. */
class CudaTransformTest {
    private static final int LAUNCH_FAILED = 719;
    private static final int OUT_OF_MEMORY = 2;

    /** A basis in memory, made of one cache. */
    private record Shared(MemorySegment file, String digest) implements Bases {
        static Shared of(String codec, KvCache cache, Arena arena) throws IOException {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            CalibrationOptions options = new CalibrationOptions(codec.equals("klt") ? 1 : 0, 200, codec.equals("klt") ? OptionalInt.of(60) : OptionalInt.empty(), Kernels.scalar(), LinearAlgebras.named("java", 1));
            float[][] paid = new float[8][(int) cache.layout().tokens() * 3 / 4];
            for (float[] layer : paid) {
                for (int t = 0; t < layer.length; t++) {
                    layer[t] = (1 + t % 7) / (float) cache.layout().tokens();
                }
            }
            try (Calibration calibration = Calibrations.of(codec).start(cache.layout(), options)) {
                calibration.add(cache, new TokenAttention(paid));
                calibration.solve(AttentionWeights.NONE, ProgressListener.NONE);
                calibration.train(cache);
                String digest = calibration.write(Map.of("model", "test"), Channels.newChannel(out));
                return new Shared(arena.allocateFrom(ValueLayout.JAVA_BYTE, out.toByteArray()), digest);
            }
        }

        @Override
        public MemorySegment find(String wanted) throws IOException {
            return wanted.equals(digest) ? file : Bases.NONE.find(wanted);
        }

        PipelineOptions options(int threads, Kernels kernels) {
            return new PipelineOptions(threads, kernels, Progress.NONE, this);
        }
    }

    @BeforeEach
    void require() {
        StandIn.require();
        StandIn.memory(1L << 30);
    }

    private static void sameBothWays(KvCache cache, String codec, PipelineOptions device, PipelineOptions processor, Arena arena) throws IOException {
        byte[] expected = Capsules.encode(cache, codec, processor);
        assertArrayEquals(expected, Capsules.encode(cache, codec, device), codec);
        KvCache byDevice = Capsules.decode(expected, arena, device);
        KvCache byProcessor = Capsules.decode(expected, arena, processor);
        assertNull(Capsules.difference(byProcessor, byDevice), codec);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ",step=0.01,sink=0,window=7", ",step=5"})
    void aSharedBasisGivesTheSameCapsule(String parameters) throws IOException {
        try (Arena arena = Arena.ofShared(); CudaKernels cuda = CudaKernels.open()) {
            KvCache cache = RealCaches.smollm2(2, arena);
            Shared shared = Shared.of("klt", cache, arena);
            sameBothWays(cache, "klt:basis=" + shared.digest() + parameters, shared.options(3, cuda.kernels(Kernels.scalar())), shared.options(2, Kernels.scalar()), arena);
        }
        assertEquals(0, StandIn.alive());
    }

    @Test
    void componentsOfTheCapsulesOwnGiveTheSameCapsule() throws IOException {
        try (Arena arena = Arena.ofShared(); CudaKernels cuda = CudaKernels.open()) {
            KvCache cache = RealCaches.smollm2(2, arena);
            Shared shared = Shared.of("klt", cache, arena);
            PipelineOptions processor = shared.options(2, Kernels.scalar());
            String codec = "klt:step=0.5,basis=" + shared.digest();
            sameBothWays(cache, codec + ",own=5", shared.options(3, cuda.kernels(Kernels.scalar())), processor, arena);
            assertTrue(Capsules.encode(cache, codec + ",own=5", processor).length > Capsules.encode(cache, codec + ",own=0", processor).length + 5 * 100, "own components are carried");
        }
        assertEquals(0, StandIn.alive());
    }

    @Test
    void aBasisOfKvtcGivesTheSameCapsule() throws IOException {
        try (Arena arena = Arena.ofShared(); CudaKernels cuda = CudaKernels.open()) {
            KvCache cache = RealCaches.smollm2(1, arena);
            Shared shared = Shared.of("kvtc", cache, arena);
            sameBothWays(cache, "kvtc:ratio=8,basis=" + shared.digest(), shared.options(2, cuda.kernels(Kernels.scalar())), shared.options(2, Kernels.scalar()), arena);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {"llama-f16.ggsq; klt:group=all", "llama-f16.ggsq; klt:group=1,max-error=0.1", "llama-bf16.ggsq; klt:group=1,step=0.003", "granitehybrid-f32.ggsq; klt:sink=0,window=3", "gemma3-q8_0.ggsq; klt",
        "lfm2-f16.ggsq; klt:group=all,step=0.1", "gemma3tiny-f16-259-wrapped.ggsq; klt:group=2,ratio=6", "llama-f16-two-streams.ggsq; klt:step=0.05", "gemma3-q8_0.ggsq; svd:rank=4"})
    void everyStructureWithABasisOfItsOwnGivesTheSameCapsule(String state, String codec) throws IOException {
        try (Arena arena = Arena.ofShared(); CudaKernels cuda = CudaKernels.open()) {
            sameBothWays(RealCaches.state(state, arena), codec, Capsules.options(2, cuda.kernels(Kernels.scalar())), Capsules.options(2, Kernels.scalar()), arena);
        }
        assertEquals(0, StandIn.alive());
    }

    /** Nothing of such a cache goes to the host but coded bytes, sinks and what tells how fine tokens are to be. */
    @Test
    void aCacheInTheDevicesMemoryGivesTheSameCapsuleAndTakesItBack() throws IOException {
        try (Arena arena = Arena.ofShared(); CudaKernels cuda = CudaKernels.open(); Arena memory = Arena.ofShared()) {
            KvCache cache = RealCaches.smollm2(2, arena);
            Shared shared = Shared.of("klt", cache, arena);
            PipelineOptions options = shared.options(3, cuda.kernels(Kernels.scalar()));
            try (DeviceCache there = device(cuda, cache, memory); DeviceCache back = device(cuda, cache, memory)) {
                for (int layer = 0; layer < 2; layer++) {
                    for (Part part : Part.values()) {
                        there.write(0, layer, part, 0, cache.tensor(0, layer, part));
                    }
                }
                there.synchronize();
                byte[] capsule = Capsules.encode(there, "klt:basis=" + shared.digest(), options);
                assertArrayEquals(Capsules.encode(cache, "klt:basis=" + shared.digest(), shared.options(2, Kernels.scalar())), capsule);
                new CapsuleDecoder(Capsules.reader(capsule, arena)).decode(back, options);
                back.synchronize();
                KvCache expected = Capsules.decode(capsule, arena, shared.options(2, Kernels.scalar()));
                DeviceMemory copies = new DeviceMemory(cuda.device());
                for (int layer = 0; layer < 2; layer++) {
                    for (Part part : Part.values()) {
                        MemorySegment tensor = back.inPlace(0, layer, part);
                        assertEquals(-1, HostOperands.fetched(copies, arena, tensor, tensor.byteSize()).mismatch(expected.tensor(0, layer, part)));
                    }
                }
                assertThrows(IllegalArgumentException.class, () -> Capsules.encode(there, "klt:ratio=9,basis=" + shared.digest(), options));
                assertThrows(IllegalArgumentException.class, () -> Capsules.encode(there, "klt", options));
            }
        }
    }

    private static DeviceCache device(CudaKernels cuda, KvCache cache, Arena memory) {
        DeviceCache there = new DeviceCache(cuda, cache.layout());
        for (int layer = 0; layer < 2; layer++) {
            for (Part part : Part.values()) {
                there.put(0, layer, part, cuda.context().allocate(memory, cache.tensor(0, layer, part).byteSize()));
            }
        }
        for (int blob = 0; blob < cache.layout().blobs().size(); blob++) {
            there.addBlob(cache.blob(blob));
        }
        return there;
    }

    @Test
    void infinitiesFallBackToTheSameLosslessTiles() throws IOException {
        try (Arena arena = Arena.ofShared(); CudaKernels cuda = CudaKernels.open()) {
            KvCache cache = RealCaches.state("llama-f16.ggsq", arena);
            cache.tensor(0, 0, Part.KEY).set(ValueLayout.JAVA_SHORT_UNALIGNED, 6, (short) 0x7c00);
            cache.tensor(0, 1, Part.VALUE).set(ValueLayout.JAVA_SHORT_UNALIGNED, 2, (short) 0x7e01);
            sameBothWays(cache, "klt:group=1,sink=0", Capsules.options(2, cuda.kernels(Kernels.scalar())), Capsules.options(2, Kernels.scalar()), arena);
        }
    }

    @Test
    void theSecondCapsuleSendsNoBasis() throws IOException {
        try (Arena arena = Arena.ofShared(); CudaKernels cuda = CudaKernels.open()) {
            KvCache cache = RealCaches.smollm2(2, arena);
            Shared shared = Shared.of("klt", cache, arena);
            String codec = "klt:basis=" + shared.digest();
            PipelineOptions options = shared.options(2, cuda.kernels(Kernels.scalar()));
            long start = StandIn.uploaded();
            Capsules.encode(cache, codec, options);
            long first = StandIn.uploaded() - start;
            long resident = cuda.device().residents().bytes();
            // Parsed anew each time: what is unpacked from 4 bits is other memory, the rest is in the file.
            assertTrue(resident > shared.file().byteSize() / 2, resident + " bytes stay");
            PipelineOptions decoding = shared.options(2, cuda.kernels(Kernels.scalar()));
            byte[] capsule = Capsules.encode(cache, codec, options);
            start = StandIn.uploaded();
            Capsules.decode(capsule, arena, decoding);
            long decoded = StandIn.uploaded() - start;
            assertTrue(decoded < first, decoded + " after " + first);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {8 << 20, 3 << 20, 1 << 20, 200_000, 0})
    void withLittleMemoryTheResultIsTheSame(long bytes) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = RealCaches.smollm2(2, arena);
            Shared shared = Shared.of("klt", cache, arena);
            StandIn.memory(bytes);
            try (CudaKernels small = CudaKernels.open()) {
                Kernels kernels = small.kernels(Kernels.scalar());
                sameBothWays(cache, "klt:step=0.3,basis=" + shared.digest(), shared.options(2, kernels), shared.options(2, Kernels.scalar()), arena);
                sameBothWays(RealCaches.state("llama-f16-holes.ggsq", arena), "klt:group=1", Capsules.options(2, kernels), Capsules.options(2, Kernels.scalar()), arena);
            }
        }
        assertEquals(0, StandIn.alive());
    }

    @Test
    void aDamagedPayloadIsRefusedAsOnTheProcessor() throws IOException {
        try (Arena arena = Arena.ofShared(); CudaKernels cuda = CudaKernels.open()) {
            byte[] capsule = Capsules.encode(RealCaches.state("llama-f16.ggsq", arena), "klt:group=all,step=0.1", Capsules.options(1, Kernels.scalar()));
            Capsules.refusedAlike(capsule, capsule.length / 3, capsule.length / 60, Capsules.options(1, Kernels.scalar()), Capsules.options(1, cuda.kernels(Kernels.scalar())));
        }
    }

    private static byte[] use(KvCache cache, Arena arena) throws IOException {
        return Capsules.thereAndBack(cache, "klt:group=1,step=0.2", arena);
    }

    @ParameterizedTest
    @ValueSource(strings = {"cuLaunchKernel", "cuMemAlloc_v2", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuStreamSynchronize", "cuMemsetD8Async"})
    void aCallThatFailsIsToldAndLeaksNothing(String call) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = RealCaches.state("llama-f16.ggsq", arena);
            byte[] expected = use(cache, arena);
            int before = StandIn.calls(call);
            use(cache, arena);
            int uses = StandIn.calls(call) - before;
            assertTrue(uses > 0, call + " is not used");
            for (int i = 0; i < 12; i++) {
                int at = (int) ((long) i * (uses - 1) / 12);
                long alive = StandIn.alive();
                StandIn.fail(call, at, LAUNCH_FAILED);
                DeviceException failure = null;
                try {
                    use(cache, arena);
                } catch (DeviceException e) {
                    failure = e;
                }
                StandIn.fail("", 0, 0);
                assertTrue(at > 0 || failure != null, call + " number " + at);
                assertEquals(alive, StandIn.alive(), call + " number " + at + ": " + failure);
                assertArrayEquals(expected, use(cache, arena), "after " + failure);
            }
        }
    }

    @Test
    void withoutMemoryAtAnyPlaceTheProcessorTakesOver() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = RealCaches.state("llama-f16.ggsq", arena);
            byte[] expected = use(cache, arena);
            int before = StandIn.calls("cuMemAlloc_v2");
            use(cache, arena);
            int uses = StandIn.calls("cuMemAlloc_v2") - before;
            long alive = StandIn.alive();
            for (int at = 0; at < uses; at += 1 + uses / 30) {
                StandIn.fail("cuMemAlloc_v2", at, OUT_OF_MEMORY);
                assertArrayEquals(expected, use(cache, arena), "allocation " + at);
                StandIn.fail("", 0, 0);
                assertEquals(alive, StandIn.alive(), "allocation " + at);
            }
        }
    }
}
