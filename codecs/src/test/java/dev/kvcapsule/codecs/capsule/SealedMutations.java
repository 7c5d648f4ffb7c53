package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.seal.Caller;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.RestorePolicy;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;

/**
 * Random changes of a sealed capsule of any size, for capsules that are too large for the repository: {@code CAPSULE KEYS ORG USER COUNT}. Each must be refused, and the
 * capsule as it was must open before and after.
 */
final class SealedMutations {
    private static final PipelineOptions TWO = new PipelineOptions(2, Kernels.scalar(), Progress.NONE);

    private SealedMutations() {}

    public static void main(String[] args) throws IOException {
        KeyFolder keys = KeyFolder.open(Path.of(args[1]), null);
        RestorePolicy policy = RestorePolicy.of(new Caller(args[2], args[3], Optional.empty(), Set.of()));
        Map<RefusalCode, Integer> codes = new EnumMap<>(RefusalCode.class);
        try (Arena arena = Arena.ofShared(); FileChannel channel = FileChannel.open(Path.of(args[0]))) {
            MemorySegment capsule = arena.allocate(channel.size());
            capsule.copyFrom(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
            open(capsule, keys, policy);
            for (int i = 0; i < Integer.parseInt(args[4]); i++) {
                Random random = new Random(i);
                long[] places = random.longs(1 + random.nextInt(3), 0, capsule.byteSize()).distinct().toArray();
                byte mask = (byte) (1 + random.nextInt(255));
                flip(capsule, places, mask);
                try {
                    open(capsule, keys, policy);
                    throw new AssertionError("mutation " + i + " was not refused");
                } catch (CapsuleRefusedException e) {
                    codes.merge(e.code(), 1, Integer::sum);
                }
                flip(capsule, places, mask);
            }
            open(capsule, keys, policy);
            System.out.println(capsule.byteSize() + " bytes, refused: " + codes);
        }
    }

    private static void flip(MemorySegment capsule, long[] places, byte mask) {
        for (long at : places) {
            capsule.set(ValueLayout.JAVA_BYTE, at, (byte) (capsule.get(ValueLayout.JAVA_BYTE, at) ^ mask));
        }
    }

    private static void open(MemorySegment capsule, KeyFolder keys, RestorePolicy policy) throws IOException {
        try (CapsuleOpening opening = new CapsuleOpening(keys, policy)) {
            Capsules.drain(CapsuleReader.of(capsule, opening), TWO);
        }
    }
}
