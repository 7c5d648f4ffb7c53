package dev.kvcapsule.cuda;

/** Does work on tokens in smaller pieces where the device has too little memory for all of them. */
final class Pieces {
    private Pieces() {}

    /** Work on some tokens. */
    interface Work {
        /** @return what adds up over pieces */
        long on(int first, int count);
    }

    /**
     * Tries all tokens, else halves of them, and so on.
     *
     * @param multiple where tokens may be parted
     * @throws CudaOutOfMemoryException if there is too little even for the smallest piece
     */
    static long run(Device device, int tokens, int multiple, Work work) {
        return run(device, 0, tokens, multiple, work);
    }

    private static long run(Device device, int first, int count, int multiple, Work work) {
        try {
            return work.on(first, count);
        } catch (CudaOutOfMemoryException e) {
            device.lane().shrink();
            int half = count / 2 / multiple * multiple;
            if (half == 0) {
                throw e;
            }
            return run(device, first, half, multiple, work) + run(device, first + half, count - half, multiple, work);
        }
    }
}
