package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.serving.CacheImage;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A llama.cpp state file, written around the places of its tensors. */
final class StateImage implements CacheImage {
    private final StatePlan plan;
    private final Header header;
    private final long bytes;

    /**
     * What stands in front of the payload.
     *
     * @param before fields before the prompt words
     * @param prompt the words; empty if the envelope has none
     * @param after fields behind them
     * @param origin the origin facts of the file that results
     */
    record Header(byte[] before, MemorySegment prompt, byte[] after, Map<String, String> origin) {}

    StateImage(StatePlan plan, Header header) {
        this.plan = plan;
        this.header = header;
        this.bytes = Math.addExact(plan.bytes(), header.before.length + header.prompt.byteSize() + header.after.length);
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public KvCache write(MemorySegment out) {
        if (out.byteSize() != bytes) {
            throw new IllegalArgumentException("an image of " + bytes + " bytes written to " + out.byteSize());
        }
        return new Writer(out).write();
    }

    private final class Writer {
        private final MemorySegment out;
        private final List<SubCache> subCaches = new ArrayList<>();
        private final List<List<MemorySegment>> keys = new ArrayList<>();
        private final List<List<MemorySegment>> values = new ArrayList<>();
        private final List<CacheLayout.Blob> blobs = new ArrayList<>();
        private final List<MemorySegment> blobBytes = new ArrayList<>();
        private long at;

        Writer(MemorySegment out) {
            this.out = out;
        }

        KvCache write() {
            copy(MemorySegment.ofArray(header.before));
            blob(Origin.PROMPT_BLOB, header.prompt);
            copy(MemorySegment.ofArray(header.after));
            for (StatePlan.Block block : plan.blocks()) {
                i32(block.streams().size());
                for (StatePlan.Stream stream : block.streams()) {
                    if (stream == null) {
                        i32(0);
                    } else {
                        stream(stream);
                    }
                }
            }
            plan.recurrent().ifPresent(recurrent -> blob(Origin.RECURRENT_BLOB, recurrent));

            KvCache.Builder cache = new KvCache.Builder(new CacheLayout(plan.tokens(), subCaches, blobs, header.origin));
            for (int s = 0; s < subCaches.size(); s++) {
                for (int l = 0; l < keys.get(s).size(); l++) {
                    cache.add(s, Part.KEY, keys.get(s).get(l));
                    cache.add(s, Part.VALUE, values.get(s).get(l));
                }
            }
            blobBytes.forEach(cache::addBlob);
            return cache.build();
        }

        private void stream(StatePlan.Stream stream) {
            SubCache sub = stream.sub();
            i32(sub.cells());
            if (stream.records() != null) {
                blob(Origin.CELLS_BLOB + sub.name(), stream.records());
            } else {
                Cells.writePlain(out.asSlice(at, stream.cellBytes()), sub.positions(), stream.sequence());
                at += stream.cellBytes();
            }
            boolean transposed = sub.valueOrder() == TensorOrder.CHANNEL_MAJOR;
            i32(transposed ? 1 : 0);
            i32(sub.layers().size());
            List<MemorySegment> streamKeys = new ArrayList<>();
            List<MemorySegment> streamValues = new ArrayList<>();
            for (LayerLayout layer : sub.layers()) {
                streamKeys.add(rows(layer, Part.KEY, sub.cells()));
            }
            for (LayerLayout layer : sub.layers()) {
                streamValues.add(!layer.has(Part.VALUE) ? out.asSlice(at, 0)
                        : transposed ? columns(layer, sub.cells()) : rows(layer, Part.VALUE, sub.cells()));
            }
            subCaches.add(sub);
            keys.add(streamKeys);
            values.add(streamValues);
        }

        private MemorySegment rows(LayerLayout layer, Part part, int cells) {
            i32(GgmlType.id(layer.type(part)));
            out.set(Input.I64, at, layer.rowBytes(part));
            at += 8;
            return tensor(layer.rowBytes(part) * cells);
        }

        private MemorySegment columns(LayerLayout layer, int cells) {
            i32(GgmlType.id(layer.valueType()));
            i32(layer.valueType().blockBytes());
            i32(layer.width(Part.VALUE));
            return tensor(layer.rowBytes(Part.VALUE) * cells);
        }

        private MemorySegment tensor(long length) {
            MemorySegment tensor = out.asSlice(at, length);
            at += length;
            return tensor;
        }

        private void i32(int value) {
            out.set(Input.I32, at, value);
            at += 4;
        }

        private MemorySegment copy(MemorySegment source) {
            MemorySegment target = out.asSlice(at, source.byteSize());
            target.copyFrom(source);
            at += source.byteSize();
            return target;
        }

        private void blob(String name, MemorySegment source) {
            MemorySegment target = copy(source);
            if (target.byteSize() > 0) {
                blobs.add(new CacheLayout.Blob(name, target.byteSize()));
                blobBytes.add(target);
            }
        }
    }
}
