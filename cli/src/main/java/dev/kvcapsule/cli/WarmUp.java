package dev.kvcapsule.cli;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.memory.MemoryChannel;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.CapsuleFiles;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;

/**
 * Has a codec compiled before somebody waits for it: encodes and decodes the sample until its loops are hot, with one thread and nothing on the disk. A codec that cannot carry the sample, such as
 * one with the basis of another model, stays cold.
 */
final class WarmUp implements Runnable {
    /** After these many C2 has had what it wants: a few seconds of one processor. */
    private static final int ROUNDS = 8;

    /** The sample has 11.8 MB, and no capsule of it more. */
    private static final int ROOM = 16 << 20;

    private final Codec codec;
    private final PipelineOptions pipeline;

    private WarmUp(Codec codec, PipelineOptions pipeline) {
        this.codec = codec;
        this.pipeline = pipeline;
    }

    /** Begins, and does not keep the program from ending. */
    static void start(Codec codec, PipelineOptions pipeline) {
        Thread.ofPlatform().daemon().name("kvcapsule-warm-up").start(new WarmUp(codec, new PipelineOptions(1, pipeline.kernels(), Progress.NONE, pipeline.bases())));
    }

    @Override
    public void run() {
        try (Arena arena = Arena.ofShared(); InputStream sample = Samples.smollm2Code512()) {
            ByteBuffer state = arena.allocate(ROOM).asByteBuffer();
            ReadableByteChannel in = Channels.newChannel(sample);
            while (in.read(state) >= 0) {
                // Until all of it is there.
            }
            KvCache cache = CacheFormats.read(MemorySegment.ofBuffer(state.flip()), ModelFacts.parse(Samples.SMOLLM2_FACTS));
            MemorySegment room = arena.allocate(ROOM);
            for (int round = 0; round < ROUNDS; round++) {
                MemoryChannel capsule = new MemoryChannel(room);
                CapsuleEncoder.encode(cache, codec, capsule, pipeline);
                CapsuleFiles.verify(CapsuleReader.of(capsule.passed()), pipeline);
            }
        } catch (IOException | RuntimeException e) {
            // Only time is lost: what is asked for works without.
        }
    }
}
