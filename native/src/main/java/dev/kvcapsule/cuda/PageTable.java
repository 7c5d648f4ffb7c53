package dev.kvcapsule.cuda;

import java.util.Arrays;

/**
 * Which blocks hold the tokens of a sequence.
 *
 * @param blockTokens tokens of a block
 * @param blocks number of the block of the first {@code blockTokens} tokens, of the next ones, ...; copied
 */
public record PageTable(int blockTokens, int[] blocks) {
    /** @throws IllegalArgumentException if a number is negative, or blocks are empty */
    public PageTable {
        blocks = blocks.clone();
        if (blockTokens < 1 || Arrays.stream(blocks).anyMatch(block -> block < 0)) {
            throw new IllegalArgumentException("no page table: blocks of " + blockTokens + " tokens");
        }
    }

    @Override
    public int[] blocks() {
        return blocks.clone();
    }

    /** The last byte that is read of a tensor, plus one. */
    long end(PagedTensor tensor, int tokens, long rowBytes) {
        long end = 0;
        for (int token = 0; token < tokens; token += blockTokens) {
            int last = Math.min(tokens - token, blockTokens) - 1;
            end = Math.max(end, Math.addExact(Math.multiplyExact(blocks[token / blockTokens], tensor.blockBytes()), Math.addExact(last * tensor.tokenBytes(), rowBytes)));
        }
        return end;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PageTable table && table.blockTokens == blockTokens && Arrays.equals(table.blocks, blocks);
    }

    @Override
    public int hashCode() {
        return 31 * blockTokens + Arrays.hashCode(blocks);
    }

    @Override
    public String toString() {
        return blocks.length + " blocks of " + blockTokens + " tokens";
    }
}
