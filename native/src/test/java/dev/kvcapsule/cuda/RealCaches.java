package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** The caches of the test data. */
final class RealCaches {
    private RealCaches() {}

    /** 512 tokens of SmolLM2-135M, its first layers: 3 heads of 64 channels each, f16, with RoPE. */
    static KvCache smollm2(int layers, Arena arena) throws IOException {
        try (InputStream in = Samples.smollm2Code512()) {
            KvCache all = read(in, ModelFacts.parse(Samples.SMOLLM2_FACTS), arena);
            SubCache sub = all.layout().subCaches().getFirst();
            SubCache first = new SubCache(sub.name(), sub.positions(), sub.keyOrder(), sub.valueOrder(), sub.layers().subList(0, layers));
            KvCache.Builder some = new KvCache.Builder(new CacheLayout(all.layout().tokens(), List.of(first), all.layout().blobs(), all.layout().origin()));
            for (int layer = 0; layer < layers; layer++) {
                some.add(0, Part.KEY, all.tensor(0, layer, Part.KEY)).add(0, Part.VALUE, all.tensor(0, layer, Part.VALUE));
            }
            for (int blob = 0; blob < all.layout().blobs().size(); blob++) {
                some.addBlob(all.blob(blob));
            }
            return some.build();
        }
    }

    /** A small one of some structure, by its file name. */
    static KvCache state(String name, Arena arena) throws IOException {
        try (InputStream in = Samples.state(name)) {
            return read(in, ModelFacts.UNKNOWN, arena);
        }
    }

    private static KvCache read(InputStream in, ModelFacts facts, Arena arena) throws IOException {
        byte[] bytes = in.readAllBytes();
        MemorySegment memory = arena.allocate(bytes.length, 64);
        MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
        return CacheFormats.read(memory, facts);
    }
}
