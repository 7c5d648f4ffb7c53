package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.Cbor;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A signed message (RFC 9052): COSE_Sign1 with tag 18 for one signature, COSE_Sign with tag 98 for two. Of the many ways to write one a single one is read: with its tag,
 * empty unprotected headers, shortest heads, and protected headers with exactly the content type (3), the algorithm (1) and the key (4).
 *
 * @param contentType what the payload is
 * @param payload what is signed
 * @param signatures one, or two
 */
record CoseMessage(String contentType, byte[] payload, List<CoseSignature> signatures) {
    private static final int TAG_SIGN1 = 18;
    private static final int TAG_SIGN = 98;
    private static final int HEADER_ALG = 1;
    private static final int HEADER_CONTENT_TYPE = 3;
    private static final int HEADER_KID = 4;
    private static final byte[] EMPTY_MAP = {(byte) 0xa0};

    /** A signature's name for its key and algorithm. */
    record Signer(long algorithm, String kid) {}

    /** A signature. @param bytes as the algorithm makes them */
    record CoseSignature(Signer signer, byte[] bytes) {}

    /** What is signed: Sig_structure of RFC 9052, section 4.4, without external data. */
    static byte[] toBeSigned(String contentType, List<Signer> signers, int which, byte[] payload) {
        Signer signer = signers.get(which);
        if (signers.size() == 1) {
            return Cbor.write(List.of("Signature1", sign1Header(contentType, signer), new byte[0], payload));
        }
        return Cbor.write(List.of("Signature", bodyHeader(contentType), signerHeader(signer), new byte[0], payload));
    }

    private static byte[] sign1Header(String contentType, Signer signer) {
        return header(signer, contentType);
    }

    private static byte[] bodyHeader(String contentType) {
        return header(null, contentType);
    }

    private static byte[] signerHeader(Signer signer) {
        return header(signer, null);
    }

    /** A map with integer keys in byte order: 1, 3, 4. */
    private static byte[] header(Signer signer, String contentType) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(0xa0 + (signer == null ? 0 : 2) + (contentType == null ? 0 : 1));
        if (signer != null) {
            out.write(HEADER_ALG);
            out.writeBytes(Cbor.write(signer.algorithm()));
        }
        if (contentType != null) {
            out.write(HEADER_CONTENT_TYPE);
            out.writeBytes(Cbor.write(contentType));
        }
        if (signer != null) {
            out.write(HEADER_KID);
            out.writeBytes(Cbor.write(signer.kid().getBytes(StandardCharsets.US_ASCII)));
        }
        return out.toByteArray();
    }

    byte[] toBytes() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        if (signatures.size() == 1) {
            out.write(0xc0 + TAG_SIGN1);
            out.write(0x84);
            out.writeBytes(Cbor.write(sign1Header(contentType, signatures.getFirst().signer())));
            out.writeBytes(EMPTY_MAP);
            out.writeBytes(Cbor.write(payload));
            out.writeBytes(Cbor.write(signatures.getFirst().bytes()));
            return out.toByteArray();
        }
        out.write(0xd8);
        out.write(TAG_SIGN);
        out.write(0x84);
        out.writeBytes(Cbor.write(bodyHeader(contentType)));
        out.writeBytes(EMPTY_MAP);
        out.writeBytes(Cbor.write(payload));
        out.write(0x80 + signatures.size());
        for (CoseSignature signature : signatures) {
            out.write(0x83);
            out.writeBytes(Cbor.write(signerHeader(signature.signer())));
            out.writeBytes(EMPTY_MAP);
            out.writeBytes(Cbor.write(signature.bytes()));
        }
        return out.toByteArray();
    }

    /**
     * @param contentType what it must be
     * @param offset where the bytes lie in their file, for messages
     * @throws MalformedDataException if they are anything but one message as {@link #toBytes} writes it
     */
    static CoseMessage parse(byte[] bytes, String contentType, long offset) throws MalformedDataException {
        CoseReader in = new CoseReader(bytes, offset);
        int tag = in.tag();
        if (tag != TAG_SIGN1 && tag != TAG_SIGN) {
            throw in.malformed("tag " + tag + " is neither COSE_Sign1 nor COSE_Sign");
        }
        in.array(4);
        byte[] protectedHeader = in.bytes();
        in.emptyMap();
        byte[] payload = in.bytes();
        List<CoseSignature> signatures = new ArrayList<>();
        if (tag == TAG_SIGN1) {
            signatures.add(new CoseSignature(signer(protectedHeader, contentType, in), in.bytes()));
        } else {
            in.array(2);
            for (int i = 0; i < 2; i++) {
                in.array(3);
                byte[] header = in.bytes();
                in.emptyMap();
                signatures.add(new CoseSignature(signer(header, null, in), in.bytes()));
            }
        }
        in.end();
        CoseMessage message = new CoseMessage(contentType, payload, signatures);
        // One way to write it: covers the body's header, the order of keys and every head at once.
        if (!Arrays.equals(message.toBytes(), bytes)) {
            throw in.malformed("is not a " + contentType + " in its one encoding");
        }
        return message;
    }

    private static Signer signer(byte[] header, String contentType, CoseReader outer) throws MalformedDataException {
        CoseReader in = new CoseReader(header, outer.offset());
        in.map(contentType == null ? 2 : 3);
        in.label(HEADER_ALG);
        long algorithm = in.integer();
        if (contentType != null) {
            in.label(HEADER_CONTENT_TYPE);
            if (!in.text().equals(contentType)) {
                throw outer.malformed("is not a " + contentType);
            }
        }
        in.label(HEADER_KID);
        byte[] kid = in.bytes();
        in.end();
        for (byte c : kid) {
            if (c <= ' ' || c > '~') {
                throw outer.malformed("the name of the key is not printable");
            }
        }
        return new Signer(algorithm, new String(kid, StandardCharsets.US_ASCII));
    }

    List<Signer> signers() {
        return signatures.stream().map(CoseSignature::signer).toList();
    }
}
