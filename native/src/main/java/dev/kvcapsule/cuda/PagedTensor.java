package dev.kvcapsule.cuda;

/**
 * A tensor in pages, as vLLM keeps it: {@code [blocks][tokens of a block][row]}, or with more between two blocks or two tokens.
 *
 * @param address of the first block, as the device knows it
 * @param bytes of all blocks
 * @param blockBytes from one block to the next
 * @param tokenBytes from one token of a block to the next
 */
public record PagedTensor(long address, long bytes, long blockBytes, long tokenBytes) {
    /** @throws IllegalArgumentException if it is nowhere or has no size */
    public PagedTensor {
        if (address == 0 || bytes < 1 || blockBytes < 1 || tokenBytes < 1) {
            throw new IllegalArgumentException("no pages: " + bytes + " bytes at 0x" + Long.toHexString(address) + ", blocks of " + blockBytes + ", tokens of " + tokenBytes);
        }
    }
}
