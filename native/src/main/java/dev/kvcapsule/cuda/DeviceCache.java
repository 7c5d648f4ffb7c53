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
        return rowBytes(sub, layer, part) * layout.subCaches().get(sub).cells();
    }

    private long rowBytes(int sub, int layer, Part part) {
        return layout.subCaches().get(sub).layers().get(layer).rowBytes(part);
    }

    /**
     * Says where a tensor is, in one piece.
     *
     * @param sub index of the sub-cache
     * @param layer index of the layer within it
     * @param address as the device knows it
     */
    public DeviceCache put(int sub, int layer, Part part, long address) {
        return put(sub, layer, part, device.context().adopt(arena, address, bytes(sub, layer, part)));
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
     * Says which blocks hold the tokens of a sub-cache; said again, it holds for the tensors that have been put already. A table that is refused changes nothing.
     *
     * @throws IllegalArgumentException if there are too few, or a token then lies outside the pages of a tensor
     */
    public DeviceCache setPages(int sub, PageTable pages) {
        int[] blocks = pages.blocks();
        if ((long) blocks.length * pages.blockTokens() < layout.subCaches().get(sub).cells()) {
            throw new IllegalArgumentException(pages + " do not hold " + layout.subCaches().get(sub).cells() + " tokens");
        }
        places.forEach((key, place) -> {
            if (key.sub() == sub && place.pages() != null) {
                requireWithin(pages, place.pages(), sub, key.layer(), key.part());
            }
        });
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
        if (table == null) {
            throw new IllegalArgumentException("sub-cache " + sub + " has no page table yet");
        }
        requireWithin(table.pages(), tensor, sub, layer, part);
        places.put(new Key(sub, layer, part), new Place(device.context().adopt(arena, tensor.address(), tensor.bytes()), tensor));
        return this;
    }

    /** A kernel believes the table: what it leads to has to be the tensor's. */
    private void requireWithin(PageTable pages, PagedTensor tensor, int sub, int layer, Part part) {
        if (!pages.fits(tensor, layout.subCaches().get(sub).cells(), rowBytes(sub, layer, part))) {
            throw new IllegalArgumentException("the page table leads out of the " + tensor.bytes() + " bytes of " + part.letter() + " of layer " + layer);
        }
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

    /** Rows out of pages, or into them; without memory for all of them in pieces, without any token by token. */
    private void move(int sub, Place place, long first, int tokens, long rowBytes, MemorySegment rows, boolean scatter) {
        if (tokens == 0) {
            return;
        }
        Table table = tables.get(sub);
        try {
            Pieces.run(device, tokens, 1, (from, count) -> {
                launch(table, place, first + from, count, rowBytes, rows.asSlice(from * rowBytes, count * rowBytes), scatter);
                return 0;
            });
        } catch (CudaOutOfMemoryException e) {
            for (int token = 0; token < tokens; token++) {
                long at = table.pages().offset(place.pages(), first + token);
                if (scatter) {
                    memory.copy(rows, token * rowBytes, place.memory(), at, rowBytes);
                } else {
                    memory.copy(place.memory(), at, rows, token * rowBytes, rowBytes);
                }
            }
        }
    }

    private void launch(Table table, Place place, long first, int tokens, long rowBytes, MemorySegment rows, boolean scatter) {
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
        long rowBytes = rowBytes(sub, layer, part);
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
        List<Closing.Step> steps = new ArrayList<>();
        // What other threads have asked for would be written after the zeros.
        steps.add(this::synchronize);
        places.forEach((key, place) -> steps.add(() -> zero(key, place)));
        steps.add(this::synchronize);
        Closing.all(steps);
    }

    private void zero(Key key, Place place) {
        if (place.pages() == null) {
            memory.fill(place.memory(), (byte) 0);
            return;
        }
        // What lies between the rows is somebody else's.
        PagedTensor tensor = place.pages();
        PageTable pages = tables.get(key.sub()).pages();
        long rowBytes = rowBytes(key.sub(), key.layer(), key.part());
        int cells = layout.subCaches().get(key.sub()).cells();
        int together = tensor.tokenBytes() == rowBytes ? pages.blockTokens() : 1;
        for (long token = 0; token < cells; token += together) {
            memory.fill(place.memory().asSlice(pages.offset(tensor, token), Math.min(together, cells - token) * rowBytes), (byte) 0);
        }
    }

    /** Ends its use of the tensors, which stay where they are. No thread may be using it. */
    @Override
    public void close() {
        Closing.all(List.of(device::synchronize, arena::close));
    }
}
