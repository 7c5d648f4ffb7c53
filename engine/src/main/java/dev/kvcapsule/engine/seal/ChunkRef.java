package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.CborMap;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * A chunk as the capsule that goes on from it names it: which one it is, and that it is these bytes.
 *
 * @param id of the chunk's own capsule, 32 hexadecimal digits
 * @param address what equal prefixes have in common inside a tenant, 64 hexadecimal digits
 * @param root its Merkle root, 64 hexadecimal digits: no other bytes are taken for it
 * @param tokens that it holds
 * @param bytes of it
 * @param expires until when it may be used
 */
public record ChunkRef(String id, String address, String root, int tokens, long bytes, Instant expires) {
    /** Most bytes of a chunk: one lies in memory as a whole while it is read. */
    public static final long MOST_BYTES = 1L << 30;

    private static final Pattern HEX = Pattern.compile("[0-9a-f]+");
    private static final int ID_DIGITS = 32;
    private static final int DIGEST_DIGITS = 64;
    private static final int MOST_TOKENS = 1 << 20;

    /** @throws IllegalArgumentException if a part is out of its range */
    public ChunkRef {
        check(id, ID_DIGITS);
        check(address, DIGEST_DIGITS);
        check(root, DIGEST_DIGITS);
        if (tokens < 1 || tokens > MOST_TOKENS || bytes < 1 || bytes > MOST_BYTES) {
            throw new IllegalArgumentException("a chunk of " + tokens + " tokens and " + bytes + " bytes");
        }
        expires = expires.truncatedTo(ChronoUnit.SECONDS);
    }

    private static void check(String hex, int digits) {
        if (hex.length() != digits || !HEX.matcher(hex).matches()) {
            throw new IllegalArgumentException("not " + digits + " lower-case hexadecimal digits");
        }
    }

    /**
     * Those that hold the first tokens.
     *
     * @param chunks in the order of their tokens, from the first one on
     * @param tokens how many tokens
     */
    public static List<ChunkRef> first(List<ChunkRef> chunks, long tokens) {
        int count = 0;
        for (long before = 0; count < chunks.size() && before < tokens; count++) {
            before += chunks.get(count).tokens();
        }
        return chunks.subList(0, count);
    }

    /** Address and root: what a store keeps it under. */
    public String key() {
        return address + root;
    }

    Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("id", HexFormat.of().parseHex(id));
        map.put("address", HexFormat.of().parseHex(address));
        map.put("root", HexFormat.of().parseHex(root));
        map.put("tokens", tokens);
        map.put("bytes", bytes);
        map.put("expires", expires.getEpochSecond());
        return map;
    }

    static ChunkRef of(CborMap map) throws MalformedDataException {
        try {
            ChunkRef ref = new ChunkRef(HexFormat.of().formatHex(map.bytes("id")), HexFormat.of().formatHex(map.bytes("address")), HexFormat.of().formatHex(map.bytes("root")),
                    map.integer("tokens", 1, MOST_TOKENS), map.number("bytes", 1, MOST_BYTES), SealClaims.time(map, "expires"));
            map.end();
            return ref;
        } catch (IllegalArgumentException e) {
            throw map.malformed(e.getMessage());
        }
    }
}
