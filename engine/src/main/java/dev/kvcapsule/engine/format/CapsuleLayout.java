package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.cache.CacheLayout;

/** Constants and arithmetic that the writer and the reader share: where frames stand and how they are numbered. */
final class CapsuleLayout {
    /** First eight bytes of a capsule: a byte that no text has, the name, and line ends that a text-mode transfer would change. */
    static final long MAGIC = 0x0A1A0A0D43564B89L; // 89 'K' 'V' 'C' 0D 0A 1A 0A

    /** Version of the format. A reader refuses any other. */
    static final int VERSION = 1;

    /** File header: magic (8), version (u16), reserved (u16), CRC-32C of these 12 bytes. */
    static final int FILE_HEADER_BYTES = 16;

    /** Footer: magic (8), offset of the index frame (u64), reserved (u32), CRC-32C of these 20 bytes. */
    static final int FOOTER_BYTES = 24;

    /** First eight bytes of the footer. */
    static final long FOOTER_MAGIC = 0x0A0D444E4543564BL; // "KVCEND\r\n"

    /** Raw bytes of a blob in one frame. */
    static final int BLOB_PIECE_BYTES = 1 << 20;

    private CapsuleLayout() {}

    /** Frames that carry a blob, or a basis, of that many bytes. */
    static long pieces(long bytes) {
        return bytes / BLOB_PIECE_BYTES + (bytes % BLOB_PIECE_BYTES == 0 ? 0 : 1);
    }

    /** Frames before the first tile: the manifest and all pieces of all blobs and of the basis. */
    static long framesBeforeTiles(Manifest manifest) {
        long frames = 1 + pieces(manifest.basisBytes());
        for (CacheLayout.Blob blob : manifest.layout().blobs()) {
            frames += pieces(blob.bytes());
        }
        return frames;
    }
}
