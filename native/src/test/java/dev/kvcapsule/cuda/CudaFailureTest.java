package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.kernel.DeviceException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every call of the driver made to fail, at its first, second, ... use. */
class CudaFailureTest {
    private static final int LAUNCH_FAILED = 719;
    private static final int OUT_OF_MEMORY = 2;
    private static final int MOST_POSITIONS = 6;
    /** What a driver does not give back, or has no context for, stays. */
    private static final Set<String> GIVE_BACK = Set.of("cuCtxSetCurrent", "cuDevicePrimaryCtxRelease_v2", "cuModuleUnload", "cuStreamDestroy_v2", "cuEventDestroy_v2", "cuMemFree_v2", "cuMemFreeHost");
    /** What only explains another failure. */
    private static final Set<String> EXPLAIN = Set.of("cuGetErrorName", "cuGetErrorString");
    /** Not called by a capsule's way through the device. */
    private static final Set<String> ELSEWHERE = Set.of("cuMemGetInfo_v2", "cuMemcpyDtoDAsync_v2");

    static Stream<String> calls() {
        return CudaLibrary.FUNCTIONS.stream().filter(call -> !EXPLAIN.contains(call) && !ELSEWHERE.contains(call));
    }

    private static byte[] use(KvCache cache, Arena arena) throws IOException {
        return Capsules.thereAndBack(cache, "rotated", arena);
    }

    @ParameterizedTest
    @MethodSource("calls")
    void aCallThatFailsIsToldAndLeaksNothing(String call) throws IOException {
        StandIn.require();
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = RealCaches.state("llama-f16.ggsq", arena);
            byte[] expected = use(cache, arena);
            int before = StandIn.calls(call);
            use(cache, arena);
            int uses = StandIn.calls(call) - before;
            assertTrue(uses > 0, call + " is not used");
            for (int i = 0; i < Math.min(uses, MOST_POSITIONS); i++) {
                // The first ones, then spread over all.
                int at = i < MOST_POSITIONS / 2 ? i : (int) ((long) i * (uses - 1) / (MOST_POSITIONS - 1));
                long alive = StandIn.alive();
                StandIn.fail(call, at, LAUNCH_FAILED);
                DeviceException failure = null;
                try {
                    use(cache, arena);
                } catch (DeviceException e) {
                    failure = e;
                }
                StandIn.fail("", 0, 0);
                String what = call + " number " + at + ": " + failure;
                // Threads share the calls, and one may do all the work: later calls need not come, the first one does.
                if (at == 0) {
                    assertTrue(failure != null, what);
                }
                if (failure != null) {
                    String shown = call.replace("_v2", "");
                    boolean named = failure.getMessage().startsWith(shown) || failure.getMessage().startsWith("closing ");
                    assertTrue(named && failure.getMessage().contains("CUDA_ERROR_LAUNCH_FAILED (719): unspecified launch failure"), what);
                }
                long left = StandIn.alive() - alive;
                assertTrue(GIVE_BACK.contains(call) ? left <= 1 : left == 0, what + " leaves " + left);
                if (GIVE_BACK.contains(call)) {
                    StandIn.forget();
                }
                assertArrayEquals(expected, use(cache, arena), "after " + what);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("allocations")
    void withoutMemoryTheProcessorTakesOver(String call, int at) throws IOException {
        StandIn.require();
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = RealCaches.state("llama-f16.ggsq", arena);
            byte[] expected = use(cache, arena);
            long alive = StandIn.alive();
            StandIn.fail(call, at, OUT_OF_MEMORY);
            try {
                assertArrayEquals(expected, use(cache, arena));
            } catch (CudaOutOfMemoryException e) {
                // Without the first pinned memory of a thread nothing can be copied.
                assertTrue(e.getMessage().contains("cuMemHostAlloc"), e.getMessage());
            }
            StandIn.fail("", 0, 0);
            assertEquals(alive, StandIn.alive());
        }
    }

    static Stream<org.junit.jupiter.params.provider.Arguments> allocations() {
        return List.of("cuMemAlloc_v2", "cuMemHostAlloc").stream()
                .flatMap(call -> Stream.of(0, 1, 2, 5, 9, 14).map(at -> org.junit.jupiter.params.provider.Arguments.of(call, at)));
    }
}
