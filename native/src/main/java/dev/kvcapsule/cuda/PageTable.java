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

    /** Where a token's row begins in a tensor. @throws ArithmeticException if that is beyond all memory */
    long offset(PagedTensor tensor, long token) {
        long block = Math.multiplyExact(blocks[Math.toIntExact(token / blockTokens)], tensor.blockBytes());
        return Math.addExact(block, Math.multiplyExact(token % blockTokens, tensor.tokenBytes()));
    }

    /** Whether the rows of all these tokens lie in a tensor. */
    boolean fits(PagedTensor tensor, long tokens, long rowBytes) {
        try {
            for (long token = 0; token < tokens; token += blockTokens) {
                long last = Math.min(tokens, token + blockTokens) - 1;
                if (Math.addExact(offset(tensor, last), rowBytes) > tensor.bytes()) {
                    return false;
                }
            }
            return true;
        } catch (ArithmeticException e) {
            return false;
        }
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
