package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.format.BasisFit;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.kernel.Kernels;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whether a shared basis that does not know a cache is told of, on real caches. */
@Timeout(120)
class BasisFitTest {
    private static final int[] LAYERS = {0, 14, 29};

    private static Optional<BasisFit> fit(KvCache cache, SharedBasis basis, String parameters) throws IOException {
        Capsules.Encoded encoded = Capsules.encode(cache, basis.codec(parameters), basis.options(2, Kernels.panama()));
        Optional<BasisFit> fit = encoded.report().trailer().fit();
        try (Arena arena = Arena.ofShared()) {
            assertEquals(fit, CapsuleSummary.read(CapsuleReader.of(Capsules.mapped(encoded.bytes(), arena))).trailer().fit());
        }
        return fit;
    }

    @ParameterizedTest
    @ValueSource(strings = {"step=0.5", "step=8", "step=1,window=300,sink=0"})
    void aCacheThatTheBasisHasNotSeenIsTold(String parameters) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache known = TestCaches.real(arena, 256, LAYERS);
            KvCache longer = TestCaches.real(arena, 512, LAYERS);
            SharedBasis basis = SharedBasis.of(known, 0, TestCaches.weights(known.layout(), 2), arena);
            BasisFit good = fit(known, basis, parameters).orElseThrow();
            assertTrue(good.isGood(), good.toString());
            // The second half of the text is new, and 252 tokens span 252 of 1,152 dimensions.
            BasisFit bad = fit(longer, basis, parameters + ",own=0").orElseThrow();
            assertFalse(bad.isGood(), bad.toString());
            assertTrue(bad.outside() > 0.02 && bad.outside() < 0.5, bad.toString());
            assertEquals(good.calibrated(), bad.calibrated(), 1e-12);
            // What the capsule's own components hold is not outside any more.
            BasisFit mended = fit(longer, basis, parameters + ",own=100").orElseThrow();
            assertTrue(mended.outside() < 0.8 * bad.outside(), mended.toString());
        }
    }

    @Test
    void aBasisWithAllComponentsKnowsEveryCache() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache known = TestCaches.real(arena, 450, 7, 8);
            BasisFit fit = fit(TestCaches.real(arena, 512, 7, 8), SharedBasis.of(known, 1, arena), "step=1").orElseThrow();
            assertEquals(0, fit.calibrated());
            assertTrue(fit.isGood(), fit.toString());
        }
    }

    @Test
    void aBasisOfTheCapsulesOwnIsNotMeasured() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            assertEquals(Optional.empty(), Capsules.encode(TestCaches.real(arena, 200, 3), "klt:step=1", Capsules.ONE_THREAD).report().trailer().fit());
        }
    }

    @Test
    void theSameNumbersAtAnyNumberOfThreads() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, 400, LAYERS);
            SharedBasis basis = SharedBasis.of(TestCaches.real(arena, 100, LAYERS), 0, AttentionWeights.NONE, arena);
            Optional<BasisFit> one = Capsules.encode(cache, basis.codec("step=1"), basis.options(1, Kernels.scalar())).report().trailer().fit();
            assertEquals(one, Capsules.encode(cache, basis.codec("step=1"), basis.options(3, Kernels.panama())).report().trailer().fit());
        }
    }
}
