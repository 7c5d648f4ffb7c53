package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.cache.DType;
import java.util.List;
import java.util.Optional;

/**
 * Where everything in a state's payload lies. All offsets count from the start of the file.
 *
 * @param blocks the attention caches, in file order
 * @param recurrent the recurrent state behind them
 */
record ParsedState(List<Block> blocks, Optional<Recurrent> recurrent) {

    /**
     * One attention cache ({@code llama_kv_cache::state_write}).
     *
     * @param name "kv" alone, "base" and "swa" in pairs
     * @param streams one a stream, empty streams included
     */
    record Block(String name, List<Stream> streams) {}

    /**
     * One stream of a cache.
     *
     * @param cells number of cells; with 0, nothing else of the stream is in the file
     * @param cellsOffset where the cell records begin
     * @param cellsBytes their length
     * @param extBytes bytes between n_seq_id and the sequence ids of every cell: 0, 8 (x, y) or 12 (x, y, token)
     * @param transposed the file's v_trans
     */
    record Stream(int cells, long cellsOffset, long cellsBytes, int extBytes, boolean transposed, List<Layer> layers) {
        static final Stream EMPTY = new Stream(0, 0, 0, 0, false, List.of());
    }

    /**
     * One layer's tensors.
     *
     * @param keyWidth channels of a K row, over all heads
     * @param valueWidth channels of a V row; 0 if the layer has no V
     */
    record Layer(DType keyType, int keyWidth, long keyOffset, DType valueType, int valueWidth, long valueOffset) {}

    /**
     * The recurrent state, which is carried as it is.
     *
     * @param lastPosition the largest position in it; -1 without cells
     */
    record Recurrent(long offset, long bytes, int lastPosition) {}
}
