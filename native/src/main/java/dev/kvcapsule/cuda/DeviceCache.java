package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.TileSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A cache in a device's memory, whose tensors somebody else has allocated, each in one piece or in pages. A capsule is made of it, and restored into it, without its rows
 * crossing the bus where the codec works on the device (kivi, rotated, fp8):
 *
 * <pre>{@code
 * try (CudaKernels cuda = CudaKernels.open(); DeviceCache cache = new DeviceCache(cuda, layout)) {
 *     cache.put(0, layer, Part.KEY, address);              // or cache.setPages(0, table) and cache.put(0, layer, Part.KEY, new PagedTensor(...))
 *     PipelineOptions options = new PipelineOptions(4, cuda.kernels(Kernels.best()), Progress.NONE);
 *     CapsuleEncoder.encode(cache, codec, channel, options, null);
 *     new CapsuleDecoder(reader).decode(cache, options);
 *     cache.synchronize();
 * }
 * }</pre>
 *
 * Whatever wrote the cache must be done (its stream synchronized) before it is encoded; after it has been decoded, {@link #synchronize} waits until everything is there. Rows are in the
 * order of tokens, [token][head][channel].
 */
public final class DeviceCache implements TileSource, CacheSink, AutoCloseable {
    private static final int ZEROED_AT_ONCE = 256;

    private record Key(int sub, int layer, Part part) {}

    /** Where a tensor is: in one piece if there are no pages. */
    private record Place(MemorySegment memory, PagedTensor pages) {}

    private record Table(PageTable pages, MemorySegment blocks) {}

    private final Device device;
    private final DeviceMemory memory;
    private final CacheLayout layout;
    private final Arena arena = Arena.ofShared();
    private final Map<Key, Place> places = new HashMap<>();
    private final Map<Integer, Table> tables = new HashMap<>();
    private final Map<Long, MemorySegment> adopted = new HashMap<>();
    private final List<MemorySegment> blobs = new ArrayList<>();

    /**
     * @param cuda the device; stays open longer
     * @param layout what the cache consists of; every tensor is then {@linkplain #put put} in its place
     * @throws IllegalArgumentException if rows are not in the order of tokens
     */
    public DeviceCache(CudaKernels cuda, CacheLayout layout) {
        this.device = cuda.device();
        this.memory = new DeviceMemory(device);
        this.layout = layout;
        for (SubCache sub : layout.subCaches()) {
            if (sub.positions().tokenOrder() != null || sub.keyOrder() != TensorOrder.TOKEN_MAJOR || sub.valueOrder() != TensorOrder.TOKEN_MAJOR) {
                throw new IllegalArgumentException("a cache in a device's memory has its rows in the order of tokens, " + sub.name() + " has not");
            }
        }
    }

    private long bytes(int sub, int layer, Part part) {
        return layout.subCaches().get(sub).layers().get(layer).rowBytes(part) * layout.subCaches().get(sub).cells();
    }

    private MemorySegment adopt(long address, long bytes) {
        return adopted.computeIfAbsent(address, key -> device.context().adopt(arena, address, bytes));
    }

    /**
     * Says where a tensor is, in one piece.
     *
     * @param sub index of the sub-cache
     * @param layer index of the layer within it
     * @param address as the device knows it
     */
    public DeviceCache put(int sub, int layer, Part part, long address) {
        return put(sub, layer, part, adopt(address, bytes(sub, layer, part)));
    }

    /**
     * The same for memory of {@link CudaContext#allocate}.
     *
     * @throws IllegalArgumentException if it is not the device's, or has not the size that the layout says
     */
    public DeviceCache put(int sub, int layer, Part part, MemorySegment tensor) {
        if (!device.context().isDevice(tensor) || tensor.byteSize() != bytes(sub, layer, part)) {
            throw new IllegalArgumentException(part.letter() + " of layer " + layer + " is no " + bytes(sub, layer, part) + " bytes of the device's memory");
        }
        places.put(new Key(sub, layer, part), new Place(tensor, null));
        return this;
    }

    /**
     * Says which blocks hold the tokens of a sub-cache.
     *
     * @throws IllegalArgumentException if there are too few
     */
    public DeviceCache setPages(int sub, PageTable pages) {
        int[] blocks = pages.blocks();
        if ((long) blocks.length * pages.blockTokens() < layout.subCaches().get(sub).cells()) {
            throw new IllegalArgumentException(pages + " do not hold " + layout.subCaches().get(sub).cells() + " tokens");
        }
        MemorySegment there = device.context().allocate(arena, Math.max(4, 4L * blocks.length));
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment host = temporary.allocate(Math.max(4, 4L * blocks.length), 4);
            MemorySegment.copy(blocks, 0, host, ValueLayout.JAVA_INT, 0, blocks.length);
            memory.copy(host, 0, there, 0, host.byteSize());
        }
        device.lane().stream().synchronize();
        tables.put(sub, new Table(pages, there));
        return this;
    }

    /**
     * Says where a tensor is, in pages; {@link #setPages} comes first.
     *
     * @throws IllegalArgumentException if a token lies outside the pages
     */
    public DeviceCache put(int sub, int layer, Part part, PagedTensor tensor) {
        Table table = tables.get(sub);
        long rowBytes = layout.subCaches().get(sub).layers().get(layer).rowBytes(part);
        if (table == null) {
            throw new IllegalArgumentException("sub-cache " + sub + " has no page table yet");
        }
        if (table.pages().end(tensor, layout.subCaches().get(sub).cells(), rowBytes) > tensor.bytes()) {
            throw new IllegalArgumentException("the page table leads out of the " + tensor.bytes() + " bytes of " + part.letter() + " of layer " + layer);
        }
        places.put(new Key(sub, layer, part), new Place(adopt(tensor.address(), tensor.bytes()), tensor));
        return this;
    }

    /** Adds the next blob, in the host's memory. */
    public DeviceCache addBlob(MemorySegment blob) {
        blobs.add(blob);
        return this;
    }

    @Override
    public CacheLayout layout() {
        return layout;
    }

    @Override
    public MemorySegment blob(int index) {
        return blobs.get(index);
    }

    @Override
    public boolean isDevice() {
        return true;
    }

    private Place place(int sub, int layer, Part part) {
        Place place = places.get(new Key(sub, layer, part));
        if (place == null) {
            throw new IllegalStateException("nobody has said where " + part.letter() + " of layer " + layer + " of sub-cache " + sub + " is");
        }
        return place;
    }

    @Override
    public List<TileTensor> read(Tile tile, Scratch scratch) {
        SubCache sub = layout.subCaches().get(tile.subCache());
        int[] positions = new int[tile.tokens()];
        sub.positions().copy(null, tile.firstToken(), tile.tokens(), positions);
        List<TileTensor> tensors = new ArrayList<>();
        scratch.reset();
        for (int number = tile.firstTensor(); number < tile.firstTensor() + tile.tensors(); number++) {
            LayerLayout layer = sub.layers().get(number / 2);
            Part part = TilePlan.part(number);
            if (layer.has(part)) {
                Place place = place(tile.subCache(), number / 2, part);
                long rowBytes = layer.rowBytes(part);
                MemorySegment rows;
                if (place.pages() == null) {
                    rows = place.memory().asSlice(tile.firstToken() * rowBytes, tile.tokens() * rowBytes);
                } else {
                    rows = scratch.take(tile.tokens() * rowBytes);
                    move(tile.subCache(), place, tile.firstToken(), tile.tokens(), rowBytes, rows, false);
                }
                tensors.add(new TileTensor(layer, part, tile.tokens(), rows, positions));
            }
        }
        return tensors;
    }

    /** Rows out of pages, or into them. */
    private void move(int sub, Place place, long first, int tokens, long rowBytes, MemorySegment rows, boolean scatter) {
        Table table = tables.get(sub);
        PagedTensor pages = place.pages();
        try (Operation operation = device.begin()) {
            long at = scatter ? operation.in(rows, 0, tokens * rowBytes) : operation.out(rows, 0, tokens * rowBytes);
            long all = place.memory().address() | pages.blockBytes() | pages.tokenBytes() | rowBytes | at;
            int unit = (all & 15) == 0 ? 16 : (all & 1) == 0 ? 2 : 1;
            Parameters parameters = operation.parameters().put(place.memory().address()).put(table.blocks().address()).put(at).put(pages.blockBytes()).put(pages.tokenBytes()).put(first)
                    .put(Math.toIntExact(rowBytes)).put(tokens).put(table.pages().blockTokens()).put(unit).put(scatter).put(0);
            operation.launchFor(Kernel.MOVE_PAGES, tokens, (int) (rowBytes / unit), parameters);
            operation.finish();
        }
    }

    @Override
    public MemorySegment inPlace(int sub, int layer, Part part) {
        Place place = place(sub, layer, part);
        return place.pages() == null ? place.memory() : MemorySegment.NULL;
    }

    @Override
    public void write(int sub, int layer, Part part, long offset, MemorySegment bytes) {
        Place place = place(sub, layer, part);
        long rowBytes = layout.subCaches().get(sub).layers().get(layer).rowBytes(part);
        if (place.pages() == null) {
            memory.copy(bytes, 0, place.memory(), offset, bytes.byteSize());
        } else {
            move(sub, place, offset / rowBytes, Math.toIntExact(bytes.byteSize() / rowBytes), rowBytes, bytes, true);
        }
    }

    /** Waits until everything that any thread has asked of the device is done. */
    public void synchronize() {
        device.synchronize();
    }

    @Override
    public void discard() {
        places.forEach((key, place) -> {
            if (place.pages() == null) {
                memory.fill(place.memory(), (byte) 0);
            } else {
                zeroPages(key, place);
            }
        });
        synchronize();
    }

    private void zeroPages(Key key, Place place) {
        SubCache sub = layout.subCaches().get(key.sub());
        long rowBytes = sub.layers().get(key.layer()).rowBytes(key.part());
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment zeros = temporary.allocate(ZEROED_AT_ONCE * rowBytes, 16);
            for (int first = 0; first < sub.cells(); first += ZEROED_AT_ONCE) {
                move(key.sub(), place, first, Math.min(ZEROED_AT_ONCE, sub.cells() - first), rowBytes, zeros, true);
            }
        }
    }

    /** Ends its use of the tensors, which stay where they are. No thread may be using it. */
    @Override
    public void close() {
        device.synchronize();
        arena.close();
    }
}
