/** A local store of chunks: append-only, memory-mapped segments, an index, crash recovery, garbage collection. Knows nothing of what it keeps. */
@SuppressWarnings("requires-automatic") // Chronicle Bytes has no descriptors
module dev.kvcapsule.store {
    requires chronicle.bytes;
    requires chronicle.core;

    exports dev.kvcapsule.store;
}
