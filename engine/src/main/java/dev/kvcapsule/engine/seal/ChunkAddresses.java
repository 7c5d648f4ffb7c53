package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.format.Cbor;
import dev.kvcapsule.engine.format.LayerFields;
import dev.kvcapsule.engine.keys.KeyProvider;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Names of chunks. A chunk's address is a keyed digest, under keys that follow from the tenant's, of all tokens up to its end, where it begins and ends, the model, the cache's structure,
 * the codec with its parameters (a shared basis is named there by its digest), and the key that signs it. So an equal prefix has an equal address inside a tenant and under one signing
 * key, nobody without the tenant's key can test a guess of the tokens, and addresses of two tenants have nothing in common. After a change of the signing key or the tenant's epoch
 * nothing is found any more, and everything is written anew under the new ones.
 */
public final class ChunkAddresses implements AutoCloseable {
    private static final String MAC = "HmacSHA256";
    private static final String ADDRESS = "chunk address";
    private static final String PREFIX = "chunk prefix";

    private final byte[] addressKey;
    private final byte[] prefixSecret;
    private final byte[] bound;

    /**
     * @param keys who holds the tenant's key
     * @param signer name of the signing key
     * @param model the model that makes the caches
     * @param layout a cache's; of its tokens nothing is taken
     */
    public ChunkAddresses(KeyProvider keys, String tenant, String signer, Optional<ModelIdentity> model, CacheLayout layout) throws IOException {
        long epoch = keys.epoch(tenant);
        this.addressKey = keys.derive(tenant, epoch, ADDRESS);
        this.prefixSecret = keys.derive(tenant, epoch, PREFIX);
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("signer", signer);
        model.ifPresent(known -> known.put(fields));
        fields.put("caches", layout.subCaches().stream().map(ChunkAddresses::structure).toList());
        this.bound = Cbor.write(fields);
    }

    private static Map<String, Object> structure(SubCache sub) {
        return Map.of("name", sub.name(), "layers", sub.layers().stream().map(LayerFields::write).toList());
    }

    /**
     * The addresses of chunks that lie one after the other.
     *
     * @param tokens of the sequence, at least to the last chunk's end
     * @param ends where each chunk ends, which is where the next one begins; multiples of 16, rising
     * @param codecs how each is coded
     * @return 32 bytes each
     */
    public List<byte[]> of(int[] tokens, List<Integer> ends, List<CodecSpec> codecs) {
        List<byte[]> digests = PrefixDigest.chain(prefixSecret, tokens, ends);
        byte[][] addresses = new byte[ends.size()][];
        for (int c = 0; c < addresses.length; c++) {
            long first = c == 0 ? 0 : ends.get(c - 1);
            addresses[c] = mac(Cbor.write(List.of(digests.get(c), first, (long) ends.get(c), codecs.get(c).toString(), bound)));
        }
        return List.of(addresses);
    }

    private byte[] mac(byte[] message) {
        try {
            Mac mac = Mac.getInstance(MAC);
            mac.init(new SecretKeySpec(addressKey, MAC));
            return mac.doFinal(message);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(MAC, e);
        }
    }

    @Override
    public void close() {
        Arrays.fill(addressKey, (byte) 0);
        Arrays.fill(prefixSecret, (byte) 0);
    }
}
