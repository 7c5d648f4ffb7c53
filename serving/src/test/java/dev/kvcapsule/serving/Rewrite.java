package dev.kvcapsule.serving;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Stands in for encoder and decoder: writes a file around the tensors of a cache, which it copies row by row. */
public final class Rewrite {
    private Rewrite() {}

    /** A file that was written and the cache in it. */
    public record Written(MemorySegment file, KvCache cache) {}

    /** The contents of all blobs. */
    public static List<MemorySegment> blobs(KvCache cache) {
        List<MemorySegment> blobs = new ArrayList<>();
        for (int b = 0; b < cache.layout().blobs().size(); b++) {
            blobs.add(cache.blob(b));
        }
        return blobs;
    }

    /** Plans, writes and fills a file. */
    public static Written write(KvCache cache, CacheFormats.Choice choice, Arena arena) throws MalformedDataException {
        CacheImage image = choice.format().plan(cache.layout(), blobs(cache), choice.target());
        MemorySegment out = arena.allocate(image.bytes(), 64);
        KvCache target = image.write(out);
        copyTensors(cache, target);
        return new Written(out, target);
    }

    /** Copies the tokens that the target keeps, in position order, whatever the order of either side. */
    static void copyTensors(KvCache from, KvCache to) {
        int targetSub = 0;
        CacheLayout layout = from.layout();
        for (int s = 0; s < layout.subCaches().size(); s++) {
            SubCache source = layout.subCaches().get(s);
            SubCache target = to.layout().subCaches().get(targetSub++);
            int[] sourceCells = order(source);
            int[] targetCells = order(target);
            for (int l = 0; l < source.layers().size(); l++) {
                for (Part part : Part.values()) {
                    copy(from.tensor(s, l, part), source, sourceCells, to.tensor(s, l, part), target, targetCells, source.layers().get(l), part);
                }
            }
        }
    }

    private static int[] order(SubCache sub) {
        int[] order = sub.positions().tokenOrder();
        if (order == null) {
            order = new int[sub.cells()];
            Arrays.setAll(order, i -> i);
        }
        return order;
    }

    private static void copy(MemorySegment from, SubCache source, int[] sourceCells, MemorySegment to, SubCache target, int[] targetCells,
            LayerLayout layer, Part part) {
        DType type = layer.type(part);
        int blocks = layer.width(part) / type.blockElements();
        for (int t = 0; t < targetCells.length; t++) {
            for (int block = 0; block < blocks; block++) {
                MemorySegment.copy(from, offset(source, sourceCells[t], block, layer, part), to, offset(target, targetCells[t], block, layer, part),
                        type.blockBytes());
            }
        }
    }

    private static long offset(SubCache sub, int cell, int block, LayerLayout layer, Part part) {
        DType type = layer.type(part);
        int headBlocks = layer.headDim(part) / type.blockElements();
        TensorOrder order = sub.order(part);
        long index = switch (order) {
            case TOKEN_MAJOR -> (long) cell * (layer.width(part) / type.blockElements()) + block;
            case CHANNEL_MAJOR -> (long) block * sub.cells() + cell;
            case HEAD_MAJOR -> ((long) (block / headBlocks) * sub.cells() + cell) * headBlocks + block % headBlocks;
        };
        return index * type.blockBytes();
    }
}
