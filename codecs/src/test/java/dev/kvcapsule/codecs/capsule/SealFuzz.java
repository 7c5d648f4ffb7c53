package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.seal.PublicOpening;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What Jazzer runs: whatever bytes are a sealed capsule, or the manifest of one, they are shown or refused. Signatures are not looked at, so that everything behind them is
 * reached.
 */
public final class SealFuzz {
    private SealFuzz() {}

    /** Called by Jazzer for each input. */
    public static void fuzzerTestOneInput(byte[] data) throws IOException {
        attempt(data);
        attempt(asManifest(data));
    }

    /** @return whether it was shown; false if it was refused */
    static boolean attempt(byte[] capsule) throws IOException {
        try (PublicOpening opening = PublicOpening.showing()) {
            CapsuleSummary.read(CapsuleReader.of(Capsules.channel(capsule), opening));
            return true;
        } catch (CapsuleRefusedException e) {
            if (e.getMessage().isBlank() || e.getMessage().endsWith("null") || e.getMessage().chars().anyMatch(Character::isISOControl)) {
                throw new AssertionError(e);
            }
            return false;
        }
    }

    /** A capsule that begins with those bytes as its manifest, under checksums that hold, and ends there. */
    static byte[] asManifest(byte[] payload) {
        ByteBuffer out = ByteBuffer.allocate(16 + 40 + payload.length).order(ByteOrder.LITTLE_ENDIAN);
        out.put(new byte[] {(byte) 0x89, 'K', 'V', 'C', '\r', '\n', 0x1a, '\n'}).putShort((short) 1).putShort((short) 0).putInt(CapsuleForge.crc(out.array(), 12));
        byte[] header = ByteBuffer.allocate(40).order(ByteOrder.LITTLE_ENDIAN).put("KVFM".getBytes(java.nio.charset.StandardCharsets.US_ASCII)).put((byte) 1).put((byte) 0)
                .putShort((short) 0).putLong(0).putInt(0).putInt(0).putInt(payload.length).putInt(0).putInt(CapsuleForge.crc(payload, payload.length)).array();
        ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putInt(36, CapsuleForge.crc(header, 36));
        return out.put(header).put(payload).array();
    }
}
